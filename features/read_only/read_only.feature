@read_only @every-revision
Feature: A server that is told to change nothing changes nothing

  # The operator relies on it whatever a model is talked into: tools that are hidden must not work
  # either, nor under a name that a careless comparison takes for theirs.

  @read_only.no-write @must @source:TUT @mode:read_only @evidence:tap @needs:<operation>
  Scenario Outline: <operation> is refused, under whatever name it is asked for
    Given a server that is told to change nothing
    When the agent insists on <operation>
    Then it is told of an error each time
    And no write has reached Vault
    And nothing in Vault has changed

    Examples:
      | operation               |
      | mounts.create           |
      | mounts.delete           |
      | kv.write                |
      | kv.write_key            |
      | kv.delete               |
      | kv.delete_key           |
      | kv.undelete             |
      | kv.destroy              |
      | kv.purge                |
      | pki.enable              |
      | pki.create_root         |
      | pki.create_intermediate |
      | pki.import_bundle       |
      | pki.create_role         |
      | pki.delete_role         |
      | pki.issue               |
      | pki.sign                |
      | pki.revoke              |

  @read_only.plain @should @source:TUT @mode:read_only @needs:<operation>
  Scenario Outline: the refusal of <operation> tells why
    Given a server that is told to change nothing
    When the agent insists on <operation>
    Then it is told each time that the server changes nothing, or has no such tool

    Examples:
      | operation               |
      | mounts.create           |
      | mounts.delete           |
      | kv.write                |
      | kv.write_key            |
      | kv.delete               |
      | kv.delete_key           |
      | kv.undelete             |
      | kv.destroy              |
      | kv.purge                |
      | pki.enable              |
      | pki.create_root         |
      | pki.create_intermediate |
      | pki.import_bundle       |
      | pki.create_role         |
      | pki.delete_role         |
      | pki.issue               |
      | pki.sign                |
      | pki.revoke              |

  @read_only.reads @must @source:TUT @mode:read_only @needs:<operation>
  Scenario Outline: <operation> works as ever
    Given a server that is told to change nothing
    When the agent does <operation>
    Then the agent is told of success
    And Vault shows the effect
    And nothing in Vault has changed

    Examples:
      | operation        |
      | mounts.list      |
      | kv.list          |
      | kv.list_all      |
      | kv.read          |
      | kv.read_version  |
      | kv.metadata      |
      | pki.list_issuers |
      | pki.read_issuer  |
      | pki.list_roles   |
      | pki.read_role    |
      | pki.list_certs   |
      | pki.read_cert    |
