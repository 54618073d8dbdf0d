@kv
Feature: Writing secrets
  After each write, the suite reads Vault with its own token.
  The answer of the server is not evidence that a secret was written.

  @kv.write-exact @must @source:KAG:5-vault-server-response @source:TUT:scenario @needs:kv.write_key|kv.write
  Rule: When asked to write a key of a new secret, the server MUST store exactly that key and value and report success, and MUST NOT change anything else

    Scenario Outline: a new secret of a KV version <version> mount
      Given a KV version <version> mount "team"
      When the agent writes the key "password" of the secret "app/database"
      Then the server reports success
      And Vault holds the secret "app/database" exactly as written
      And nothing else in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.write-merges @must @source:SEC:silent-data-loss @source:VAULT:api-docs/secret/kv/kv-v2#patch-secret @needs:kv.write_key
  Rule: When asked to add a key to a secret, the server MUST add it, keep the others and report success, and MUST NOT change anything else

    Scenario Outline: a secret with three other keys, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secret "app/database" with the keys "username, host, port"
      When the agent writes the key "password" of the secret "app/database"
      Then the server reports success
      And Vault holds the secret "app/database" exactly as written
      And nothing else in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.write-overwrites @must @source:KAG:5-vault-server-response @source:VAULT:docs/secrets/kv#kv-version-1 @needs:kv.write_key
  Rule: When asked to write an existing key of a secret, the server MUST replace its value and report success, and MUST NOT change anything else

    Scenario Outline: a secret that has the key, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent writes the key "password" of the secret "app/database"
      Then the server reports success
      And Vault holds the secret "app/database" exactly as written
      And nothing else in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.write-ended @must @source:VAULT:api-docs/secret/kv/kv-v2#create-update-secret @needs:kv.write
  Rule: When the latest version of a secret is deleted or destroyed, the server MUST write the whole secret as asked and report success, and MUST NOT change earlier versions

    Scenario Outline: a secret whose only version was <ended>
      Given a KV version 2 mount "team"
      And the secret "app/closed" with the keys "username, host"
      And the latest version of the secret "app/closed" was <ended>
      When the agent replaces the secret "app/closed" with the keys "username, password"
      Then the server reports success
      And Vault holds the secret "app/closed" exactly as written
      And version 1 of the secret "app/closed" is <state>
      And nothing else in Vault has changed

      Examples:
        | ended     | state                     |
        | deleted   | deleted and not destroyed |
        | destroyed | destroyed                 |

  @kv.write-key-ended @must @source:SEC:silent-data-loss @source:VAULT:api-docs/secret/kv/kv-v2#delete-latest-version-of-secret @needs:kv.write_key
  Rule: When the latest version of a secret is deleted or destroyed, the server MUST write a key without earlier keys or return an error, and MUST NOT change anything else

    Scenario Outline: a secret whose only version was <ended>
      Given a KV version 2 mount "team"
      And the secret "app/retired" with the keys "username, host"
      And the latest version of the secret "app/retired" was <ended>
      When the agent writes the key "password" of the secret "app/retired"
      Then the server writes the secret "app/retired" exactly as requested, or reports an error and changes nothing
      And version 1 of the secret "app/retired" is <state>
      And nothing else in Vault has changed

      Examples:
        | ended     | state                     |
        | deleted   | deleted and not destroyed |
        | destroyed | destroyed                 |

    Scenario Outline: a secret whose second version was <ended>, and whose first version still has data
      Given a KV version 2 mount "team"
      And the secret "app/retired" with the keys "username, host"
      And the values of the secret "app/retired" were changed afterwards
      And the latest version of the secret "app/retired" was <ended>
      When the agent writes the key "password" of the secret "app/retired"
      Then the server writes the secret "app/retired" exactly as requested, or reports an error and changes nothing
      And version <earlier> of the secret "app/retired" is as it was
      And version 2 of the secret "app/retired" is <state>
      And nothing else in Vault has changed

      Examples:
        | ended     | state                     | earlier |
        | deleted   | deleted and not destroyed | 1       |
        | destroyed | destroyed                 | 1       |

  @kv.write-key-renews @should @source:VAULT:api-docs/secret/kv/kv-v2#create-update-secret @needs:kv.write_key
  Rule: When the latest version of a secret is deleted or destroyed, the server SHOULD write a key as a new version and report success

    Scenario Outline: a secret whose only version was <ended>
      Given a tool for one key that also creates secrets
      And a KV version 2 mount "team"
      And the secret "app/retired" with the keys "username, host"
      And the latest version of the secret "app/retired" was <ended>
      When the agent writes the key "password" of the secret "app/retired"
      Then the server reports success
      And Vault holds the secret "app/retired" exactly as written

      Examples:
        | ended     |
        | deleted   |
        | destroyed |

  @kv.write-intact @must @source:KAG:5-vault-server-response @source:VAULT:api-docs/secret/kv/kv-v2#create-update-secret @needs:kv.write_key|kv.write
  Rule: The server MUST store a text value unchanged and report success, whatever its scripts, line breaks, quotes, template or JSON syntax, outer spaces or size up to 100 KiB

    Scenario Outline: a value of <value>
      Given a KV version 2 mount "team"
      When the agent writes a value of <value> to the key "content" of the secret "app/config"
      Then the server reports success
      And Vault holds the secret "app/config" exactly as written

      Examples:
        | value                       |
        | letters of many scripts     |
        | several lines               |
        | quotes and backslashes      |
        | what looks like a template  |
        | what looks like an object   |
        | what looks like a list      |
        | what looks like a number    |
        | what looks like null        |
        | leading and trailing spaces |
        | 100 KiB                     |

  @kv.write-replaces @must @source:VAULT:docs/secrets/kv/kv-v1 @needs:kv.write
  Rule: When asked to write a whole secret, the server MUST store exactly the given keys and values and report success, and MUST NOT change anything else

    Scenario Outline: a secret with other keys, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secret "app/database" with the keys "username, host, port"
      When the agent replaces the secret "app/database" with the keys "username, password"
      Then the server reports success
      And Vault holds the secret "app/database" exactly as written
      And nothing else in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.write-types @must @source:VAULT:docs/secrets/kv/kv-v2/cookbook/write-data @source:VAULT:api-docs/secret/kv/kv-v2#create-update-secret @needs:kv.write
  Rule: When asked to write a whole secret, the server MUST store numbers, booleans, lists and objects unchanged and report success

    Scenario Outline: values of many types, in a KV version <version> mount
      Given a KV version <version> mount "team"
      When the agent replaces the secret "app/config" with values of many types
      Then the server reports success
      And Vault holds the secret "app/config" exactly as written

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.write-many-keys @must @source:VAULT:api-docs/secret/kv/kv-v2#create-update-secret @needs:kv.write
  Rule: When asked to write a secret of 200 keys, the server MUST store all of them unchanged and report success

    Scenario: a new secret of 200 keys
      Given a KV version 2 mount "team"
      When the agent replaces the secret "app/config" with 200 keys
      Then the server reports success
      And Vault holds the secret "app/config" exactly as written

  @kv.write-version @must @source:KAG:secret-storage-workflow @needs:kv.write_key|kv.write
  Rule: When the server reports the version of a secret that it has written, that version MUST be the latest in Vault

    Scenario: the third version of a secret
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And the values of the secret "app/database" were changed afterwards
      When the agent writes the key "password" of the secret "app/database"
      Then the server reports success
      And the server reports the secret's latest version

  @kv.write-between @must @source:SEC:silent-data-loss @source:VAULT:docs/secrets/kv/kv-v2/cookbook/patch-data @needs:kv.write_key @evidence:tap
  Rule: When another client adds a key just before the server's write reaches Vault, the server MUST NOT lose any key stored or reported as written

    Scenario: another client adds a key before the write arrives
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, host"
      And another Vault client sets the key "port" of the secret "app/database" just before the agent's write reaches Vault
      When the agent writes the key "password" of the secret "app/database"
      Then Vault holds every key of the secret "app/database" that existed before or was reported as written

  @kv.write-at-once @must @source:SEC:silent-data-loss @source:VAULT:docs/secrets/kv/kv-v2/cookbook/patch-data @needs:kv.write_key @evidence:tap
  Rule: When ten keys of one secret are written at once, the server MUST NOT lose existing keys or any key that it reports as written

    Scenario: ten keys at once, while Vault is slow
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, host"
      And the suite delays the first write to the mount
      When the agent writes 10 other keys of the secret "app/database" concurrently
      Then Vault holds every key of the secret "app/database" that existed before or was reported as written

  @kv.write-cas-required @should @source:VAULT:api-docs/secret/kv/kv-v2#configure-the-kv-engine @needs:kv.write_key
  Rule: In a KV mount that requires check-and-set, the server SHOULD write a key of an existing or new secret and SHOULD NOT change anything else

    Scenario Outline: the secret <secret>
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, host"
      And the mount "team" requires check-and-set
      When the agent writes the key "password" of the secret "<secret>"
      Then the server reports success
      And Vault holds the secret "<secret>" exactly as written
      And nothing else in Vault has changed

      Examples:
        | secret       |
        | app/database |
        | app/new      |

  @kv.write-unread @should @source:VAULT:api-docs/secret/kv/kv-v2#patch-secret @source:SEC:silent-data-loss @needs:kv.write_key @evidence:launch
  Rule: With a token that may create, update and patch secrets but not read them, the server SHOULD write a key and keep the others, or report denied permission

    Scenario Outline: <what>
      Given a KV version 2 mount "team"
      And the secret "app/unread" with the keys "username, host"
      And the agent's token may create, update and patch the secrets of the mount "team" and nothing else
      And Vault denies the same token to read the secret "app/unread"
      When the agent writes the key "password" of the secret "<secret>"
      Then the server writes the secret "<secret>" exactly as requested, or reports that permission was denied and changes nothing

      Examples:
        | what                     | secret         |
        | a secret with other keys | app/unread     |
        | a new secret             | app/unread-new |

  @kv.write-one-request @should @source:SEC:denial-of-service @needs:kv.write @evidence:tap
  Rule: When a whole secret is written again, the server SHOULD send exactly one request to Vault, not counting requests under `sys/`

    Scenario Outline: the second of two writes, in a KV version <version> mount
      Given a KV version <version> mount "team"
      When the agent replaces the secret "app/database" with the keys "username, password"
      And the agent replaces the secret "app/database" with the keys "username, password"
      Then the server reports success
      And the server made one request to Vault for the last call, apart from requests below sys

      Examples:
        | version |
        | 1       |
        | 2       |
