@kv
Feature: Reading metadata of secrets
  The tutorial asks for key names and versions only, so that no value has to enter a conversation.

  @kv.metadata-told @must @source:TUT:plan-secret-structure-and-write-credentials @needs:kv.metadata
  Rule: For metadata of a KV version 2 secret, the server MUST return version, time and the key names that its adapter declares, and MUST NOT return values or change Vault

    Scenario: a secret with two versions
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password, host"
      And the values of the secret "app/database" were changed afterwards
      When the agent reads the metadata of the secret "app/database"
      Then the server reports success
      And the server reports the key names of the secret
      And the server reports the secret's latest version and a time that Vault has for the secret
      And the server returns no secret value
      And nothing in Vault has changed

  @kv.metadata-unversioned @must @source:TUT:scenario @source:TUT:plan-secret-structure-and-write-credentials @needs:kv.metadata
  Rule: For metadata of a KV version 1 secret, the server MUST return the key names that its adapter declares, and MUST NOT return values

    Scenario: a secret of a KV version 1 mount
      Given a KV version 1 mount "team"
      And the secret "app/database" with the keys "username, password, host"
      When the agent reads the metadata of the secret "app/database"
      Then the server reports success
      And the server reports the key names of the secret
      And the server returns no secret value

  @kv.metadata-state @must @source:VAULT:api-docs/secret/kv/kv-v2#read-secret-metadata @source:VAULT:api-docs/secret/kv/kv-v2#configure-the-kv-engine+delete-version-after @needs:kv.metadata
  Rule: In metadata, the server MUST NOT report a version as deleted before its deletion time, and MUST NOT report a deleted version as not deleted

    Scenario Outline: a secret that <state>, in a mount where versions are deleted after 30 days
      Given a KV version 2 mount "team"
      And versions in the mount "team" are deleted after 30 days
      And the secret "<secret>" that <state>
      When the agent reads the metadata of the secret "<secret>"
      Then the server does not misreport whether the secret "<secret>" is deleted

      Examples:
        | secret       | state          |
        | app/expiring | is not deleted |
        | app/deleted  | was deleted    |

  @kv.metadata-custom @should @source:VAULT:api-docs/secret/kv/kv-v2#read-secret-metadata @needs:kv.metadata
  Rule: When asked for metadata of a KV version 2 secret, the server SHOULD include its custom metadata

    Scenario: a secret with custom metadata
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And the secret "app/database" has the custom metadata "owner"
      When the agent reads the metadata of the secret "app/database"
      Then the server reports success
      And the server reports the secret's custom metadata

  @kv.metadata-alone @should @source:TUT:plan-secret-structure-and-write-credentials @source:TUT:shared-security-considerations @needs:kv.metadata @evidence:launch
  Rule: With a token that may read only metadata, the server SHOULD return the secret's version or report denied permission, and SHOULD NOT return values

    Scenario: the token may read the metadata of the mount and nothing else
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And the agent's token may read the metadata of the mount "team" and nothing else
      When the agent reads the metadata of the secret "app/database"
      Then the server reports the secret's latest version, or that permission was denied
      And the server returns no secret value
