@kv
Feature: Secrets with unusual names
  Vault accepts nearly every character in a name. A name is unusual here if it has characters with a meaning of their own
  in the path of a request (percent and number signs, question marks, plus signs, spaces, backslashes), begins or ends with
  a dot, or has characters outside ASCII. A server that does not escape a name, or decodes it twice, uses another secret.
  In these scenarios that other secret exists. A server may restrict the names that it accepts, if it says so.

  @kv.name-read @must @source:RFC:3986#2.2 @source:RFC:3986#2.4 @source:SEC:misleading-result @needs:kv.read
  Rule: When asked for a secret with an unusual name, the server MUST return exactly its data or an error, and MUST NOT change anything

    Scenario Outline: the name <name>, next to <other>, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "app/<name>", "app/<other>"
      When the agent reads the secret "app/<name>"
      Then the call had exactly the requested effect, or the server reports an error and changes nothing
      And nothing in Vault has changed

      Examples:
        | name           | other     | version |
        | 50%            | 50        | 2       |
        | cards%2Fold    | cards/old | 2       |
        | 50%25          | 50%       | 2       |
        | ticket#42      | ticket    | 2       |
        | ready?         | ready     | 2       |
        | list?version=1 | list      | 2       |
        | c+go           | c go      | 2       |
        | card one       | card+one  | 2       |
        | backup (old)   | backup    | 2       |
        | SALES\\bot     | SALES/bot | 2       |
        | .hidden        | hidden    | 2       |
        | v1.            | v1        | 2       |
        | Zürich         | Zurich    | 2       |
        | 東京             | ??        | 2       |
        | cards%2Fold    | cards/old | 1       |
        | ticket#42      | ticket    | 1       |
        | card one       | card+one  | 1       |

  @kv.name-write @must @source:RFC:3986#2.2 @source:RFC:3986#2.4 @source:SEC:write-outside-scope @needs:kv.write_key|kv.write
  Rule: When asked to write a secret with an unusual name, the server MUST write exactly this secret or return an error, and MUST NOT change anything else

    Scenario Outline: the name <name>, next to <other>, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "app/<other>"
      When the agent writes the key "password" of the secret "app/<name>"
      Then the call had exactly the requested effect, or the server reports an error and changes nothing
      And nothing else in Vault has changed

      Examples:
        | name           | other     | version |
        | 50%            | 50        | 2       |
        | cards%2Fold    | cards/old | 2       |
        | 50%25          | 50%       | 2       |
        | ticket#42      | ticket    | 2       |
        | ready?         | ready     | 2       |
        | list?version=1 | list      | 2       |
        | c+go           | c go      | 2       |
        | card one       | card+one  | 2       |
        | backup (old)   | backup    | 2       |
        | SALES\\bot     | SALES/bot | 2       |
        | .hidden        | hidden    | 2       |
        | v1.            | v1        | 2       |
        | Zürich         | Zurich    | 2       |
        | 東京             | ??        | 2       |
        | cards%2Fold    | cards/old | 1       |
        | ticket#42      | ticket    | 1       |
        | card one       | card+one  | 1       |

  @kv.name-delete @must @source:RFC:3986#2.2 @source:RFC:3986#2.4 @source:SEC:write-outside-scope @needs:kv.delete
  Rule: When asked to delete a secret with an unusual name, the server MUST delete exactly this secret or return an error, and MUST NOT change anything else

    Scenario Outline: the name <name>, next to <other>, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "app/<name>", "app/<other>"
      When the agent deletes the secret "app/<name>"
      Then the call had exactly the requested effect, or the server reports an error and changes nothing
      And nothing else in Vault has changed

      Examples:
        | name           | other     | version |
        | 50%            | 50        | 2       |
        | cards%2Fold    | cards/old | 2       |
        | 50%25          | 50%       | 2       |
        | ticket#42      | ticket    | 2       |
        | ready?         | ready     | 2       |
        | list?version=1 | list      | 2       |
        | c+go           | c go      | 2       |
        | card one       | card+one  | 2       |
        | backup (old)   | backup    | 2       |
        | SALES\\bot     | SALES/bot | 2       |
        | .hidden        | hidden    | 2       |
        | v1.            | v1        | 2       |
        | Zürich         | Zurich    | 2       |
        | 東京             | ??        | 2       |
        | cards%2Fold    | cards/old | 1       |
        | ticket#42      | ticket    | 1       |
        | card one       | card+one  | 1       |

  @kv.name-list @must @source:RFC:3986#2.4 @source:SEC:misleading-result @needs:kv.list
  Rule: The server MUST list unusual names of secrets exactly as Vault lists them

    Scenario Outline: a folder with unusual names, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "app/50%", "app/cards%2Fold", "app/50%25", "app/ticket#42", "app/ready?", "app/list?version=1", "app/c+go", "app/card one", "app/backup (old)", "app/SALES\bot", "app/.hidden", "app/v1.", "app/Zürich", "app/東京"
      When the agent lists the folder "app"
      Then the server returns exactly the names that Vault lists, with folders marked

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.name-folder @must @source:RFC:3986#2.2 @source:RFC:3986#2.4 @source:SEC:misleading-result @needs:kv.list
  Rule: When asked to list a folder with an unusual name, the server MUST list exactly this folder or return an error

    Scenario Outline: the folder <name>, next to <other>, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "app/<name>/inside", "app/<other>/elsewhere"
      When the agent lists the folder "app/<name>"
      Then the call had exactly the requested effect, or the server reports an error and changes nothing

      Examples:
        | name           | other     | version |
        | 50%            | 50        | 2       |
        | cards%2Fold    | cards/old | 2       |
        | 50%25          | 50%       | 2       |
        | ticket#42      | ticket    | 2       |
        | ready?         | ready     | 2       |
        | list?version=1 | list      | 2       |
        | c+go           | c go      | 2       |
        | card one       | card+one  | 2       |
        | backup (old)   | backup    | 2       |
        | SALES\\bot     | SALES/bot | 2       |
        | .hidden        | hidden    | 2       |
        | v1.            | v1        | 2       |
        | Zürich         | Zurich    | 2       |
        | 東京             | ??        | 2       |
        | cards%2Fold    | cards/old | 1       |
        | ticket#42      | ticket    | 1       |
        | card one       | card+one  | 1       |

  @kv.name-mount @must @source:RFC:3986#2.2 @source:RFC:3986#2.4 @source:SEC:misleading-result @needs:kv.read @needs:kv.list
  Rule: In a KV mount with an unusual path, the server MUST read and list exactly the secrets of this mount or return an error

    Scenario Outline: the mount <mount>, next to <other>, of KV version <version>
      Given a KV version <version> mount "<other>"
      And the secrets "app/database", "elsewhere"
      And a KV version <version> mount "<mount>"
      And the secrets "app/database", "inside"
      When the agent reads the secret "app/database"
      Then the call had exactly the requested effect, or the server reports an error and changes nothing
      When the agent lists the whole mount
      Then the call had exactly the requested effect, or the server reports an error and changes nothing

      Examples:
        | mount      | other   | version |
        | team%2Fkv  | team/kv | 2       |
        | team 50%   | team 50 | 2       |
        | team#1     | team    | 2       |
        | team?1     | team    | 2       |
        | team+1     | team 1  | 2       |
        | team 1     | team+1  | 2       |
        | team (old) | team    | 2       |
        | team\\kv   | team/kv | 2       |
        | team/.kv   | team/kv | 2       |
        | Zürich     | Zurich  | 2       |
        | team%2Fkv  | team/kv | 1       |
        | team#1     | team    | 1       |
        | team 1     | team+1  | 1       |

  @kv.name-served @should @source:VAULT:api-docs/secret/kv/kv-v2#create-update-secret @source:RFC:3986#2.2 @needs:kv.read @needs:kv.write_key|kv.write @needs:kv.delete
  Rule: The server SHOULD read, write and delete a secret with an unusual name that Vault accepts

    Scenario Outline: the name <name>
      Given a KV version 2 mount "team"
      And the secret "app/<name>" with the keys "username, host"
      When the agent reads the secret "app/<name>"
      Then the server returns exactly the data that Vault holds
      When the agent writes the key "password" of the secret "app/<name>"
      Then the server reports success
      And Vault holds the secret "app/<name>" exactly as written
      When the agent deletes the secret "app/<name>"
      Then the server reports success
      And Vault no longer returns the secret "app/<name>"

      Examples:
        | name           |
        | 50%            |
        | cards%2Fold    |
        | 50%25          |
        | ticket#42      |
        | ready?         |
        | list?version=1 |
        | c+go           |
        | card one       |
        | backup (old)   |
        | SALES\\bot     |
        | .hidden        |
        | v1.            |
        | Zürich         |
        | 東京             |
