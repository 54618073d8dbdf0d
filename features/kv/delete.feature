@kv
Feature: Deleting secrets

  @kv.delete-gone @must @source:TUT:scenario @source:VAULT:api-docs/secret/kv/kv-v2#delete-latest-version-of-secret @needs:kv.delete
  Rule: The server MUST delete the secret that it is asked to delete and report success, and MUST NOT change anything else in Vault

    Scenario Outline: a secret of a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "app/database", "app/database-replica", "app/database/archive"
      When the agent deletes the secret "app/database"
      Then the server reports success
      And Vault no longer returns the secret "app/database"
      And nothing else in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.delete-recoverable @should @source:VAULT:api-docs/secret/kv/kv-v2#delete-latest-version-of-secret @needs:kv.delete
  Rule: In a KV version 2 mount, the server SHOULD delete only the latest version of a secret, and SHOULD NOT destroy it

    Scenario: a secret with two versions
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And the values of the secret "app/database" were changed afterwards
      When the agent deletes the secret "app/database"
      Then the server reports success
      And version 2 of the secret "app/database" is deleted and not destroyed
      And version 1 of the secret "app/database" is as it was

  @kv.delete-key @must @source:SEC:silent-data-loss @needs:kv.delete_key
  Rule: When asked to delete one key of a secret, the server MUST delete it and report success, and MUST NOT change anything else in Vault

    Scenario Outline: one of three keys, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secret "app/database" with the keys "username, host, port"
      When the agent deletes the key "host" of the secret "app/database"
      Then the server reports success
      And Vault holds the secret "app/database" without the deleted key and with the other keys unchanged
      And nothing else in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.delete-absent @should @source:SEC:silent-failure @needs:kv.delete
  Rule: When asked to delete a secret that does not exist, the server SHOULD report that it does not exist, and SHOULD NOT change anything in Vault

    Scenario Outline: a secret that does not exist, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "app/other"
      When the agent deletes the secret "app/database"
      Then the server reports that it does not exist
      And nothing in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.delete-absent-key @should @source:SEC:silent-failure @needs:kv.delete_key
  Rule: When asked to delete a key that a secret does not have, the server SHOULD report its absence, and SHOULD NOT change anything in Vault

    Scenario Outline: a key that the secret does not have, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secret "app/database" with the keys "username, host"
      When the agent deletes the key "port" of the secret "app/database"
      Then the server reports that it does not exist
      And nothing in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

    Scenario Outline: a secret whose only version was <ended>
      Given a KV version 2 mount "team"
      And the secret "app/lapsed" with the keys "username, host"
      And the latest version of the secret "app/lapsed" was <ended>
      When the agent deletes the key "host" of the secret "app/lapsed"
      Then the server reports an error or that it does not exist
      And nothing in Vault has changed

      Examples:
        | ended     |
        | deleted   |
        | destroyed |

  @kv.delete-key-ended @must @source:SEC:silent-data-loss @source:VAULT:api-docs/secret/kv/kv-v2#delete-latest-version-of-secret @needs:kv.delete_key
  Rule: When asked to delete a key of a secret whose latest version is deleted or destroyed, the server MUST answer, and MUST NOT change anything in Vault

    Scenario Outline: a secret whose second version was <ended>, and whose first version still has data
      Given a KV version 2 mount "team"
      And the secret "app/lapsed" with the keys "username, host"
      And the values of the secret "app/lapsed" were changed afterwards
      And the latest version of the secret "app/lapsed" was <ended>
      When the agent deletes the key "host" of the secret "app/lapsed"
      Then the server answers the call
      And nothing in Vault has changed

      Examples:
        | ended     |
        | deleted   |
        | destroyed |

  @kv.undelete @must @source:VAULT:api-docs/secret/kv/kv-v2#undelete-secret-versions @needs:kv.undelete
  Rule: When asked to undelete a version of a secret, the server MUST restore its data and report success, and MUST NOT change anything else

    Scenario: the only version of a secret
      Given a KV version 2 mount "team"
      And the secret "app/database" that was deleted
      When the agent undeletes version 1 of the secret "app/database"
      Then the server reports success
      And version 1 of the secret "app/database" is as it was
      And nothing else in Vault has changed

  @kv.destroy @must @source:VAULT:api-docs/secret/kv/kv-v2#destroy-secret-versions @needs:kv.destroy
  Rule: When asked to destroy an earlier version of a secret, the server MUST destroy it and report success, and MUST NOT change anything else

    Scenario: the first of two versions
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And the values of the secret "app/database" were changed afterwards
      When the agent destroys version 1 of the secret "app/database"
      Then the server reports success
      And version 1 of the secret "app/database" is destroyed
      And Vault holds the secret "app/database" as before
      And nothing else in Vault has changed

  @kv.purge @must @source:VAULT:api-docs/secret/kv/kv-v2#delete-metadata-and-all-versions @source:VAULT:api-docs/secret/kv/kv-v1#delete-secret @needs:kv.purge
  Rule: When asked to purge a secret, the server MUST remove all its versions and metadata and report success, and MUST NOT change anything else

    Scenario Outline: a secret of a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "app/database", "app/database-replica", "app/database/archive"
      When the agent purges the secret "app/database"
      Then the server reports success
      And Vault holds no data and no metadata of the secret "app/database"
      And nothing else in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |
