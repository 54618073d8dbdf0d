@namespace
Feature: What is asked of Vault is asked in the namespace that was named for it
  In Vault's enterprise edition the same path is another secret in another namespace: a request that loses its
  namespace, or takes another client's, reads and writes what belongs to somebody else.

  @namespace.sent @must @source:BLOG @source:GUIDE @mode:namespace @evidence:tap @needs:<operation>
  Scenario Outline: a server that works in a namespace stays in it for <operation>
    Given a server that works in a namespace
    When the agent does <operation>
    Then the agent is told of success
    And every request to Vault for that was made in the namespace

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

  @namespace.of-each @must @source:GUIDE @source:SEC @mode:namespace @transport:http @every-revision @evidence:tap @needs:kv.read
  Scenario: each client works in the namespace that it names, whoever asks beside it
    Given a server that works in a namespace
    And a KV version 2 mount "team"
    And the secrets "app/one", "app/two", "app/three"
    When three clients read one of them each 20 times at once, two that name namespaces and one that names none
    Then Vault was asked for each secret in the namespace of its client alone

  @namespace.changed @should @source:SEC @mode:namespace @transport:http @era:session @evidence:tap @needs:kv.read
  Scenario: a client that names another namespace in the midst of a session is not served in the first
    Given a server that works in a namespace
    And a KV version 2 mount "team"
    And the secrets "app/one", "app/two"
    When a client reads the secret "app/one", and then names another namespace in the same session to read "app/two"
    Then Vault was asked for no secret in another namespace than was named for it
