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

  @kv.read-told-apart @should @source:VAULT @needs:kv.read
  Scenario: a secret that never existed, one that was deleted and one that was destroyed are told apart
    Given a KV version 2 mount "team"
    And the secret "app/deleted" that was deleted
    And the secret "app/destroyed" that was destroyed
    When the agent reads the secrets "app/missing", "app/deleted", "app/destroyed" one after the other
    Then each of the errors says something else

  @kv.read-at-once @must @source:MCP @needs:kv.read
  Scenario: 200 readings at once on one connection are each given their own secret
    Given a KV version 2 mount "team"
    And 200 secrets in 1 folder
    When the agent reads all of them at once
    Then each reading is given what Vault holds in its secret

  @kv.read-one-request @should @source:SEC @needs:kv.read @evidence:tap
  Scenario Outline: a second reading asks Vault once, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    And the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    And that took one request to Vault, the mount's description aside

    Examples:
      | version |
      | 1       |
      | 2       |
