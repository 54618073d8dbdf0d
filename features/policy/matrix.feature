@policy
Feature: The agent can do what the policy allows, and nothing that it denies
  Just before each call the suite makes the requests of the operation on Vault itself, with the
  same token. What Vault then says is what the agent must see; no table says what a policy allows.

  @policy.matrix @must @source:TUT @source:BLOG @source:KAG @evidence:launch @needs:<operation>
  Scenario Outline: <operation> goes under each policy as it goes on Vault itself
    When under each of these policies Vault and the agent are asked for <operation>
      | policy              | PKI mount    |
      | vault-mcp-developer | pki          |
      | mcp-server          | pki-internal |
      | blog-pki            | pki-internal |
      | kag-mcp-server      | pki          |
      | kag-read-only       | pki          |
      | none                | pki          |
    Then what Vault allows succeeds and shows its effect
    And what Vault denies is told as a denial, shows no value and changes nothing

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

  @policy.nothing-more @should @source:TUT @source:SEC @evidence:launch @evidence:tap @seen-in:policy.matrix
  Scenario: no call asks Vault for more than its operation needs
    Then no call that Vault allows was denied for the sake of another request
