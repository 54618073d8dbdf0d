@mounts
Feature: A mount is made or deleted as asked, and nothing else is

  @mounts.create @must @source:KAG @needs:mounts.create
  Scenario Outline: a mount of KV version <version>
    Given a KV version 2 mount "other"
    And the secrets "app/database"
    When the agent creates a mount "extra" of KV version <version>
    Then the agent is told of success
    And Vault has the mount "extra" of KV version <version>
    And nothing else in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @mounts.create-nested @must @source:VAULT @needs:mounts.create
  Scenario: a mount within a path
    Given a KV version 2 mount "team/a"
    When the agent creates a mount "team/b/kv" of KV version 2
    Then the agent is told of success
    And Vault has the mount "team/b/kv" of KV version 2
    And nothing else in Vault has changed

  @mounts.create-existing @must @source:VAULT @needs:mounts.create
  Scenario Outline: a path that is taken <where> stays as it is
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent creates a mount "<path>" of KV version 1
    Then the agent is told of an error
    And nothing in Vault has changed

    Examples:
      | where        | path    |
      | by itself    | team    |
      | further down | team/kv |

  @mounts.create-reserved @must @source:VAULT @needs:mounts.create @evidence:launch
  Scenario Outline: the reserved path <path> is refused with Vault's reason
    Given the agent's token may make mounts at "<path>"
    And Vault refuses the same token a mount at "<path>"
    When the agent creates a mount at exactly "<path>"
    Then the agent is told Vault's reason
    And nothing in Vault has changed

    Examples:
      | path                  |
      | sys/conformance       |
      | identity/conformance  |
      | cubbyhole/conformance |

  @mounts.delete @must @source:KAG @needs:mounts.delete
  Scenario Outline: the mount <path> is deleted and its neighbours stay
    Given a KV version 2 mount "team-a"
    And a KV version 1 mount "<path>"
    And the secrets "app/database"
    And a KV version 2 mount "teams/b"
    And the secrets "app/database"
    When the agent deletes the mount "<path>"
    Then the agent is told of success
    And Vault has no mount "<path>"
    And nothing else in Vault has changed

    Examples:
      | path     |
      | team     |
      | teams/a  |

  @mounts.delete-absent @should @source:VAULT @needs:mounts.delete
  Scenario: deleting a mount that is not there is told
    Given a KV version 2 mount "team/a"
    When the agent deletes the mount "team"
    Then the agent is told that there is no such thing
    And nothing in Vault has changed
