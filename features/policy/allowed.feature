@policy
Feature: What the policy allows, the agent can do
  The same request is made directly on Vault with the same token: Vault says what the
  policy allows, no table does.

  @policy.allowed @must @source:TUT @evidence:launch
  Scenario Outline: under the tutorial's policy the agent can <act>
    Given the agent's token has the policy "vault-mcp-developer" of the tutorial
    And a KV version 2 mount "secret"
    And the secret "myapp/database" with the keys "username, password"
    And Vault allows the same token to <act>
    When the agent asks to <act>
    Then the agent is told of success
    And Vault shows the effect

    Examples:
      | act                                      |
      | read the secret "myapp/database"         |
      | write to the secret "myapp/database"     |
      | write to the secret "myapp/integrations" |
      | list the folder "myapp"                  |
      | delete the secret "myapp/database"       |
      | list the mounts                          |
