@kv
Feature: What an agent deletes is gone, and nothing else is

  @kv.delete-gone @must @source:TUT @needs:kv.delete
  Scenario Outline: a secret of a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secrets "app/database", "app/database-replica", "app/database/archive"
    When the agent deletes the secret "app/database"
    Then the agent is told of success
    And Vault no longer gives out the secret "app/database"
    And nothing else in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.delete-recoverable @should @source:VAULT @needs:kv.delete
  Scenario: what is deleted in a KV version 2 mount can still be brought back
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And the secret "app/database" was changed since
    When the agent deletes the secret "app/database"
    Then the agent is told of success
    And version 2 of the secret "app/database" is deleted and not destroyed
    And version 1 of the secret "app/database" is as it was

  @kv.delete-key @must @source:TUT @needs:kv.delete_key
  Scenario Outline: one key is deleted and the others stay, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, host, port"
    When the agent deletes the key "host" of the secret "app/database"
    Then the agent is told of success
    And Vault holds the secret "app/database" without that key, and the others unchanged
    And nothing else in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.delete-absent @should @source:VAULT @needs:kv.delete
  Scenario Outline: deleting a secret that is not there is told and changes nothing, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secrets "app/other"
    When the agent deletes the secret "app/database"
    Then the agent is told that there is no such thing
    And nothing in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.delete-absent-key @should @source:VAULT @needs:kv.delete_key
  Scenario Outline: deleting a key that is not there is told and changes nothing, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, host"
    When the agent deletes the key "port" of the secret "app/database"
    Then the agent is told that there is no such thing
    And nothing in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.undelete @must @source:VAULT @needs:kv.undelete
  Scenario: a deleted version is brought back as it was
    Given a KV version 2 mount "team"
    And the secret "app/database" that was deleted
    When the agent undeletes version 1 of the secret "app/database"
    Then the agent is told of success
    And version 1 of the secret "app/database" is as it was
    And nothing else in Vault has changed

  @kv.destroy @must @source:VAULT @needs:kv.destroy
  Scenario: a destroyed version is gone for good, and the others stay
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And the secret "app/database" was changed since
    When the agent destroys version 1 of the secret "app/database"
    Then the agent is told of success
    And version 1 of the secret "app/database" is destroyed
    And Vault holds the secret "app/database" as before
    And nothing else in Vault has changed

  @kv.purge @must @source:VAULT @needs:kv.purge
  Scenario Outline: a purged secret leaves nothing behind, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secrets "app/database", "app/database-replica", "app/database/archive"
    When the agent purges the secret "app/database"
    Then the agent is told of success
    And Vault knows nothing of the secret "app/database"
    And nothing else in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |
