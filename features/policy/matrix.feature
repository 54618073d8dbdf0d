@policy
Feature: Operations under each policy
  Just before each call the suite makes the requests of the operation directly to Vault with the same token. Vault
  decides what the policy allows. If the server is denied only an additional request, policy.nothing-more applies
  instead of policy.matrix. If the server answers a denied read with other requests that Vault allows to the same
  token, that is no violation.

  @policy.matrix @must @source:TUT:create-a-policy-for-the-mcp-server @source:BLOG:configuring-the-vault-mcp-server @source:KAG:authentication-flow @evidence:launch
  Rule: Whatever its token's policy, the server MUST carry out each operation that Vault allows, and MUST report each one that Vault denies as denied, without changes or secret values

    @needs:<operation>
    Scenario Outline: <operation> under six policies
      When the suite requests <operation> from Vault under each of these policies, and then the agent performs it
        | policy              | PKI mount    |
        | vault-mcp-developer | pki          |
        | mcp-server          | pki-internal |
        | blog-pki            | pki-internal |
        | kag-mcp-server      | pki          |
        | kag-read-only       | pki          |
        | none                | pki          |
      Then every call that Vault allows succeeds and has the requested effect
      And for every call that Vault denies, the server reports a denial, returns no secret value and changes nothing

      Examples:
        | operation               |
        | mounts.list             |
        | mounts.create           |
        | mounts.delete           |
        | kv.list                 |
        | kv.list_all             |
        | kv.read                 |
        | kv.read_version         |
        | kv.metadata             |
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
        | pki.list_issuers        |
        | pki.read_issuer         |
        | pki.create_role         |
        | pki.list_roles          |
        | pki.read_role           |
        | pki.delete_role         |
        | pki.issue               |
        | pki.sign                |
        | pki.revoke              |
        | pki.list_certs          |
        | pki.read_cert           |

  @policy.nothing-more @should @source:TUT:create-a-policy-for-the-mcp-server @source:SEC:excess-privilege @evidence:launch @evidence:tap @seen-in:policy.matrix
  Rule: The server SHOULD NOT let an operation that Vault allows fail because Vault denies an additional request that the operation does not need

    Scenario: all operations under all policies
      Then no call that Vault allows failed because of an additional request that Vault denied
