@vault_token
Feature: The server's own token comes from where it is kept, and lives as long as the server
  A token in a file can be put there by whatever renews it, and need not stand in a configuration.

  @vault_token.file @must @source:SEC @mode:token_file @evidence:launch @needs:kv.read
  Scenario: a token is taken from its file
    Given a server whose token is in a file
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds

  @vault_token.file-unusable @must @source:SEC @mode:token_file @evidence:launch @evidence:tap @own-target @needs:kv.read
  Scenario Outline: a server whose token file <what> does not act
    Given a server whose token is in a file
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    When a server is started whose token file <what>
    Then it does not start, or the agent is told of an error to the secret "app/database" and no token is used

    Examples:
      | what         |
      | is empty     |
      | is not there |

  @vault_token.file-changed @should @source:SEC @mode:token_file @evidence:launch @evidence:tap @own-target @needs:kv.read
  Scenario: a token file is read again when it has changed
    Given a server whose token is in a file
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    When another token is put into the file, and the one before is revoked
    Then the agent is soon given the secret "app/database", with the other token

  @vault_token.file-exposed @should @source:SEC @mode:token_file @evidence:launch @own-target
  Scenario: a token file that others can read is warned about
    When a server is started whose token file others can read
    Then the server says so, and does not say it of a file that they cannot read

  @vault_token.renewed @should @slow @source:KAG @mode:token_renewal @evidence:launch @own-target @needs:kv.read
  Scenario: a token is renewed before it ends
    Given a server that renews its token, which lasts 5 seconds
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    When Vault has ended a token that lasts 5 seconds, is younger, and is not renewed
    And the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
