@workflows
Feature: Agent patterns of the builder guide
  The policies grant the least that each pattern needs, as the guide's checklist demands.

  @workflows.environment-bootstrap @must @own-vault @source:GUIDE:pattern-1-environment-bootstrap @source:GUIDE:builder-checklist @needs:kv.list @needs:kv.read
  Rule: With a token limited to staging, the server MUST list and read the staging secrets, and MUST report a read of production secrets as permission denied

    Scenario: the configuration of an application in staging
      Given a new Vault
      And a KV version 2 mount "kv"
      And the secret "staging/app-config" with the keys "database-url, redis-url, api-key"
      And the secret "prod/app-config" with the keys "database-url, redis-url, api-key"
      And the agent's token has the policy "kv-staging" scoped to this work
      When the agent lists the folder "staging"
      Then the server returns exactly the names that Vault lists, with folders marked
      And the server returns no secret value
      When the agent reads the secret "staging/app-config"
      Then the server returns exactly the data that Vault holds
      And nothing in Vault has changed
      Given Vault denies the same token to read the secret "prod/app-config"
      When the agent tries to read the secret "prod/app-config"
      Then the server reports that permission was denied
      And the server returns no secret value

  @workflows.incident-triage @must @own-vault @source:GUIDE:pattern-3-incident-triage @needs:kv.list @needs:kv.metadata
  Rule: The server MUST return the key names, current version and last update time of a rotated secret, and MUST NOT return its values

    Scenario: a credential rotated before an incident
      Given a new Vault
      And a KV version 2 mount "kv"
      And the secret "prod/payments-service" with the keys "stripe-api-key, webhook-secret"
      And the values of the secret "prod/payments-service" were changed afterwards
      And the agent's token has the policy "kv-prod" scoped to this work
      When the agent lists the folder "prod"
      Then the server returns exactly the names that Vault lists, with folders marked
      When the agent reads the metadata of the secret "prod/payments-service"
      Then the server reports success
      And the server reports the key names of the secret
      And the server reports the secret's latest version and a time that Vault has for the secret
      And the server reports the time of the secret's last update
      And the server returns no secret value
      And nothing in Vault has changed

  @workflows.leaked-credential @must @own-vault @source:GUIDE:pattern-4-combined-with-vault-radar-mcp-server @needs:kv.list @needs:kv.read @needs:kv.write_key
  Rule: The server MUST list and read secrets so that an agent finds a leaked value only where Vault holds it, and nowhere after the agent rotated it

    Scenario: a value that a secret scanner found in a repository
      Given a new Vault
      And a KV version 2 mount "kv"
      And the secret "prod/payments-service" with the keys "stripe-api-key, webhook-secret"
      And the secret "prod/inventory/database" with the keys "username, password"
      And a secret scanner found the value of the key "stripe-api-key" of the secret "prod/payments-service" in a repository
      And the agent's token has the policy "kv-prod" scoped to this work
      When the agent searches for the leaked value in the folder "prod"
      Then the agent finds the leaked value only in the key "stripe-api-key" of the secret "prod/payments-service"
      And nothing in Vault has changed
      When the agent writes the key "stripe-api-key" of the secret "prod/payments-service"
      Then the server reports success
      And Vault holds the secret "prod/payments-service" exactly as written
      And nothing else in Vault has changed
      When the agent searches for the leaked value in the folder "prod"
      Then the agent does not find the leaked value

  @workflows.leaked-credential-gone @must @own-vault @source:GUIDE:pattern-4-combined-with-vault-radar-mcp-server @needs:kv.metadata @needs:kv.write_key @needs:kv.destroy @needs:kv.read_version
  Rule: The server MUST rotate a leaked credential and destroy only its old version, so that neither Vault nor the server returns the leaked value any more

    Scenario: the old version of a rotated credential is destroyed
      Given a new Vault
      And a KV version 2 mount "kv"
      And the secret "prod/payments-service" with the keys "stripe-api-key, webhook-secret"
      And a secret scanner found the value of the key "stripe-api-key" of the secret "prod/payments-service" in a repository
      And the agent's token has the policy "kv-prod" scoped to this work
      When the agent reads the metadata of the secret "prod/payments-service"
      Then the server reports the secret's latest version and a time that Vault has for the secret
      And the server returns no secret value
      When the agent writes the key "stripe-api-key" of the secret "prod/payments-service"
      Then the server reports success
      And Vault holds the secret "prod/payments-service" exactly as written
      And version 1 of the secret "prod/payments-service" is as it was
      When the agent destroys version 1 of the secret "prod/payments-service"
      Then the server reports success
      And Vault holds the secret "prod/payments-service" as before
      And version 1 of the secret "prod/payments-service" is destroyed
      And no readable version of the secret "prod/payments-service" in Vault contains the leaked value
      When the agent reads version 1 of the secret "prod/payments-service"
      Then the server reports an error
      And the server returns no secret value

  @workflows.certificate-from-review @must @own-vault @source:GUIDE:pattern-2-certificate-provisioning-in-iac-review @source:GUIDE:builder-checklist @needs:pki.list_roles @needs:pki.read_role @needs:pki.issue
  Rule: With a token limited to one PKI role, the server MUST list and show the role and issue a certificate from it, changing nothing else in Vault

    Scenario: a new service in staging has no certificate
      Given a new Vault
      And a PKI mount "pki" with a root CA
      And the role "staging" that allows subdomains of "example.com" and at most 720 hours
      And the agent's token has the policy "pki-staging" scoped to this work
      When the agent lists the roles
      Then the server reports success
      And the call had the requested effect
      When the agent reads the role "staging"
      Then the server reports success
      And the call had the requested effect
      And nothing in Vault has changed
      When the agent requests a certificate for "staging.example.com" valid for 72 hours
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed
