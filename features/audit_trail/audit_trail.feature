@audit_trail
Feature: Log records of tool calls
  The server's log says what was called, and Vault's audit log says what Vault did. An investigation of an incident
  needs both, and must not find a secret value or a token in either.

  @audit_trail.logged @should @source:BLOG:how-vault-mcp-fits-into-this @mode:log_file @evidence:tap @own-target @needs:kv.read
  Rule: A server that logs to a file SHOULD record the time, tool, Vault path, outcome, duration and correlation ID of each tool call in a structured line

    Scenario Outline: <what> of a call that reads a secret
      Given a server that logs to a file
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then one line of the server's log is about the call and records <what>

      Examples:
        | what              |
        | the time          |
        | the tool          |
        | the path in Vault |
        | how it ended      |
        | how long it took  |
        | a correlation id  |

  @audit_trail.session @should @source:BLOG:how-vault-mcp-fits-into-this @mode:log_file @transport:http @era:session @evidence:tap @own-target @needs:kv.read
  Rule: A server that logs to a file SHOULD record the MCP session of each tool call

    Scenario: a call that reads a secret over HTTP
      Given a server that logs to a file
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then one line of the server's log is about the call and records its session

  @audit_trail.denial @should @source:BLOG:how-vault-mcp-fits-into-this @mode:log_file @evidence:tap @own-target @needs:kv.read
  Rule: When Vault denies a tool call, a server that logs to a file SHOULD report the denial to the agent and record it in the log

    Scenario: the token has no rights
      Given a server that logs to a file
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And the agent's token may do nothing
      When the agent reads the secret "app/database"
      Then the server reports that permission was denied
      And one line of the server's log is about the call and records that Vault has denied it

  @audit_trail.audited @should @source:BLOG:how-vault-mcp-fits-into-this @source:KAG:secret-access-flow @mode:log_file @evidence:tap @evidence:audit @own-target @needs:kv.read
  Rule: For each tool call, a server that logs to a file SHOULD log or return an ID of the request in Vault's audit log

    Scenario Outline: the policy allows <rights>
      Given a server that logs to a file
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And the agent's token may do <rights>
      When the agent reads the secret "app/database"
      Then an id of the call in Vault's audit log is in the server's log or answer

      Examples:
        | rights     |
        | everything |
        | nothing    |

  @audit_trail.no-value @must @source:SEC:value-disclosure @mode:log_file @evidence:launch @own-target
  Rule: A server that logs to a file MUST NOT log a secret value or private key that a tool call reads, writes, imports or issues

    @needs:<operation>
    Scenario Outline: a call of <operation>
      Given a server that logs to a file
      When the agent performs <operation>
      Then the server's log contains no secret value and no private key

      Examples:
        | operation         |
        | kv.read           |
        | kv.read_version   |
        | kv.write          |
        | kv.write_key      |
        | pki.import_bundle |
        | pki.issue         |

  @audit_trail.no-value-refused @must @source:SEC:value-disclosure @mode:log_file @evidence:launch @own-target @needs:kv.write_key|kv.write
  Rule: When Vault denies a tool call, or the call has invalid arguments or names an unknown tool, the server MUST NOT log any secret value

    Scenario Outline: a write that <fails>
      Given a server that logs to a file
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent writes a value to the secret "app/database" in a call that <fails>
      Then the server's log contains no secret value and no private key

      Examples:
        | fails                           |
        | Vault denies                    |
        | lacks an argument               |
        | has an argument of another kind |
        | names no tool                   |

  @audit_trail.no-token @must @source:SEC:token-disclosure @mode:log_file @evidence:launch @own-target @needs:kv.read
  Rule: A server that logs to a file MUST NOT write its Vault token to its log, whether Vault allows or denies a tool call

    Scenario Outline: the policy allows <rights>
      Given a server that logs to a file
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And the agent's token may do <rights>
      When the agent reads the secret "app/database"
      Then the server's log does not contain the server's token

      Examples:
        | rights     |
        | everything |
        | nothing    |
