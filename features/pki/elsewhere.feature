@pki
Feature: What belongs to PKI is put into no mount of another kind

  # KV version 1 takes a write to any path for a secret: the server has to look where it writes.

  @pki.role-elsewhere @must @source:SEC @needs:pki.create_role
  Scenario Outline: a role cannot be made in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secrets "app/database"
    When the agent makes a role in the KV mount
    Then the agent is told of an error
    And nothing in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @pki.root-elsewhere @must @source:SEC @needs:pki.create_root
  Scenario Outline: a root CA cannot be made in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secrets "app/database"
    When the agent makes a root CA in the KV mount
    Then the agent is told of an error
    And nothing in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @pki.issue-elsewhere @must @source:SEC @needs:pki.issue
  Scenario Outline: a certificate cannot be issued in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secrets "app/database"
    When the agent asks for a certificate in the KV mount
    Then the agent is told of an error
    And nothing in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |
