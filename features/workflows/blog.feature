@workflows
Feature: The blog's demo, step by step
  On a Vault as the blog starts it, with its policy as it is printed: credentials of a service, what
  the policy denies, and groups of developers with a server each.

  @workflows.payments-credentials @must @own-vault @source:BLOG @needs:kv.write_key @needs:kv.list @needs:kv.read
  Scenario: the payments service's database credentials are stored, found and read
    Given a new Vault with its KV version 2 mount "secret"
    And the agent's token has the policy "mcp-server" of the blog
    When the agent writes the key "username" of the secret "services/payments/database"
    Then the agent is told of success
    And Vault holds the secret "services/payments/database" exactly as written
    And nothing else in Vault has changed
    When the agent writes the key "password" of the secret "services/payments/database"
    Then the agent is told of success
    And Vault holds the secret "services/payments/database" exactly as written
    And nothing else in Vault has changed
    When the agent lists the folder "services/payments"
    Then the agent is given exactly the names that Vault lists, folders marked
    And the agent is shown no value
    And nothing in Vault has changed
    When the agent reads the secret "services/payments/database"
    Then the agent is given exactly what Vault holds
    And nothing in Vault has changed

  @workflows.policy-update @must @own-vault @source:BLOG
  Scenario Outline: to <act> is denied until an operator changes the policy, and works on the same connection then
    Given a new Vault with its KV version 2 mount "secret"
    And the agent's token has the policy "mcp-server" of the blog
    And Vault denies the same token to <act>
    When the agent asks to <act>
    Then the agent is told that permission was denied
    And nothing in Vault has changed
    When an operator changes the policy "mcp-server" to "<policy>"
    And the agent asks to <act>
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed

    Examples:
      | act                          | policy            |
      | enable PKI at "pki-internal" | blog-pki          |
      | create a KV mount "myapp"    | mcp-server-mounts |

  @workflows.inventory-certificate @must @own-vault @source:BLOG @needs:pki.enable @needs:pki.create_root @needs:pki.create_role @needs:pki.issue
  Scenario: the inventory service gets its certificate once its role is put right
    Given a new Vault
    And the agent's token has the policy "blog-pki" of the blog
    When the agent enables PKI at "pki-internal" for certificates of up to 87600 hours
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed
    Given the PKI mount "pki-internal" that the agent has made
    When the agent makes a root CA "internal-root" called "Internal Root" for 2400 hours
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed
    Given the role "inventory" that should allow "prod-inventory-service.prod.inventory.internal" but allows another domain
    When the agent asks for a certificate for "prod-inventory-service.prod.inventory.internal" for 72 hours
    Then it is refused, as Vault itself would refuse it
    When the agent repairs the role from that error alone
    And asks for the same certificate again
    Then the certificate verifies against the mount's CA and lasts as long as was asked
    And the role allows what it did, what was asked for, and nothing else

  @workflows.scoped-groups @must @own-vault @source:BLOG @needs:kv.read @needs:kv.write_key @needs:mounts.create
  Scenario: three groups have a server each, and reach what their own policy allows
    Given a new Vault with its KV version 2 mount "secret"
    And the secret "services/payments/database" with the keys "username, password"
    And the secret "services/inventory/database" with the keys "username, password"
    And a server of the developers whose token has the policy "payments-read-only"
    And a server of the operators whose token has the policy "mcp-server"
    And a server of the platform whose token has the policies "kag-mcp-server, mount-table"

    When the agent of the developers asks to read the secret "services/payments/database"
    Then the agent is told of success
    And Vault shows the effect
    Given Vault denies the token of the developers to read the secret "services/inventory/database"
    When the agent of the developers asks to read the secret "services/inventory/database"
    Then the agent is told that permission was denied
    And nothing in Vault has changed
    Given Vault denies the token of the developers to write to the secret "services/payments/database"
    When the agent of the developers asks to write to the secret "services/payments/database"
    Then the agent is told that permission was denied
    And nothing in Vault has changed

    When the agent of the operators asks to read the secret "services/inventory/database"
    Then the agent is told of success
    And Vault shows the effect
    When the agent of the operators asks to write to the secret "services/payments/database"
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed
    Given Vault denies the token of the operators to create a KV mount "myapp"
    When the agent of the operators asks to create a KV mount "myapp"
    Then the agent is told that permission was denied
    And nothing in Vault has changed

    When the agent of the platform asks to create a KV mount "myapp"
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed
    When the agent of the developers asks to read the secret "services/inventory/database"
    Then the agent is told that permission was denied
