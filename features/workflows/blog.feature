@workflows
Feature: Workflows of the blog post
  On a Vault as the blog post starts it, with its policy as printed: credentials of a service, operations that the
  policy denies, a certificate, and groups of developers with a server each.

  @workflows.payments-credentials @must @own-vault @source:BLOG:writing-and-reading-secrets @needs:kv.write_key @needs:kv.list @needs:kv.read
  Rule: With a token limited to one KV mount, the server MUST write, list and read a service's credentials as Vault holds them, changing nothing else in Vault

    Scenario: database credentials of a payments service
      Given a new Vault with its KV version 2 mount "secret"
      And the agent's token has the policy "mcp-server" of the blog
      When the agent writes the key "username" of the secret "services/payments/database"
      Then the server reports success
      And Vault holds the secret "services/payments/database" exactly as written
      And nothing else in Vault has changed
      When the agent writes the key "password" of the secret "services/payments/database"
      Then the server reports success
      And Vault holds the secret "services/payments/database" exactly as written
      And nothing else in Vault has changed
      When the agent lists the folder "services/payments"
      Then the server returns exactly the names that Vault lists, with folders marked
      And the server returns no secret value
      And nothing in Vault has changed
      When the agent reads the secret "services/payments/database"
      Then the server returns exactly the data that Vault holds
      And nothing in Vault has changed

  @workflows.policy-update @must @own-vault @source:BLOG:what-happens-when-the-policy-says-no+policy-updated
  Rule: The server MUST report an operation that Vault denies as permission denied, and MUST perform it on the same connection once the token's policy allows it

    Scenario Outline: <act>
      Given a new Vault with its KV version 2 mount "secret"
      And the agent's token has the policy "mcp-server" of the blog
      And Vault denies the same token to <act>
      When the agent tries to <act>
      Then the server reports that permission was denied
      And nothing in Vault has changed
      When an operator changes the policy "mcp-server" to "<policy>"
      And the agent tries to <act>
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed

      Examples:
        | act                          | policy            |
        | enable PKI at "pki-internal" | blog-pki          |
        | create a KV mount "myapp"    | mcp-server-mounts |

  @workflows.inventory-certificate @must @own-vault @source:BLOG:issuing-certificates @needs:pki.enable @needs:pki.create_root @needs:pki.create_role @needs:pki.issue
  Rule: The server MUST set up PKI, and its error for a refused certificate MUST suffice to extend the role by exactly what is missing and obtain the certificate

    Scenario: the role allows another domain
      Given a new Vault
      And the agent's token has the policy "blog-pki" of the blog
      When the agent enables PKI at "pki-internal" for certificates of up to 87600 hours
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed
      Given the PKI mount "pki-internal" that the agent created
      When the agent creates a root CA "internal-root" with the common name "Internal Root" valid for 2400 hours
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed
      Given the role "inventory" that should allow "prod-inventory-service.prod.inventory.internal" but allows another domain
      When the agent requests a certificate for "prod-inventory-service.prod.inventory.internal" valid for 72 hours
      Then the server refuses the request, as Vault itself refuses it
      When the agent repairs the role using only what the server returned
      And the agent requests the same certificate again
      Then the certificate verifies against the mount's CA and has the requested lifetime
      And the role allows what it allowed before and what was requested, and nothing else

  @workflows.scoped-groups @must @own-vault @source:BLOG:what-this-enables-and-what-it-isnt @needs:kv.read @needs:kv.write_key|kv.write @needs:mounts.create
  Rule: Each of several servers on one Vault MUST perform what its own token's policy allows, and MUST report other operations as permission denied

    Scenario: developers, operators and platform team
      Given a new Vault with its KV version 2 mount "secret"
      And the secret "services/payments/database" with the keys "username, password"
      And the secret "services/inventory/database" with the keys "username, password"
      And a server of the developers whose token has the policy "payments-read-only"
      And a server of the operators whose token has the policy "mcp-server"
      And a server of the platform whose token has the policies "kag-mcp-server, mount-table"

      When the agent of the developers tries to read the secret "services/payments/database"
      Then the server reports success
      And the call had the requested effect
      Given Vault denies the token of the developers to read the secret "services/inventory/database"
      When the agent of the developers tries to read the secret "services/inventory/database"
      Then the server reports that permission was denied
      And nothing in Vault has changed
      Given Vault denies the token of the developers to write to the secret "services/payments/database"
      When the agent of the developers tries to write to the secret "services/payments/database"
      Then the server reports that permission was denied
      And nothing in Vault has changed

      When the agent of the operators tries to read the secret "services/inventory/database"
      Then the server reports success
      And the call had the requested effect
      When the agent of the operators tries to write to the secret "services/payments/database"
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed
      Given Vault denies the token of the operators to create a KV mount "myapp"
      When the agent of the operators tries to create a KV mount "myapp"
      Then the server reports that permission was denied
      And nothing in Vault has changed

      When the agent of the platform tries to create a KV mount "myapp"
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed
      When the agent of the developers tries to read the secret "services/inventory/database"
      Then the server reports that permission was denied
