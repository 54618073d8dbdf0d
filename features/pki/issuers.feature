@pki
Feature: An authority is the one that was asked for

  @pki.root @must @source:BLOG @needs:pki.create_root
  Scenario: a root CA signs itself and lasts as long as was asked
    Given a PKI mount "certs"
    When the agent makes a root CA "internal" called "Internal Root" for 2400 hours
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed

  @pki.root-shortened @must @source:BLOG @needs:pki.create_root
  Scenario: a root CA that Vault lets live less long than was asked is told to do so
    Given a PKI mount "certs" whose certificates may last as long as Vault's usually do
    When the agent makes a root CA "internal" called "Internal Root" for 2400 hours
    Then Vault has the authority as asked, or the agent is told that it is not

  @pki.root-named @should @source:VAULT @needs:pki.create_root
  Scenario: a root CA has the name that was asked for
    Given a PKI mount "certs"
    When the agent makes a root CA "internal" called "Internal Root" for 2400 hours
    Then the new issuer has that name

  @pki.intermediate @must @source:TUT @needs:pki.create_intermediate
  Scenario: an intermediate CA is signed by the root of another mount
    Given a PKI mount "below"
    And a PKI mount "certs" with a root CA
    When the agent makes an intermediate CA "issuing" called "Issuing CA" for 2400 hours in the mount "below", signed by the root CA
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed

  @pki.intermediate-named @should @source:VAULT @needs:pki.create_intermediate
  Scenario: an intermediate CA has the name that was asked for
    Given a PKI mount "below"
    And a PKI mount "certs" with a root CA
    When the agent makes an intermediate CA "issuing" called "Issuing CA" for 2400 hours in the mount "below", signed by the root CA
    Then the new issuer has that name

  @pki.import @must @source:KAG @needs:pki.import_bundle
  Scenario: a CA that exists is imported with its key
    Given a PKI mount "certs"
    When the agent imports a CA
    Then the agent is told of success
    And Vault shows the effect
    And the agent is shown no value
    And nothing else in Vault has changed

  @pki.import-broken @must @source:SEC @needs:pki.import_bundle
  Scenario: half of a bundle is refused
    Given a PKI mount "certs"
    When the agent imports half of a CA
    Then the agent is told of an error
    And the agent is shown no value
    And nothing in Vault has changed

  @pki.list-issuers @must @source:KAG @needs:pki.list_issuers
  Scenario: the issuers are listed
    Given a PKI mount "certs" with a root CA
    When the agent lists the issuers
    Then the agent is told of success
    And Vault shows the effect

  @pki.read-issuer @must @source:KAG @needs:pki.read_issuer
  Scenario: an issuer is shown with its certificate
    Given a PKI mount "certs" with a root CA
    When the agent looks at the issuer "root-ca"
    Then the agent is told of success
    And Vault shows the effect

  @pki.issuer-absent @must @source:SEC @needs:pki.read_issuer
  Scenario: an issuer that does not exist is an error
    Given a PKI mount "certs" with a root CA
    When the agent looks at the issuer "nobody"
    Then the agent is told of an error

  @pki.root-name-taken @must @source:SEC @needs:pki.create_root
  Scenario Outline: a root CA cannot take the name <which>
    Given a PKI mount "certs" with a root CA
    When the agent makes a root CA that takes the name "<name>"
    Then the agent is told of an error
    And nothing in Vault has changed

    Examples:
      | which             | name    |
      | of another issuer | root-ca |
      | that is reserved  | default |
