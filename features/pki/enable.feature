@pki
Feature: PKI is enabled as asked, and where it is empty that is no error

  @pki.enable @must @source:KAG @needs:pki.enable
  Scenario: certificates of a new mount may last as long as was asked
    Given a KV version 2 mount "other"
    When the agent enables PKI at "certs" for certificates of up to 2400 hours
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed

  @pki.enable-existing @must @source:VAULT @needs:pki.enable
  Scenario: a path that is taken stays as it is
    Given a PKI mount "certs" with a root CA
    When the agent enables PKI at "certs" for certificates of up to 2400 hours
    Then the agent is told of an error
    And nothing in Vault has changed

  @pki.enable-undone @should @source:SEC @needs:pki.enable
  Scenario Outline: a lifetime of "<ttl>" is refused and leaves no mount behind
    When the agent enables PKI at "certs" for certificates of up to "<ttl>"
    Then the agent is told of an error
    And nothing in Vault has changed

    Examples:
      | ttl   |
      | -1h   |
      | 72q   |
      | weeks |

  @pki.empty @must @source:SEC @needs:pki.list_roles
  Scenario: a mount without roles has an empty list of them
    Given a PKI mount "certs" with a root CA
    When the agent lists the roles
    Then the agent is told of success
    And Vault shows the effect

  @pki.empty-of-issuers @must @source:SEC @needs:pki.list_issuers
  Scenario: a mount without issuers has an empty list of them
    Given a PKI mount "certs"
    When the agent lists the issuers
    Then the agent is told of success
    And Vault shows the effect

  @pki.empty-of-certificates @must @source:SEC @needs:pki.list_certs
  Scenario: a mount without certificates has an empty list of them
    Given a PKI mount "certs"
    When the agent lists the certificates
    Then the agent is told of success
    And Vault shows the effect
