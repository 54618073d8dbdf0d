@kv
Feature: Reading secrets

  @kv.read-exact @must @source:TUT:scenario @source:BLOG:writing-and-reading-secrets @needs:kv.read
  Rule: The server MUST return a secret with exactly the keys and values that Vault holds, and MUST NOT change anything in Vault

    Scenario Outline: a secret of a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secret "app/database" with the keys "username, password, host"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      And nothing in Vault has changed

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.read-latest @must @source:VAULT:api-docs/secret/kv/kv-v2#read-secret-version @needs:kv.read
  Rule: The server MUST return the latest version of a KV version 2 secret when the call names no version

    Scenario: a secret with two versions
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And the values of the secret "app/database" were changed afterwards
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds

  @kv.read-fresh @must @source:KAG:caching-considerations @needs:kv.read
  Rule: The server MUST return the current values of a secret that has changed in Vault since the server last read it

    Scenario Outline: a secret that changes between two reads, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      Given the values of the secret "app/database" were changed afterwards
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds

      Examples:
        | version |
        | 1       |
        | 2       |

  @kv.read-ended @must @source:KAG:caching-considerations @source:SEC:misleading-result @needs:kv.read
  Rule: After the latest version of a secret is deleted or destroyed in Vault, the server MUST NOT return the values that it read before

    Scenario Outline: a secret that is <ended> between two reads
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      Given the latest version of the secret "app/database" was <ended>
      When the agent reads the secret "app/database"
      Then the server returns no secret value

      Examples:
        | ended     |
        | deleted   |
        | destroyed |

  @kv.read-version @must @source:VAULT:docs/secrets/kv#kv-version-2 @needs:kv.read_version
  Rule: When a call names an earlier version of a secret, the server MUST return exactly what Vault holds for that version

    Scenario: the first of two versions
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And the values of the secret "app/database" were changed afterwards
      When the agent reads version 1 of the secret "app/database"
      Then the server returns exactly the data that Vault held in version 1

  # Vault notes the deletion time of such a version when it is written. Until then the version is like any other.
  @kv.read-expiring @must @source:VAULT:api-docs/secret/kv/kv-v2#configure-the-kv-engine+delete-version-after @needs:kv.read
  Rule: The server MUST return a secret whose deletion time lies ahead with exactly the keys and values that Vault holds

    Scenario Outline: versions <of> are deleted after 30 days
      Given a KV version 2 mount "team"
      And versions <of> are deleted after 30 days
      And the secret "app/expiring" with the keys "username, password"
      When the agent reads the secret "app/expiring"
      Then the server returns exactly the data that Vault holds
      And nothing in Vault has changed

      Examples:
        | of                           |
        | in the mount "team"          |
        | of the secret "app/expiring" |

  @kv.read-version-gone @must @source:VAULT:api-docs/secret/kv/kv-v2#configure-the-kv-engine+max-versions @needs:kv.read_version
  Rule: When a call names a version that Vault no longer keeps, the server MUST return an error without any value, and MUST still read other secrets

    Scenario Outline: the first of three versions, in a mount that keeps <count>
      Given a KV version 2 mount "team"
      And the mount "team" keeps <count> of each secret
      And the secret "app/rotated" with the keys "username, password"
      And the values of the secret "app/rotated" were changed afterwards
      And the values of the secret "app/rotated" were changed afterwards
      When the agent reads version 1 of the secret "app/rotated"
      Then the server reports an error
      And the server returns no secret value
      And the agent can still read a secret that exists

      Examples:
        | count      |
        | 1 version  |
        | 2 versions |

  @kv.read-missing @must @source:VAULT:api-docs#http-status-codes @source:VAULT:api-docs/secret/kv/kv-v2#delete-latest-version-of-secret @needs:kv.read
  Rule: For a secret that never existed, was deleted or was destroyed, the server MUST return an error without any value, and MUST still read other secrets

    Scenario Outline: a secret that <state>
      Given a KV version 2 mount "team"
      And the secret "app/database" that <state>
      When the agent reads the secret "app/database"
      Then the server reports an error
      And the server returns no secret value
      And the agent can still read a secret that exists

      Examples:
        | state         |
        | never existed |
        | was deleted   |
        | was destroyed |

  @kv.read-told-apart @should @source:VAULT:docs/secrets/kv/kv-v2 @needs:kv.read
  Rule: The server SHOULD return different errors for a secret that never existed, one that was deleted and one that was destroyed

    Scenario: one secret of each kind
      Given a KV version 2 mount "team"
      And the secret "app/deleted" that was deleted
      And the secret "app/destroyed" that was destroyed
      When the agent reads the secrets "app/missing", "app/deleted", "app/destroyed" one after the other
      Then the server reports a different error message for each secret

  @kv.read-at-once @must @source:MCP:basic/index#result-responses @source:GUIDE:kv-secrets-tools @needs:kv.read
  Rule: When 200 secrets are read at once on one connection, the server MUST answer each call with the secret that this call names

    Scenario: 200 reads at once
      Given a KV version 2 mount "team"
      And 200 secrets in 1 folder
      When the agent reads all secrets concurrently
      Then the server returns for each read exactly the data that Vault holds

  @kv.read-one-request @should @source:SEC:denial-of-service @needs:kv.read @evidence:tap
  Rule: When a secret is read again, the server SHOULD send exactly one request to Vault, not counting requests under `sys/`

    Scenario Outline: the second of two reads, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      And the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      And the server made one request to Vault for the last call, apart from requests below sys

      Examples:
        | version |
        | 1       |
        | 2       |
