@pki
Feature: PKI operations in KV mounts

  # A KV version 1 mount accepts a write to any path as a secret, so the server has to check the type of the mount.

  @pki.role-elsewhere @must @source:SEC:write-outside-scope @needs:pki.create_role @any-kv-version
  Rule: When asked to create a PKI role in a KV mount, the server MUST return an error, and MUST NOT change Vault

    Scenario Outline: a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "app/database"
      When the agent creates a role in the KV mount
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

  @pki.root-elsewhere @must @source:SEC:write-outside-scope @needs:pki.create_root @any-kv-version
  Rule: When asked to create a root CA in a KV mount, the server MUST return an error, and MUST NOT change Vault

    Scenario Outline: a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "app/database"
      When the agent creates a root CA in the KV mount
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

  @pki.issue-elsewhere @must @source:SEC:write-outside-scope @needs:pki.issue @any-kv-version
  Rule: When asked to issue a certificate from a KV mount, the server MUST return an error, and MUST NOT change Vault

    Scenario Outline: a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "app/database"
      When the agent requests a certificate in the KV mount
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |
