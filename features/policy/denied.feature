@policy
Feature: What the policy denies is passed on as a denial
  A denial counts only where Vault denied the same request made directly with the same
  token, and only where the same call succeeds once the token has the right to it.

  @policy.denied @must @source:BLOG @evidence:launch
  Scenario Outline: under the blog's policy the agent cannot <act>
    Given the agent's token has the policy "mcp-server" of the blog
    And a KV version <version> mount "other"
    And the secret "team/database" with the keys "username, password"
    And Vault denies the same token to <act>
    When the agent asks to <act>
    Then the agent is told that permission was denied
    And the agent is shown no value
    And nothing in Vault has changed
    When the policy is changed to allow it
    And the agent asks to <act>
    Then the agent is told of success
    And Vault shows the effect

    Examples: secrets of another team
      | version | act                                 |
      | 1       | read the secret "team/database"     |
      | 2       | read the secret "team/database"     |
      | 1       | write to the secret "team/database" |
      | 2       | write to the secret "team/database" |
      | 2       | write to the secret "team/new"      |
      | 1       | list the folder "team"              |
      | 2       | list the folder "team"              |
      | 1       | delete the secret "team/database"   |
      | 2       | delete the secret "team/database"   |

    Examples: changes to the mounts
      | version | act                          |
      | 2       | enable PKI at "pki-internal" |
      | 2       | create a KV mount "extra"    |
      | 2       | delete the mount "other"     |

  @policy.denied-without-policy @must @source:BLOG @evidence:launch
  Scenario Outline: without any policy the agent cannot <act>
    Given the agent's token has no policy of its own
    And a KV version 2 mount "secret"
    And the secret "team/database" with the keys "username, password"
    And Vault denies the same token to <act>
    When the agent asks to <act>
    Then the agent is told that permission was denied
    And the agent is shown no value
    And nothing in Vault has changed
    When the policy is changed to allow it
    And the agent asks to <act>
    Then the agent is told of success
    And Vault shows the effect

    Examples:
      | act                                 |
      | read the secret "team/database"     |
      | write to the secret "team/database" |
