@read_only @every-revision
Feature: Read-only mode
  An operator relies on this mode whatever a model is persuaded to try. Tools that are hidden must not work either,
  nor may a name that is almost theirs.

  @read_only.no-write @must @source:TUT:knowledge-checks @mode:read_only @evidence:tap
  Rule: In read-only mode, the server MUST reject calls of tools that write, even under a similar name or in a batch, and MUST NOT send writes to Vault

    @needs:<operation>
    Scenario Outline: calls of <operation>
      Given a server in read-only mode
      When the agent attempts <operation> with every spelling of the tool name and in a batch
      Then the server reports an error for every attempt
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

  @read_only.plain @should @source:MCP:server/tools#error-handling @mode:read_only
  Rule: In read-only mode, the error for a rejected write SHOULD say that the server is read-only or that the tool does not exist

    @needs:<operation>
    Scenario Outline: the error for <operation>
      Given a server in read-only mode
      When the agent attempts <operation> with every spelling of the tool name and in a batch
      Then every error says that the server is read-only or does not have the tool

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

  @read_only.reads @must @source:TUT:knowledge-checks @mode:read_only
  Rule: In read-only mode, the server MUST carry out operations that only read, without any change in Vault

    @needs:<operation>
    Scenario Outline: a call of <operation>
      Given a server in read-only mode
      When the agent performs <operation>
      Then the server reports success
      And the call had the requested effect
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
