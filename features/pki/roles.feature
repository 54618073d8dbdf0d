@pki
Feature: A role allows what it was made to allow, and nothing else

  @pki.role @must @source:KAG @needs:pki.create_role
  Scenario Outline: a role for <what>
    Given a PKI mount "certs" with a root CA
    When the agent makes the role "web" that allows <what>
    Then the agent is told of success
    And Vault shows the effect
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

  @pki.role-replaced @must @source:BLOG @needs:pki.create_role
  Scenario: a role that is there is put right, or is told to be as it was
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows the domains "elsewhere.example"
    When the agent makes the role "web" that allows the domains "shop.example"
    Then Vault has the role as asked, or the agent is told that it is not
    And nothing else in Vault has changed

  @pki.role-bare @must @source:SEC @needs:pki.create_role
  Scenario: nothing more than what is required is needed
    Given a PKI mount "certs" with a root CA
    When the agent makes the role "web" and says nothing else
    Then the agent is told of success
    And Vault has the role

  @pki.role-safe @should @source:SEC @needs:pki.create_role
  Scenario: a role of which little is said does not allow everything
    Given a PKI mount "certs" with a root CA
    When the agent makes the role "web" and says nothing else
    Then the agent is told of success
    And the role does not allow every name

  @pki.list-roles @must @source:KAG @needs:pki.list_roles
  Scenario: the roles are listed
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows the domains "shop.example"
    And the role "mail" that allows the domains "shop.example"
    When the agent lists the roles
    Then the agent is told of success
    And Vault shows the effect

  @pki.read-role @must @source:GUIDE @needs:pki.read_role
  Scenario: a role is shown as Vault has it
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example" and at most 720 hours
    When the agent looks at the role "web"
    Then the agent is told of success
    And Vault shows the effect

  @pki.role-absent @must @source:SEC @needs:pki.read_role
  Scenario: a role that does not exist is an error
    Given a PKI mount "certs" with a root CA
    When the agent looks at the role "nobody"
    Then the agent is told of an error

  @pki.delete-role @must @source:GUIDE @needs:pki.delete_role
  Scenario: a role is deleted and the others stay
    Given a PKI mount "certs" with a root CA
    And the role "mail" that allows the domains "shop.example"
    And the role "web" that allows the domains "shop.example"
    When the agent deletes the role "web"
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed
