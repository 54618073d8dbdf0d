@mounts
Feature: Mounts with unusual paths
  Vault accepts nearly every character in the path of a mount. A server that does not escape such a path in its request,
  or that decodes it twice, creates or deletes another mount. A server may restrict the paths that it accepts, if it says so.

  @mounts.name-create @must @source:RFC:3986#2.2 @source:RFC:3986#2.4 @source:SEC:write-outside-scope @needs:mounts.create
  Rule: When asked to create a mount whose path has characters that URLs reserve, the server MUST create it at exactly this path or return an error, and MUST NOT change anything else

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
  Rule: When asked to delete a mount whose path has characters that URLs reserve, the server MUST delete exactly this mount or return an error, and MUST NOT change anything else

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
  Rule: The server MUST list the paths of mounts exactly as Vault lists them, whatever their characters

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
  Rule: The server SHOULD create and delete a mount whatever the characters of its path, if Vault accepts the path

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
