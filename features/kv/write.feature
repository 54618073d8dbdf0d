@kv
Feature: What an agent writes is what Vault holds
  Vault is looked into after each write, with the suite's own token. The answer of
  the server is not evidence.

  @kv.write-exact @must @source:KAG @source:TUT @needs:kv.write_key
  Scenario Outline: a key of a new secret, in a KV version <version> mount
    Given a KV version <version> mount "team"
    When the agent writes the key "password" of the secret "app/database"
    Then the agent is told of success
    And Vault holds the secret "app/database" exactly as written
    And nothing else in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.write-merges @must @source:TUT @needs:kv.write_key
  Scenario Outline: writing one key keeps the others, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, host, port"
    When the agent writes the key "password" of the secret "app/database"
    Then the agent is told of success
    And Vault holds the secret "app/database" exactly as written
    And nothing else in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.write-overwrites @must @source:KAG @needs:kv.write_key
  Scenario Outline: writing a key again gives it the new value, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent writes the key "password" of the secret "app/database"
    Then the agent is told of success
    And Vault holds the secret "app/database" exactly as written
    And nothing else in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.write-intact @must @source:KAG @needs:kv.write_key
  Scenario Outline: a value arrives intact: <value>
    Given a KV version 2 mount "team"
    When the agent writes a value of <value> as the key "content" of the secret "app/config"
    Then the agent is told of success
    And Vault holds the secret "app/config" exactly as written

    Examples:
      | value                       |
      | letters of many scripts     |
      | several lines               |
      | quotes and backslashes      |
      | what looks like a template  |
      | leading and trailing spaces |
      | 100 KiB                     |
