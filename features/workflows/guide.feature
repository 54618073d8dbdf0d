@workflows
Feature: The guide's patterns for agents that build and operate
  Under policies that grant the least that the work takes, as the guide's checklist asks for.

  @workflows.environment-bootstrap @must @own-vault @source:GUIDE @needs:kv.list @needs:kv.read
  Scenario: what a deployment to staging needs is seen to be there before it begins
    Given a new Vault
    And a KV version 2 mount "kv"
    And the secret "staging/app-config" with the keys "database-url, redis-url, api-key"
    And the secret "prod/app-config" with the keys "database-url, redis-url, api-key"
    And the agent's token has the policy "kv-staging" scoped to this work
    When the agent lists the folder "staging"
    Then the agent is given exactly the names that Vault lists, folders marked
    And the agent is shown no value
    When the agent reads the secret "staging/app-config"
    Then the agent is given exactly what Vault holds
    And nothing in Vault has changed
    Given Vault denies the same token to read the secret "prod/app-config"
    When the agent asks to read the secret "prod/app-config"
    Then the agent is told that permission was denied
    And the agent is shown no value

  @workflows.incident-triage @must @own-vault @source:GUIDE @needs:kv.list @needs:kv.metadata
  Scenario: an incident is traced to a credential that was rotated
    Given a new Vault
    And a KV version 2 mount "kv"
    And the secret "prod/payments-service" with the keys "stripe-api-key, webhook-secret"
    And the secret "prod/payments-service" was changed since
    And the agent's token has the policy "kv-prod" scoped to this work
    When the agent lists the folder "prod"
    Then the agent is given exactly the names that Vault lists, folders marked
    When the agent asks for the metadata of the secret "prod/payments-service"
    Then the agent is told of success
    And the agent is told the key names of the secret
    And the agent is told the version and the time that Vault has for it
    And the agent is told when Vault has it last updated
    And the agent is shown no value
    And nothing in Vault has changed

  @workflows.leaked-credential @must @own-vault @source:GUIDE @needs:kv.list @needs:kv.read @needs:kv.write_key
  Scenario: a credential that a scanner found in a repository is found in Vault and rotated
    Given a new Vault
    And a KV version 2 mount "kv"
    And the secret "prod/payments-service" with the keys "stripe-api-key, webhook-secret"
    And the secret "prod/inventory/database" with the keys "username, password"
    And a secret scanner found the value of the key "stripe-api-key" of the secret "prod/payments-service" in a repository
    And the agent's token has the policy "kv-prod" scoped to this work
    When the agent looks for the leaked value in the folder "prod"
    Then the agent has found it in the key "stripe-api-key" of the secret "prod/payments-service" alone
    And nothing in Vault has changed
    When the agent writes the key "stripe-api-key" of the secret "prod/payments-service"
    Then the agent is told of success
    And Vault holds the secret "prod/payments-service" exactly as written
    And nothing else in Vault has changed
    When the agent looks for the leaked value in the folder "prod"
    Then the agent has found it nowhere

  @workflows.leaked-credential-gone @must @own-vault @source:GUIDE @needs:kv.metadata @needs:kv.write_key @needs:kv.destroy @needs:kv.read_version
  Scenario: a rotated credential is proved to be gone in every version
    Given a new Vault
    And a KV version 2 mount "kv"
    And the secret "prod/payments-service" with the keys "stripe-api-key, webhook-secret"
    And a secret scanner found the value of the key "stripe-api-key" of the secret "prod/payments-service" in a repository
    And the agent's token has the policy "kv-prod" scoped to this work
    When the agent asks for the metadata of the secret "prod/payments-service"
    Then the agent is told the version and the time that Vault has for it
    And the agent is shown no value
    When the agent writes the key "stripe-api-key" of the secret "prod/payments-service"
    Then the agent is told of success
    And Vault holds the secret "prod/payments-service" exactly as written
    And version 1 of the secret "prod/payments-service" is as it was
    When the agent destroys version 1 of the secret "prod/payments-service"
    Then the agent is told of success
    And Vault holds the secret "prod/payments-service" as before
    And version 1 of the secret "prod/payments-service" is destroyed
    And no version that Vault gives out of the secret "prod/payments-service" has the leaked value
    When the agent reads version 1 of the secret "prod/payments-service"
    Then the agent is told of an error
    And the agent is shown no value

  @workflows.certificate-from-review @must @own-vault @source:GUIDE @needs:pki.list_roles @needs:pki.read_role @needs:pki.issue
  Scenario: a new service without a certificate gets one from the role that is there for it
    Given a new Vault
    And a PKI mount "pki" with a root CA
    And the role "staging" that allows subdomains of "example.com" and at most 720 hours
    And the agent's token has the policy "pki-staging" scoped to this work
    When the agent lists the roles
    Then the agent is told of success
    And Vault shows the effect
    When the agent looks at the role "staging"
    Then the agent is told of success
    And Vault shows the effect
    And nothing in Vault has changed
    When the agent asks for a certificate for "staging.example.com" for 72 hours
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed
