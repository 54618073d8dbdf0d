@workflows
Feature: Workflows of the tutorial
  The policy is the tutorial's, as printed. The agent plans and verifies credentials; an operator writes them, so that
  no value enters a conversation.

  @workflows.plan-and-find @must @own-vault @source:TUT:plan-secret-structure-and-write-credentials @needs:mounts.list @needs:kv.list
  Rule: Under the tutorial's policy, the server MUST report an empty mount as empty, and MUST list secrets that an operator adds later without their values

    Scenario: an operator adds secrets to an empty mount
      Given a new Vault with its KV version 2 mount "secret"
      And the agent's token has the policy "vault-mcp-developer" of the tutorial
      When the agent lists the mounts
      Then the server reports success
      And the call had the requested effect
      When the agent lists the whole mount
      Then the server returns an empty list, or reports that there is nothing to list
      And nothing in Vault has changed
      When an operator writes the secret "myapp/database" with the keys "username, host, port, database, password"
      And the agent lists the folder "myapp"
      Then the server returns exactly the names that Vault lists, with folders marked
      And the server returns no secret value
      When an operator writes the secret "myapp/integrations/payment-gateway" with the keys "endpoint, timeout_seconds, api_key"
      And the agent lists the folder "myapp"
      Then the server returns exactly the names that Vault lists, with folders marked
      And the server returns no secret value
      And nothing in Vault has changed

  @workflows.verify-without-values @must @own-vault @source:TUT:manage-secrets-with-github-copilot @source:TUT:plan-secret-structure-and-write-credentials @needs:kv.metadata
  Rule: For a missing secret the server MUST return an error or a note, and once it exists MUST return its key names, version and time without its values

    Scenario Outline: credentials of the <credentials>
      Given a new Vault with its KV version 2 mount "secret"
      And the agent's token has the policy "vault-mcp-developer" of the tutorial
      When the agent reads the metadata of the secret "<path>"
      Then the server reports an error or that it does not exist
      When an operator writes the secret "<path>" with the keys "<keys>"
      And the agent reads the metadata of the secret "<path>"
      Then the server reports success
      And the server reports the key names of the secret
      And the server reports the secret's latest version and a time that Vault has for the secret
      And the server returns no secret value
      And nothing in Vault has changed

      Examples:
        | credentials                  | path                               | keys                                     |
        | application's database       | myapp/database                     | username, host, port, database, password |
        | integration of a third party | myapp/integrations/payment-gateway | endpoint, timeout_seconds, api_key       |

  @workflows.audit-levels @must @own-vault @source:TUT:audit-the-secrets-hierarchy @needs:kv.list
  Rule: The server MUST list each level of a secret hierarchy exactly as Vault does, with folders marked and without values, and MUST NOT change Vault

    Scenario: a hierarchy of two folders, level by level
      Given a new Vault with its KV version 2 mount "secret"
      And the secret "myapp/database" with the keys "username, host, port, database, password"
      And the secret "myapp/integrations/payment-gateway" with the keys "endpoint, timeout_seconds, api_key"
      And the agent's token has the policy "vault-mcp-developer" of the tutorial
      When the agent lists the whole mount
      Then the server returns exactly the names that Vault lists, with folders marked
      When the agent lists the folder "myapp"
      Then the server returns exactly the names that Vault lists, with folders marked
      When the agent lists the folder "myapp/integrations"
      Then the server returns exactly the names that Vault lists, with folders marked
      And the server returns no secret value
      And nothing in Vault has changed

  @workflows.audit-hierarchy @must @own-vault @source:TUT:audit-the-secrets-hierarchy @needs:kv.list_all @needs:kv.metadata
  Rule: The server MUST list all secrets of a mount in one call, and MUST return each secret's key names and last update time, without values

    Scenario: a hierarchy of two folders, in one call
      Given a new Vault with its KV version 2 mount "secret"
      And the secret "myapp/database" with the keys "username, host, port, database, password"
      And the secret "myapp/integrations/payment-gateway" with the keys "endpoint, timeout_seconds, api_key"
      And the values of the secret "myapp/database" were changed afterwards
      And the agent's token has the policy "vault-mcp-developer" of the tutorial
      When the agent lists everything below the whole mount
      Then the server returns exactly the paths of the secrets that Vault holds there
      And the server returns no secret value
      When the agent reads the metadata of the secret "myapp/database"
      Then the server reports the key names of the secret
      And the server reports the time of the secret's last update
      And the server returns no secret value
      When the agent reads the metadata of the secret "myapp/integrations/payment-gateway"
      Then the server reports the key names of the secret
      And the server reports the time of the secret's last update
      And the server returns no secret value
      And nothing in Vault has changed

  @workflows.sign-not-issue @must @own-vault @source:TUT:scenario+pki @source:TUT:create-a-policy-for-the-mcp-server @needs:pki.enable @needs:pki.create_root @needs:pki.create_role @needs:pki.issue @needs:pki.sign
  Rule: Under a policy that allows signing but not issuing, the server MUST set up PKI, report issuance as permission denied, and sign an agent's own key

    Scenario: PKI in a new Vault, under the tutorial's policy
      Given a new Vault
      And the agent's token has the policy "vault-mcp-developer" of the tutorial
      When the agent enables PKI at "pki" for certificates of up to 87600 hours
      Then the server reports success
      And the call had the requested effect
      Given the PKI mount "pki" that the agent created
      When the agent creates a root CA "root-ca" with the common name "HashiCups Root" valid for 43800 hours
      Then the server reports success
      And the call had the requested effect
      When the agent creates the role "web" that allows subdomains of "hashicups.internal" and EC keys of 256 bits
      Then the server reports success
      And the call had the requested effect
      Given the role "web"
      When the agent requests a certificate for "orders.hashicups.internal" valid for 72 hours
      Then the server reports that permission was denied
      And nothing in Vault has changed
      When the agent submits a certificate signing request for "orders.hashicups.internal" valid for 72 hours
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed
