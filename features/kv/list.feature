@kv
Feature: Listing secrets

  @kv.list-level @must @source:TUT:scenario @source:VAULT:api-docs/secret/kv/kv-v2#list-secrets @needs:kv.list
  Rule: The server MUST list exactly the names that Vault lists in a mount or folder, with folders marked, and MUST NOT return values or change Vault

    Scenario Outline: the <place>, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "top", "app/database", "app/integrations/payment-gateway"
      When the agent lists the <place>
      Then the server returns exactly the names that Vault lists, with folders marked
      And the server returns no secret value
      And nothing in Vault has changed

      Examples:
        | version | place        |
        | 1       | whole mount  |
        | 2       | whole mount  |
        | 1       | folder "app" |
        | 2       | folder "app" |

  @kv.list-tree @must @source:TUT:audit-the-secrets-hierarchy @needs:kv.list_all
  Rule: When asked for all secrets below a mount or folder, the server MUST list exactly these, and MUST NOT return values or change Vault

    Scenario Outline: the <place>, in a KV version <version> mount
      Given a KV version <version> mount "team"
      And the secrets "top", "myapp/database", "myapp/integrations/payment-gateway", "other/database"
      When the agent lists everything below the <place>
      Then the server returns exactly the paths of the secrets that Vault holds there
      And the server returns no secret value
      And nothing in Vault has changed

      Examples:
        | version | place          |
        | 1       | whole mount    |
        | 2       | whole mount    |
        | 1       | folder "myapp" |
        | 2       | folder "myapp" |

  @kv.list-many @must @source:TUT:audit-the-secrets-hierarchy @needs:kv.list_all @slow
  Rule: When asked for all secrets of a KV mount with 5,000 secrets in 200 folders, the server MUST list exactly these

    Scenario: 5,000 secrets in 200 folders
      Given a KV version 2 mount "team"
      And 5000 secrets in 200 folders
      When the agent lists everything below the whole mount
      Then the server returns exactly the paths of the secrets that Vault holds there

  @kv.list-empty @should @source:VAULT:api-docs#api-operations @needs:kv.list
  Rule: The server SHOULD return an empty list for a KV mount without secrets, and SHOULD return an error for a mount that does not exist

    Scenario: an empty mount, then a mount that does not exist
      Given a KV version 2 mount "team"
      When the agent lists the whole mount
      Then the server reports success
      And the server returns exactly the names that Vault lists, with folders marked
      When the agent lists a mount that does not exist
      Then the server reports an error
