@policy
Feature: Operations that the policy denies
  A denial counts only if Vault denies the same request made directly with the same token, and the same call
  succeeds once the token has the right to it.

  @policy.denied @must @source:BLOG:what-happens-when-the-policy-says-no @evidence:launch
  Rule: The server MUST report a denial by Vault as a denial, without changes or secret values, and MUST carry out the same call once the policy allows it

    Scenario Outline: the policy does not let the token <act> (KV version <version>)
      Given the agent's token has the policy "mcp-server" of the blog
      And a KV version <version> mount "other"
      And the secret "team/database" with the keys "username, password"
      And Vault denies the same token to <act>
      When the agent tries to <act>
      Then the server reports that permission was denied
      And the server returns no secret value
      And nothing in Vault has changed
      When the suite changes the token's policy to allow everything
      And the agent tries to <act>
      Then the server reports success
      And the call had the requested effect

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

  @policy.denied-without-policy @must @source:BLOG:configuring-the-vault-mcp-server @source:VAULT:docs/concepts/policies @evidence:launch
  Rule: When no policy grants its token access, the server MUST report reads and writes of secrets as denied, without effect or secret values, until a policy allows them

    Scenario Outline: the token has no rights to <act>
      Given the agent's token has no policy of its own
      And a KV version 2 mount "secret"
      And the secret "team/database" with the keys "username, password"
      And Vault denies the same token to <act>
      When the agent tries to <act>
      Then the server reports that permission was denied
      And the server returns no secret value
      And nothing in Vault has changed
      When the suite changes the token's policy to allow everything
      And the agent tries to <act>
      Then the server reports success
      And the call had the requested effect

      Examples:
        | act                                 |
        | read the secret "team/database"     |
        | write to the secret "team/database" |

  @policy.revoked @must @source:BLOG:configuring-the-vault-mcp-server @source:VAULT:docs/concepts/policies @evidence:launch
  Rule: When the policy no longer allows a read that succeeded before, the server MUST report it as denied, without the names or values that it returned before

    Scenario Outline: the token may <act>, and then no longer
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent tries to <act>
      Then the server reports success
      When the suite takes all rights from the agent's token
      And Vault denies the same token to <act>
      And the agent tries to <act>
      Then the server reports that permission was denied
      And the server returns no secret value
      When the suite changes the token's policy to allow everything
      And the agent tries to <act>
      Then the server reports success

      Examples:
        | act                            |
        | read the secret "app/database" |
        | list the folder "app"          |
