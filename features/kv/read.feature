@kv
Feature: What an agent reads is what Vault holds

  @kv.read-exact @must @source:TUT @source:BLOG @needs:kv.read
  Scenario Outline: a secret of a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, password, host"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    And nothing in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.read-latest @must @source:VAULT @needs:kv.read
  Scenario: the latest version is read unless another is asked for
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And the secret "app/database" was changed since
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds

  @kv.read-fresh @must @source:KAG @needs:kv.read
  Scenario Outline: nothing is served from a cache, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    Given the secret "app/database" was changed since
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.read-version @must @source:GUIDE @source:VAULT @needs:kv.read_version
  Scenario: an earlier version is read when it is asked for
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And the secret "app/database" was changed since
    When the agent reads version 1 of the secret "app/database"
    Then the agent is given exactly what Vault held in version 1

  @kv.read-missing @must @source:VAULT @needs:kv.read
  Scenario Outline: a secret that <state> is an error and shows no value
    Given a KV version 2 mount "team"
    And the secret "app/database" that <state>
    When the agent reads the secret "app/database"
    Then the agent is told of an error
    And the agent is shown no value
    And a secret that exists can still be read

    Examples:
      | state         |
      | never existed |
      | was deleted   |
      | was destroyed |
