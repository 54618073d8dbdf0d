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
