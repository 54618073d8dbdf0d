@tls
Feature: TLS between server and Vault
  Every request to Vault carries a token. The server has to verify Vault's certificate before the first request.

  @tls.vault-unknown @must @source:KAG:production-setup @source:RFC:9110#4.3.4 @source:SEC:token-disclosure @evidence:launch @evidence:tap @own-target @needs:kv.read
  Rule: A server that does not trust the authority of Vault's certificate MUST refuse to start or return an error, and MUST NOT send requests to Vault

    Scenario: no authority is configured for Vault's certificate
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      When the suite restarts the server without the CA of Vault's certificate
      Then the server does not start, or reports an error for the secret "app/database" and uses no token
      And the restarted server sent no request to Vault

  @tls.vault-authority @should @source:SEC:misconfiguration @mode:vault_ca @evidence:launch @own-target @needs:kv.read
  Rule: A server that is configured with a private authority for Vault's certificate SHOULD accept a certificate that this authority signed

    Scenario: a certificate of the configured authority
      Given a server that trusts the CA of Vault's certificate
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds

  @tls.vault-certificate @must @source:KAG:production-setup @source:RFC:9110#4.3.4 @source:SEC:token-disclosure @mode:vault_ca @evidence:launch @evidence:tap @own-target @needs:kv.read
  Rule: If Vault's certificate is expired, for another name or from another authority, the server MUST refuse to start or return errors, and MUST NOT send requests to Vault

    Scenario Outline: a certificate <what>
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And a server that trusts the CA of Vault's certificate and has read the secret "app/database"
      When the suite restarts the server, and Vault presents a certificate <what>
      Then the server does not start, or reports an error for the secret "app/database" and uses no token
      And the restarted server sent no request to Vault

      Examples:
        | what                 |
        | of another authority |
        | for another name     |
        | whose time is over   |
