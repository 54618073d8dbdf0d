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

  @workflows.certificate @must @own-vault @source:KAG @needs:mounts.list @needs:pki.enable @needs:pki.create_root @needs:pki.create_role @needs:pki.issue
  Scenario: a certificate is issued for the web server, from nothing
    Given a new Vault with its KV version 2 mount "secret"
    And the agent's token has the policies "kag-mcp-server, mount-table" of the architecture
    When the agent lists the mounts
    Then the agent is told of success
    And Vault shows the effect
    When the agent enables PKI at "pki" for certificates of up to 87600 hours
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed
    Given the PKI mount "pki" that the agent has made
    When the agent makes a root CA "root-ca" called "Example Root" for 43800 hours
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed
    When the agent makes the role "web-server" that allows the domains "example.com" and any name
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed
    Given the role "web-server"
    When the agent asks for a certificate for "api.example.com" for 8760 hours
    Then the agent is told of success
    And Vault shows the effect
    And it comes with its chain, its serial number and its key
    And nothing else in Vault has changed
