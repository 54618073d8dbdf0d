@namespace
Feature: Vault namespaces
  In Vault Enterprise and in OpenBao the same path is a different secret in each namespace. A request that loses its
  namespace, or uses another client's, reads and writes another tenant's secrets.

  @namespace.sent @must @source:GUIDE:authentication+namespace @source:VAULT:docs/enterprise/namespaces#vault-api-and-namespaces @mode:namespace @evidence:tap
  Rule: When a Vault namespace is configured, the server MUST complete each tool call with Vault requests in that namespace only

    @needs:<operation>
    Scenario Outline: a call of <operation>
      Given a server that uses a Vault namespace
      When the agent performs <operation>
      Then the server reports success
      And the server made every request to Vault for the call in its namespace

      Examples:
        | operation         |
        | mounts.list       |
        | mounts.create     |
        | mounts.delete     |
        | kv.list           |
        | kv.list_all       |
        | kv.read           |
        | kv.metadata       |
        | kv.write          |
        | kv.write_key      |
        | kv.delete         |
        | pki.enable        |
        | pki.list_issuers  |
        | pki.create_role   |
        | pki.list_roles    |
        | pki.issue         |
        | pki.revoke        |

  @namespace.of-each @must @source:VAULT:docs/enterprise/namespaces#vault-api-and-namespaces @source:SEC:cross-tenant-access @mode:namespace @transport:http @every-revision @evidence:tap @needs:kv.read
  Rule: When clients with different namespaces call concurrently, the server MUST use for each client's Vault requests the namespace which that client names, or otherwise the configured one

    Scenario: two clients that name namespaces and one that names none
      Given a server that uses a Vault namespace
      And a KV version 2 mount "team"
      And the secrets "app/one", "app/two", "app/three"
      When three clients concurrently read one secret each 20 times, two with a namespace each and one without
      Then the server requested each secret only in the namespace of its client

  @namespace.changed @should @source:SEC:cross-tenant-access @mode:namespace @transport:http @era:session @evidence:tap @needs:kv.read
  Rule: When a client names another namespace later in a session, the server SHOULD use that namespace or make no Vault request for the call

    Scenario: the second read in a session names another namespace
      Given a server that uses a Vault namespace
      And a KV version 2 mount "team"
      And the secrets "app/one", "app/two"
      When a client reads the secret "app/one" and then, in the same session, names another namespace to read "app/two"
      Then the server requested no secret in a namespace other than the one that the client named for it
