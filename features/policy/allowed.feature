@policy
Feature: Operations that the policy allows
  The suite makes the same request directly to Vault with the same token. Vault decides what the policy allows.

  @policy.allowed @must @source:TUT:create-a-policy-for-the-mcp-server @evidence:launch
  Rule: The server MUST read, write, list and delete secrets, and list mounts, wherever the policy of its Vault token allows it

    Scenario Outline: the policy allows the token to <act>
      Given the agent's token has the policy "vault-mcp-developer" of the tutorial
      And a KV version 2 mount "secret"
      And the secret "myapp/database" with the keys "username, password"
      And Vault allows the same token to <act>
      When the agent tries to <act>
      Then the server reports success
      And the call had the requested effect

      Examples:
        | act                                      |
        | read the secret "myapp/database"         |
        | write to the secret "myapp/database"     |
        | write to the secret "myapp/integrations" |
        | list the folder "myapp"                  |
        | delete the secret "myapp/database"       |
        | list the mounts                          |
