@workflows
Feature: The examples of kagent's architecture
  Under its policies as they stand, with a token that also reaches the table of mounts, which its paths do not cover.

  @workflows.store-and-retrieve @must @own-vault @source:KAG @needs:kv.write_key @needs:kv.read
  Scenario Outline: the <what> is stored and retrieved
    Given a new Vault with its KV version 2 mount "secret"
    And the agent's token has the policies "kag-mcp-server, mount-table" of the architecture
    When the agent writes the key "<key>" of the secret "<path>"
    Then the agent is told of success
    And Vault holds the secret "<path>" exactly as written
    And nothing else in Vault has changed
    When the agent reads the secret "<path>"
    Then the agent is given exactly what Vault holds
    And nothing in Vault has changed

    Examples:
      | what                        | path           | key      |
      | database password           | myapp/database | password |
      | payment processor's API key | payment/api    | api_key  |

  @workflows.retrieve @must @own-vault @source:KAG @needs:kv.read @needs:kv.write_key
  Scenario: production's database credentials are read, and not changed, by a token that may only read
    Given a new Vault with its KV version 2 mount "secret"
    And the secret "prod/mysql" with the keys "username, password, host, port"
    And the agent's token has the policies "kag-read-only, mount-table" of the architecture
    When the agent reads the secret "prod/mysql"
    Then the agent is given exactly what Vault holds
    And nothing in Vault has changed
    Given Vault denies the same token to write to the secret "prod/mysql"
    When the agent asks to write to the secret "prod/mysql"
    Then the agent is told that permission was denied
    And nothing in Vault has changed

  @workflows.mount-for-an-application @must @own-vault @source:KAG @needs:mounts.create
  Scenario: an application is given a KV mount of its own
    Given a new Vault
    And the agent's token has the policies "kag-mcp-server, mount-table" of the architecture
    When the agent creates a mount "myapp" of KV version 2
    Then the agent is told of success
    And Vault has the mount "myapp" of KV version 2
    And nothing else in Vault has changed
