@tls
Feature: A server gives its token to Vault, and to nobody who only says that he is Vault
  With the first request goes the token, and with every answer come secrets: whom they go to has to be verified before.

  @tls.vault-unknown @must @source:KAG @source:SEC @evidence:launch @evidence:tap @own-target @needs:kv.read
  Scenario: a certificate of an authority that nobody named is not accepted
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    When the server is started again, and nobody told it the authority of Vault's certificate
    Then it does not start, or the agent is told of an error to the secret "app/database" and no token is used
    And Vault was asked nothing by it

  @tls.vault-authority @should @source:SEC @mode:vault_ca @evidence:launch @own-target @needs:kv.read
  Scenario: a certificate of a private authority is accepted by a server that was told that authority
    Given a server that was told the authority of Vault's certificate
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds

  @tls.vault-certificate @must @source:SEC @mode:vault_ca @evidence:launch @evidence:tap @own-target @needs:kv.read
  Scenario Outline: a certificate <what> is not accepted
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And a server that was told the authority of Vault's certificate, and reads the secret "app/database"
    When it is started again, and Vault shows a certificate <what>
    Then it does not start, or the agent is told of an error to the secret "app/database" and no token is used
    And Vault was asked nothing by it

    Examples:
      | what                 |
      | of another authority |
      | for another name     |
      | whose time is over   |
