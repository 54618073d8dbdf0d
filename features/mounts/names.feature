@mounts
Feature: Mounts with unusual paths
  Vault accepts nearly every character in the path of a mount. Unusual paths have the same characters as the unusual names
  of secrets. A server that does not escape such a path in its request, or decodes it twice, creates or deletes another
  mount. A server may restrict the paths that it accepts, if it says so.

  @mounts.name-create @must @source:RFC:3986#2.2 @source:RFC:3986#2.4 @source:SEC:write-outside-scope @needs:mounts.create
  Rule: When asked to create a mount at an unusual path, the server MUST create it at exactly this path or return an error, and MUST NOT change anything else

    Scenario Outline: the path <mount>
      When the agent creates a mount "<mount>" of KV version 2
      Then the call had exactly the requested effect, or the server reports an error and changes nothing
      And nothing else in Vault has changed

      Examples:
        | mount      |
        | team%2Fkv  |
        | team 50%   |
        | team#1     |
        | team?1     |
        | team+1     |
        | team 1     |
        | team (old) |
        | team\\kv   |
        | team/.kv   |
        | Zürich     |

  @mounts.name-delete @must @source:RFC:3986#2.2 @source:RFC:3986#2.4 @source:SEC:write-outside-scope @needs:mounts.delete
  Rule: When asked to delete a mount at an unusual path, the server MUST delete exactly this mount or return an error, and MUST NOT change anything else

    Scenario Outline: the path <mount>, next to <other>
      Given a KV version 2 mount "<other>"
      And the secrets "app/database"
      And a KV version 2 mount "<mount>"
      And the secrets "app/database"
      When the agent deletes the mount "<mount>"
      Then the call had exactly the requested effect, or the server reports an error and changes nothing
      And nothing else in Vault has changed

      Examples:
        | mount      | other   |
        | team%2Fkv  | team/kv |
        | team 50%   | team 50 |
        | team#1     | team    |
        | team?1     | team    |
        | team+1     | team 1  |
        | team 1     | team+1  |
        | team (old) | team    |
        | team\\kv   | team/kv |
        | team/.kv   | team/kv |
        | Zürich     | Zurich  |

  @mounts.name-list @must @source:RFC:3986#2.4 @source:SEC:misleading-result @needs:mounts.list
  Rule: The server MUST list mounts with unusual paths exactly as Vault lists them

    Scenario: mounts with unusual paths
      Given a KV version 2 mount "team%2Fkv"
      And a KV version 2 mount "team 50%"
      And a KV version 2 mount "team#1"
      And a KV version 2 mount "team?1"
      And a KV version 2 mount "team+1"
      And a KV version 2 mount "team 1"
      And a KV version 2 mount "team (old)"
      And a KV version 2 mount "team\kv"
      And a KV version 2 mount "team/.kv"
      And a KV version 2 mount "Zürich"
      When the agent lists the mounts
      Then the server reports success
      And the server returns each mount with its type

  @mounts.name-served @should @source:VAULT:api-docs/system/mounts#enable-secrets-engine @source:RFC:3986#2.2 @needs:mounts.create @needs:mounts.delete
  Rule: The server SHOULD create and delete a mount at an unusual path that Vault accepts

    Scenario Outline: the path <mount>
      When the agent creates a mount "<mount>" of KV version 2
      Then the server reports success
      And Vault has the mount "<mount>" of KV version 2
      When the agent deletes the mount "<mount>"
      Then the server reports success
      And Vault has no mount "<mount>"

      Examples:
        | mount      |
        | team%2Fkv  |
        | team 50%   |
        | team#1     |
        | team?1     |
        | team+1     |
        | team 1     |
        | team (old) |
        | team\\kv   |
        | team/.kv   |
        | Zürich     |
