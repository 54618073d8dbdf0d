@pki
Feature: A refused certificate can be put right with the tools alone
  The error that a model gets back carries enough of Vault's own answer to repair the role.

  Background:
    Given a PKI mount "certs" with a root CA

  @pki.role-repair @must @source:BLOG @needs:pki.issue @needs:pki.create_role
  Scenario Outline: the role <fault>
    Given the role "inventory" that should allow "prod-inventory-service.prod.inventory.internal" but <fault>
    When the agent asks for a certificate for "prod-inventory-service.prod.inventory.internal" for 72 hours
    Then it is refused, as Vault itself would refuse it
    When the agent repairs the role from that error alone
    And asks for the same certificate again
    Then the certificate verifies against the mount's CA and lasts as long as was asked
    And the role allows what it did, what was asked for, and nothing else

    Examples:
      | fault                        |
      | allows another domain        |
      | does not allow subdomains    |
      | allows only what is below it |
      | does not exist               |

  @pki.role-repair-address @must @source:BLOG @needs:pki.issue @needs:pki.create_role
  Scenario: the role does not allow addresses
    Given the role "inventory" that should allow "prod-inventory-service.prod.inventory.internal" but does not allow addresses
    When the agent asks for a certificate for "prod-inventory-service.prod.inventory.internal" and the address "192.0.2.7"
    Then it is refused, as Vault itself would refuse it
    When the agent repairs the role from that error alone
    And asks for the same certificate again
    Then the certificate verifies against the mount's CA and lasts as long as was asked
    And the role allows what it did, what was asked for, and nothing else

  @pki.role-repair-key @must @source:BLOG @needs:pki.sign @needs:pki.create_role
  Scenario: the role is for keys of another type
    Given the role "inventory" that should allow "prod-inventory-service.prod.inventory.internal" but is for keys of another type
    When the agent has its own key certified for "prod-inventory-service.prod.inventory.internal" for 72 hours
    Then it is refused, as Vault itself would refuse it
    When the agent repairs the role from that error alone
    And asks for the same certificate again
    Then the certificate verifies against the mount's CA and lasts as long as was asked
    And the role allows what it did, what was asked for, and nothing else

  @pki.role-repair-random @must @source:BLOG @needs:pki.issue @needs:pki.create_role
  Scenario Outline: a name and faults of its role that nobody knows before, drawn for the <nth> time
    Given a role that should allow a certificate but does not, both drawn at random
    When the agent asks for that certificate
    Then it is refused, as Vault itself would refuse it
    When the agent repairs the role from that error alone
    And asks for the same certificate again
    Then the certificate verifies against the mount's CA and lasts as long as was asked
    And the role allows what it did, what was asked for, and nothing else

    Examples:
      | nth    |
      | first  |
      | second |
      | third  |
      | fourth |
      | fifth  |
      | sixth  |
