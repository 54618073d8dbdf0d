@mounts
Feature: Creating and deleting mounts

  @mounts.create @must @source:KAG:mount-management-workflow @source:VAULT:api-docs/system/mounts#enable-secrets-engine @needs:mounts.create
  Rule: The server MUST create a KV mount at the given path with the given KV version and report success, and MUST NOT change anything else

    Scenario Outline: a mount of KV version <version>
      Given a KV version 2 mount "other"
      And the secrets "app/database"
      When the agent creates a mount "extra" of KV version <version>
      Then the server reports success
      And Vault has the mount "extra" of KV version <version>
      And nothing else in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

  @mounts.create-nested @must @source:VAULT:docs/secrets#secrets-engines-lifecycle @needs:mounts.create
  Rule: The server MUST create a KV mount at a path of several segments and report success, and MUST NOT change anything else in Vault

    Scenario: a path of three segments next to another mount
      Given a KV version 2 mount "team/a"
      When the agent creates a mount "team/b/kv" of KV version 2
      Then the server reports success
      And Vault has the mount "team/b/kv" of KV version 2
      And nothing else in Vault has changed

  @mounts.create-existing @must @source:VAULT:docs/secrets#secrets-engines-lifecycle @needs:mounts.create
  Rule: When asked to create a mount at or below the path of an existing mount, the server MUST return an error, and MUST NOT change Vault

    Scenario Outline: the path <path>, while a mount exists at the path team
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent creates a mount "<path>" of KV version 2
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | where        | path    |
        | by itself    | team    |
        | further down | team/kv |

  @mounts.create-reserved @must @source:BLOG:issuing-certificates @source:VAULT:api-docs#error-response @needs:mounts.create @evidence:launch
  Rule: When Vault refuses a mount at a reserved path, the server MUST return an error with Vault's reason, and MUST NOT change anything in Vault

    Scenario Outline: the path <path>
      Given the agent's token may create a mount at "<path>"
      And Vault refuses to create a mount at "<path>" for the same token
      When the agent creates a mount at exactly "<path>"
      Then the server reports Vault's reason for refusing the mount
      And nothing in Vault has changed

      Examples:
        | path                  |
        | sys/conformance       |
        | identity/conformance  |
        | cubbyhole/conformance |

  @mounts.delete @must @source:KAG:2-kagent-discovers-tools+mounts @source:VAULT:api-docs/system/mounts#disable-secrets-engine @needs:mounts.delete @any-kv-version
  Rule: The server MUST delete the mount that it is asked to delete and report success, and MUST NOT change any other mount or its secrets

    Scenario Outline: the mount <path>, next to mounts with similar paths
      Given a KV version 2 mount "team-a"
      And a KV version 1 mount "<path>"
      And the secrets "app/database"
      And a KV version 2 mount "teams/b"
      And the secrets "app/database"
      When the agent deletes the mount "<path>"
      Then the server reports success
      And Vault has no mount "<path>"
      And nothing else in Vault has changed

      Examples:
        | path     |
        | team     |
        | teams/a  |

  @mounts.delete-absent @should @source:SEC:silent-failure @needs:mounts.delete
  Rule: When asked to delete a mount that does not exist, the server SHOULD report that it does not exist, and SHOULD NOT change anything in Vault

    Scenario: a path that is only a prefix of a mount's path
      Given a KV version 2 mount "team/a"
      When the agent deletes the mount "team"
      Then the server reports that it does not exist
      And nothing in Vault has changed
