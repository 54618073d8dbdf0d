@workflows
Feature: The tutorial's secrets of an application, without their values
  Under the tutorial's policy as it is printed. An agent plans where credentials go and sees that they are
  there; an operator writes them, so that no value enters a conversation.

  @workflows.plan-and-find @must @own-vault @source:TUT @needs:mounts.list @needs:kv.list
  Scenario: a structure is planned in an empty mount, and what an operator then writes is found
    Given a new Vault with its KV version 2 mount "secret"
    And the agent's token has the policy "vault-mcp-developer" of the tutorial
    When the agent lists the mounts
    Then the agent is told of success
    And Vault shows the effect
    When the agent lists the whole mount
    Then the agent is told that nothing is there
    And nothing in Vault has changed
    When an operator writes the secret "myapp/database" with the keys "username, host, port, database, password"
    And the agent lists the folder "myapp"
    Then the agent is given exactly the names that Vault lists, folders marked
    And the agent is shown no value
    When an operator writes the secret "myapp/integrations/payment-gateway" with the keys "endpoint, timeout_seconds, api_key"
    And the agent lists the folder "myapp"
    Then the agent is given exactly the names that Vault lists, folders marked
    And the agent is shown no value
    And nothing in Vault has changed

  @workflows.verify-without-values @must @own-vault @source:TUT @needs:kv.metadata
  Scenario Outline: the <credentials> are verified by key names and version, without values
    Given a new Vault with its KV version 2 mount "secret"
    And the agent's token has the policy "vault-mcp-developer" of the tutorial
    When the agent asks for the metadata of the secret "<path>"
    Then the agent is told that there is no such thing
    When an operator writes the secret "<path>" with the keys "<keys>"
    And the agent asks for the metadata of the secret "<path>"
    Then the agent is told of success
    And the agent is told the key names of the secret
    And the agent is told the version and the time that Vault has for it
    And the agent is shown no value
    And nothing in Vault has changed

    Examples:
      | credentials                  | path                               | keys                                     |
      | application's database       | myapp/database                     | username, host, port, database, password |
      | integration of a third party | myapp/integrations/payment-gateway | endpoint, timeout_seconds, api_key       |

  @workflows.audit-levels @must @own-vault @source:TUT @needs:kv.list
  Scenario: the hierarchy is audited level by level
    Given a new Vault with its KV version 2 mount "secret"
    And the secret "myapp/database" with the keys "username, host, port, database, password"
    And the secret "myapp/integrations/payment-gateway" with the keys "endpoint, timeout_seconds, api_key"
    And the agent's token has the policy "vault-mcp-developer" of the tutorial
    When the agent lists the whole mount
    Then the agent is given exactly the names that Vault lists, folders marked
    When the agent lists the folder "myapp"
    Then the agent is given exactly the names that Vault lists, folders marked
    When the agent lists the folder "myapp/integrations"
    Then the agent is given exactly the names that Vault lists, folders marked
    And the agent is shown no value
    And nothing in Vault has changed

  @workflows.audit-hierarchy @must @own-vault @source:TUT @needs:kv.list_all @needs:kv.metadata
  Scenario: the hierarchy is audited at once, with the time of each secret's last update
    Given a new Vault with its KV version 2 mount "secret"
    And the secret "myapp/database" with the keys "username, host, port, database, password"
    And the secret "myapp/integrations/payment-gateway" with the keys "endpoint, timeout_seconds, api_key"
    And the secret "myapp/database" was changed since
    And the agent's token has the policy "vault-mcp-developer" of the tutorial
    When the agent lists everything below the whole mount
    Then the agent is given exactly the secrets that Vault holds there
    And the agent is shown no value
    When the agent asks for the metadata of the secret "myapp/database"
    Then the agent is told the key names of the secret
    And the agent is told when Vault has it last updated
    And the agent is shown no value
    When the agent asks for the metadata of the secret "myapp/integrations/payment-gateway"
    Then the agent is told the key names of the secret
    And the agent is told when Vault has it last updated
    And the agent is shown no value
    And nothing in Vault has changed

  @workflows.sign-not-issue @must @own-vault @source:TUT @needs:pki.enable @needs:pki.create_root @needs:pki.create_role @needs:pki.issue @needs:pki.sign
  Scenario: under its policy PKI is set up and keys are certified, and none is issued
    Given a new Vault
    And the agent's token has the policy "vault-mcp-developer" of the tutorial
    When the agent enables PKI at "pki" for certificates of up to 87600 hours
    Then the agent is told of success
    And Vault shows the effect
    Given the PKI mount "pki" that the agent has made
    When the agent makes a root CA "root-ca" called "HashiCups Root" for 43800 hours
    Then the agent is told of success
    And Vault shows the effect
    When the agent makes the role "web" that allows subdomains of "hashicups.internal" and EC keys of 256 bits
    Then the agent is told of success
    And Vault shows the effect
    Given the role "web"
    When the agent asks for a certificate for "orders.hashicups.internal" for 72 hours
    Then the agent is told that permission was denied
    And nothing in Vault has changed
    When the agent has its own key certified for "orders.hashicups.internal" for 72 hours
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed
