@mounts
Feature: A list of mounts shows what is there

  @mounts.list @must @source:TUT @needs:mounts.list
  Scenario: every mount that the token may see, with its type
    Given a KV version 1 mount "first"
    And a transit mount "second" with the key "app"
    And a KV version 2 mount "team/a/kv"
    When the agent lists the mounts
    Then the agent is told of success
    And the agent is given each of the mounts with its type
    And nothing in Vault has changed

  @mounts.list-details @should @source:TUT @needs:mounts.list
  Scenario Outline: the <detail> of a mount
    Given a KV version 1 mount "first"
    And a KV version 2 mount "second"
    When the agent lists the mounts
    Then the agent is given the <detail> of each mount

    Examples:
      | detail      |
      | KV version  |
      | description |
