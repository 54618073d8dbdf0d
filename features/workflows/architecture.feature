@workflows
Feature: Workflows of the kagent architecture
  The policies are those of the architecture. The token may also read the table of mounts, which their paths do
  not cover.

  @workflows.store-and-retrieve @must @own-vault @source:KAG:secret-storage-workflow @source:KAG:6-response-to-ai-assistant @needs:kv.write_key|kv.write @needs:kv.read
  Rule: Under the kagent policy, the server MUST store a value that an agent writes, return it on the next read, and change nothing else in Vault

    Scenario Outline: the <what>
      Given a new Vault with its KV version 2 mount "secret"
      And the agent's token has the policies "kag-mcp-server, mount-table" of the architecture
      When the agent writes the key "<key>" of the secret "<path>"
      Then the server reports success
      And Vault holds the secret "<path>" exactly as written
      And nothing else in Vault has changed
      When the agent reads the secret "<path>"
      Then the server returns exactly the data that Vault holds
      And nothing in Vault has changed

      Examples:
        | what                        | path           | key      |
        | database password           | myapp/database | password |
        | payment processor's API key | payment/api    | api_key  |

  @workflows.retrieve @must @own-vault @source:KAG:secret-retrieval-workflow @source:KAG:token-permission-model+read-only @needs:kv.read @needs:kv.write_key|kv.write
  Rule: With a read-only token, the server MUST return a secret as Vault holds it, report a write as permission denied, and change nothing in Vault

    Scenario: production database credentials
      Given a new Vault with its KV version 2 mount "secret"
      And the secret "prod/mysql" with the keys "username, password, host, port"
      And the agent's token has the policies "kag-read-only, mount-table" of the architecture
      When the agent reads the secret "prod/mysql"
      Then the server returns exactly the data that Vault holds
      And nothing in Vault has changed
      Given Vault denies the same token to write to the secret "prod/mysql"
      When the agent tries to write to the secret "prod/mysql"
      Then the server reports that permission was denied
      And nothing in Vault has changed

  @workflows.mount-for-an-application @must @own-vault @source:KAG:mount-management-workflow @needs:mounts.create
  Rule: Under the kagent policy, the server MUST create the KV version 2 mount that an agent requests, and MUST NOT change anything else in Vault

    Scenario: a mount for an application
      Given a new Vault
      And the agent's token has the policies "kag-mcp-server, mount-table" of the architecture
      When the agent creates a mount "myapp" of KV version 2
      Then the server reports success
      And Vault has the mount "myapp" of KV version 2
      And nothing else in Vault has changed

  @workflows.certificate @must @own-vault @source:KAG:pki-certificate-workflow @needs:mounts.list @needs:pki.enable @needs:pki.create_root @needs:pki.create_role @needs:pki.issue
  Rule: Under the kagent policy, the server MUST set up PKI and issue a certificate with its chain, serial number and private key, changing nothing else in Vault

    Scenario: a certificate for a web server, in a new Vault
      Given a new Vault with its KV version 2 mount "secret"
      And the agent's token has the policies "kag-mcp-server, mount-table" of the architecture
      When the agent lists the mounts
      Then the server reports success
      And the call had the requested effect
      When the agent enables PKI at "pki" for certificates of up to 87600 hours
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed
      Given the PKI mount "pki" that the agent created
      When the agent creates a root CA "root-ca" with the common name "Example Root" valid for 43800 hours
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed
      When the agent creates the role "web-server" that allows the domains "example.com" and any name
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed
      Given the role "web-server"
      When the agent requests a certificate for "api.example.com" valid for 8760 hours
      Then the server reports success
      And the call had the requested effect
      And the server returns the certificate with its chain, its serial number and its private key
      And nothing else in Vault has changed
