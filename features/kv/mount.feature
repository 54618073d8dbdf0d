@kv
Feature: KV mounts of any path and version
  Vault can accept a request that has the wrong form for a mount without an error.
  A server therefore has to know the type and version of the mount that it writes to.

  @kv.nested-mount @must @source:VAULT:docs/secrets#secrets-engines-lifecycle @needs:kv.read @needs:kv.write_key|kv.write @needs:kv.list
  Rule: In a KV mount whose path has several segments, the server MUST read, write and list secrets exactly, and MUST NOT change anything else

    Scenario Outline: a mount at a path of three segments, of KV version <version>
      Given a KV version <version> mount "team/a/kv"
      And the secret "app/database" with the keys "username, host"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      When the agent writes the key "password" of the secret "app/database"
      Then the server reports success
      And Vault holds the secret "app/database" exactly as written
      And nothing else in Vault has changed
      When the agent lists the whole mount
      Then the server returns exactly the names that Vault lists, with folders marked

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.data-rights @must @source:TUT:create-a-policy-for-the-mcp-server @source:GUIDE:authentication @source:KAG:token-permission-model @evidence:launch
  Rule: The server MUST read, write, list and delete secrets with a token that has only create, read, update, delete and list rights to the secrets of their mount

    Scenario Outline: <act>, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secret "app/database" with the keys "username, password"
      And the agent's token may access the secrets of the mount "team" and nothing else
      And Vault allows the same token to <act>
      When the agent tries to <act>
      Then the server reports success
      And the call had the requested effect

      Examples:
        | version | act                                |
        | 1       | read the secret "app/database"     |
        | 2       | read the secret "app/database"     |
        | 1       | write to the secret "app/database" |
        | 2       | write to the secret "app/database" |
        | 1       | list the folder "app"              |
        | 2       | list the folder "app"              |
        | 1       | delete the secret "app/database"   |
        | 2       | delete the secret "app/database"   |

  @kv.unsupported-version @must @source:SEC:write-outside-scope @any-kv-version
  Rule: In a KV mount of a version that it does not support, the server MUST write or delete a secret correctly, or return an error and change nothing

    @needs:<operation>
    Scenario Outline: <operation> in a KV version <version> mount
      Given a server without support for KV version <version>
      And a KV version <version> mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent <acts>
      Then the call had exactly the requested effect, or the server reports an error and changes nothing

      Examples:
        | operation     | acts                                                              | version |
        | kv.write_key  | writes the key "password" of the secret "app/database"            | 1       |
        | kv.write_key  | writes the key "password" of the secret "app/database"            | 2       |
        | kv.write      | replaces the secret "app/database" with the keys "username, host" | 1       |
        | kv.write      | replaces the secret "app/database" with the keys "username, host" | 2       |
        | kv.delete     | deletes the secret "app/database"                                 | 1       |
        | kv.delete     | deletes the secret "app/database"                                 | 2       |
        | kv.delete_key | deletes the key "password" of the secret "app/database"           | 1       |
        | kv.delete_key | deletes the key "password" of the secret "app/database"           | 2       |

    @needs:<operation>
    Scenario Outline: <operation>, which only KV version 2 has, in a KV version 1 mount
      Given a server without support for KV version 1
      And a KV version 1 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent <acts>
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | operation   | acts                                              |
        | kv.undelete | undeletes version 1 of the secret "app/database"  |
        | kv.destroy  | destroys version 1 of the secret "app/database"   |

  @kv.only-kv @must @source:SEC:write-outside-scope @evidence:tap
  Rule: When asked to read, write or delete in a mount that is not a KV mount, the server MUST return an error, and MUST NOT change it

    Scenario Outline: a transit key is not <done> as a secret
      Given a transit mount "team" with the key "app"
      When the agent tries to <act>
      Then the server reports an error
      And nothing in Vault has changed
      And no write of the server has reached the mount "team"

      Examples:
        | done    | act                              |
        | read    | read the secret "keys/app"       |
        | written | write to the secret "keys/other" |
        | deleted | delete the secret "keys/app"     |

  @kv.recreated @must @source:VAULT:docs/secrets/kv#version-comparison @source:SEC:silent-data-loss @any-kv-version @needs:kv.read @needs:kv.write_key|kv.write
  Rule: After a KV mount is recreated in another KV version, the server MUST write a secret there exactly, or return an error and change nothing

    Scenario Outline: from KV version <version> to KV version <later>
      Given a server with support for KV version <version>
      And a KV version <version> mount "team"
      And the secret "app/database" with the keys "username, host"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      Given the mount "team" was deleted and recreated with KV version <later>
      When the agent writes the key "password" of the secret "app/database"
      Then the server writes the secret "app/database" exactly as requested, or reports an error and changes nothing

      Examples:
        | version | later |
        | 1       | 2     |
        | 2       | 1     |

  @kv.upgrading @should @source:VAULT:docs/secrets/kv/kv-v2/upgrade @needs:kv.read @evidence:tap
  Rule: When Vault rejects a read because the KV mount is upgrading to version 2, the server SHOULD retry the read and return the secret

    Scenario: Vault rejects one request
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And Vault answers the next read in the mount with the error that the mount is being upgraded
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
