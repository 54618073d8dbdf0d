@vault_token
Feature: The server's own Vault token
  A token in a file can be replaced by the program that renews it, and does not have to be in a configuration.

  # A root token can choose the id of a new token, and a batch token begins with "hvb.".
  @vault_token.any-form @must @source:VAULT:api-docs/auth/token#create-token @evidence:launch @own-target @needs:kv.read
  Rule: The server MUST accept every token that Vault accepts, whatever its prefix, its length and its characters

    Scenario Outline: <token>
      Given a server whose token is <token>
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds

      Examples:
        | token                                     |
        | a service token with a dash or underscore |
        | a batch token                             |
        | a UUID                                    |
        | 12 letters and digits                     |
        | words with dashes and underscores         |
        | letters with plus, slash and equals signs |
        | 200 letters and digits                    |

  @vault_token.file @must @source:SEC:token-disclosure @mode:token_file @evidence:launch @needs:kv.read
  Rule: A server that is configured with a token file MUST be able to read secrets with the token in that file

    Scenario: a valid token in the file
      Given a server that reads its token from a file
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds

  @vault_token.file-unusable @must @source:SEC:confused-deputy @mode:token_file @evidence:launch @evidence:tap @own-target @needs:kv.read
  Rule: A server whose token file is missing or empty MUST refuse to start or return an error, and MUST NOT use any other token

    Scenario Outline: the token file <what>
      Given a server that reads its token from a file
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      When the suite starts a server whose token file <what>
      Then the server does not start, or reports an error for the secret "app/database" and uses no token

      Examples:
        | what         |
        | is empty     |
        | is not there |

  @vault_token.file-changed @should @source:SEC:denial-of-service @mode:token_file @evidence:launch @evidence:tap @own-target @needs:kv.read
  Rule: The server SHOULD switch to the new token without a restart when its token file changes and the old token is revoked

    Scenario: a new token in the file, and the old one revoked
      Given a server that reads its token from a file
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      When the suite replaces the token in the file and revokes the previous token
      Then the server soon returns the secret "app/database", using the new token

  @vault_token.file-exposed @should @source:SEC:token-disclosure @mode:token_file @evidence:launch @own-target
  Rule: The server SHOULD warn if other users can read its token file, and SHOULD NOT warn about a file that only its owner can read

    Scenario: a token file that other users can read
      When the suite starts a server whose token file others can read
      Then the server warns that others can read the file, and does not warn if they cannot

  @vault_token.renewed @should @slow @source:KAG:production-setup @mode:token_renewal @evidence:launch @own-target @needs:kv.read
  Rule: A server with token renewal SHOULD renew its Vault token before the token expires, so that reads continue to work

    Scenario: a read after the token's first lifetime
      Given a server that renews its token, which has a TTL of 5 seconds
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      When a newer token with a TTL of 5 seconds, which is not renewed, has expired in Vault
      And the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
