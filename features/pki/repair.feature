@pki
Feature: Repairing PKI roles
  An agent that is refused a certificate corrects the role by using what the error says.

  Background:
    Given a PKI mount "certs" with a root CA

  @pki.role-repair @must @source:BLOG:issuing-certificates @needs:pki.issue @needs:pki.create_role
  Rule: When a PKI role is missing or does not allow a certificate's name, the server's error MUST suffice to correct the role without excess rights and obtain the certificate

    Scenario Outline: the role <fault>
      Given the role "inventory" that should allow "prod-inventory-service.prod.inventory.internal" but <fault>
      When the agent requests a certificate for "prod-inventory-service.prod.inventory.internal" valid for 72 hours
      Then the server refuses the request, as Vault itself refuses it
      When the agent repairs the role using only what the server returned
      And the agent requests the same certificate again
      Then the certificate verifies against the mount's CA and has the requested lifetime
      And the role allows what it allowed before and what was requested, and nothing else

      Examples:
        | fault                        |
        | allows another domain        |
        | does not allow subdomains    |
        | allows only what is below it |
        | does not exist               |

  @pki.role-repair-address @must @source:BLOG:issuing-certificates @needs:pki.issue @needs:pki.create_role
  Rule: When a PKI role does not allow a certificate's IP address, the server's error MUST suffice to correct the role without excess rights and obtain the certificate

    Scenario: the role does not allow IP addresses
      Given the role "inventory" that should allow "prod-inventory-service.prod.inventory.internal" but does not allow addresses
      When the agent requests a certificate for "prod-inventory-service.prod.inventory.internal" and the address "192.0.2.7"
      Then the server refuses the request, as Vault itself refuses it
      When the agent repairs the role using only what the server returned
      And the agent requests the same certificate again
      Then the certificate verifies against the mount's CA and has the requested lifetime
      And the role allows what it allowed before and what was requested, and nothing else

  @pki.role-repair-key @must @source:BLOG:issuing-certificates @source:TUT:scenario+pki @needs:pki.sign @needs:pki.create_role
  Rule: When a PKI role requires another key type than the CSR has, the server's error MUST suffice to correct the role without excess rights and obtain the certificate

    Scenario: the role requires another key type
      Given the role "inventory" that should allow "prod-inventory-service.prod.inventory.internal" but is for keys of another type
      When the agent submits a certificate signing request for "prod-inventory-service.prod.inventory.internal" valid for 72 hours
      Then the server refuses the request, as Vault itself refuses it
      When the agent repairs the role using only what the server returned
      And the agent requests the same certificate again
      Then the certificate verifies against the mount's CA and has the requested lifetime
      And the role allows what it allowed before and what was requested, and nothing else

  @pki.role-repair-random @must @source:BLOG:issuing-certificates @needs:pki.issue @needs:pki.create_role
  Rule: When a PKI role refuses a certificate for random reasons, the server's errors MUST suffice to correct the role without excess rights and obtain the certificate

    Scenario Outline: a random name and random faults of the role, <nth> draw
      Given a random certificate request and a random role that wrongly refuses it
      When the agent requests that certificate
      Then the server refuses the request, as Vault itself refuses it
      When the agent repairs the role using only what the server returned
      And the agent requests the same certificate again
      Then the certificate verifies against the mount's CA and has the requested lifetime
      And the role allows what it allowed before and what was requested, and nothing else

      Examples:
        | nth    |
        | first  |
        | second |
        | third  |
        | fourth |
        | fifth  |
        | sixth  |
