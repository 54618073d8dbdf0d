@pki
Feature: Creating and reading roles

  @pki.role @must @source:KAG:2-kagent-discovers-tools+pki @source:GUIDE:pki-certificate-tools @needs:pki.create_role
  Rule: The server MUST create a PKI role with all requested settings, and MUST NOT change anything else in Vault

    Scenario Outline: a role for <what>
      Given a PKI mount "certs" with a root CA
      When the agent creates the role "web" that allows <what>
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed

      Examples:
        | what                                                  |
        | the domains "shop.example"                            |
        | the domains "shop.example, pay.example"               |
        | subdomains of "shop.example"                          |
        | the bare domain "shop.example"                        |
        | the glob "*.shop.example"                             |
        | the domains "shop.example" and IP addresses           |
        | any name                                              |
        | the domains "shop.example" and EC keys of 384 bits    |
        | the domains "shop.example" and at most 720 hours      |
        | the domains "shop.example" and usually 72 hours       |

  @pki.role-replaced @must @source:BLOG:issuing-certificates @source:VAULT:api-docs/secret/pki#create-update-role @needs:pki.create_role
  Rule: When asked to create a PKI role that exists, the server MUST give it all requested settings or return an error, and MUST NOT otherwise change Vault

    Scenario: a role for another domain exists
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows the domains "elsewhere.example"
      When the agent creates the role "web" that allows the domains "shop.example"
      Then Vault has the role as requested, or the server reports an error and changes nothing
      And nothing else in Vault has changed

  @pki.role-bare @should @source:MCP:server/tools#tool @needs:pki.create_role
  Rule: The server SHOULD create a PKI role when a call has only the role, the mount and the arguments that the tool's `inputSchema` requires

    Scenario: no optional settings
      Given a PKI mount "certs" with a root CA
      When the agent creates the role "web" with only the required arguments
      Then the server reports success
      And Vault has the role

  @pki.role-safe @should @source:SEC:excess-privilege @needs:pki.create_role
  Rule: The server SHOULD create a PKI role that does not allow every name when a call sets no optional settings

    Scenario: no optional settings
      Given a PKI mount "certs" with a root CA
      When the agent creates the role "web" with only the required arguments
      Given the call succeeded
      Then the role does not allow every name

  @pki.list-roles @must @source:KAG:2-kagent-discovers-tools+pki @source:VAULT:api-docs/secret/pki#list-roles @needs:pki.list_roles
  Rule: The server MUST list exactly the names of the roles of a PKI mount

    Scenario: a mount with two roles
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows the domains "shop.example"
      And the role "mail" that allows the domains "shop.example"
      When the agent lists the roles
      Then the server reports success
      And the call had the requested effect

  @pki.read-role @must @source:GUIDE:pki-certificate-tools @needs:pki.read_role
  Rule: The server MUST return the settings of a PKI role as Vault holds them

    Scenario: a role with a maximum TTL
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example" and at most 720 hours
      When the agent reads the role "web"
      Then the server reports success
      And the call had the requested effect

  @pki.role-absent @must @source:SEC:silent-failure @needs:pki.read_role
  Rule: When asked for a PKI role that does not exist, the server MUST return an error

    Scenario: an unknown role name
      Given a PKI mount "certs" with a root CA
      When the agent reads the role "nobody"
      Then the server reports an error

  @pki.delete-role @must @source:GUIDE:pki-certificate-tools @needs:pki.delete_role
  Rule: The server MUST delete the PKI role that it is asked to delete, and MUST NOT change anything else in Vault

    Scenario: a mount with two roles
      Given a PKI mount "certs" with a root CA
      And the role "mail" that allows the domains "shop.example"
      And the role "web" that allows the domains "shop.example"
      When the agent deletes the role "web"
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed
