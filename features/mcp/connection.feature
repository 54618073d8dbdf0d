@mcp @era:session
Feature: Opening a connection
  These requirements are about the protocol versions that begin with `initialize`: 2025-06-18 and 2025-11-25.

  @mcp.identity @must @source:MCP:basic/lifecycle#initialization @source:MCP:server/tools#capabilities
  Rule: The server's response to `initialize` MUST contain the name and the version of the server and the `tools` capability

    Scenario: the response to the first request of a connection
      Then the server reports its name, its version and the tools capability

  @mcp.revision-kept @must @source:MCP:basic/lifecycle#version-negotiation
  Rule: When a client requests a protocol version that the server offers in response to another version, the server MUST respond with the requested version

    Scenario: every protocol version that the server offers
      When clients request every revision that the suite supports or the server offers, and one that does not exist
      Then the server agrees to every revision that it offered

  @mcp.revision-unknown @must @source:MCP:basic/lifecycle#version-negotiation
  Rule: When a client requests a protocol version that does not exist, the server MUST respond with another version or with an error

    Scenario: the protocol version 1.0.0
      When a client requests the revision "1.0.0"
      Then the server does not agree to the revision

  @mcp.revision-other @should @source:MCP:basic/lifecycle#version-negotiation
  Rule: When a client requests a protocol version that does not exist, the server SHOULD respond with another version

    Scenario: the protocol version 1.0.0
      When a client requests the revision "1.0.0"
      Then the server offers another revision

  @mcp.capabilities @must @source:MCP:basic/lifecycle#capability-negotiation
  Rule: The server MUST support the methods of every capability that it declares, sub-capabilities such as `resources.subscribe` included

    Scenario: every capability that the server declares
      Then every capability that the server declares works

  @mcp.ping @must @source:MCP:basic/utilities/ping#behavior-requirements
  Rule: The server MUST answer a `ping` request with an empty result

    Scenario: one ping on an open connection
      Then the server answers a ping with an empty result

  @mcp.ids @must @source:MCP:basic/index#result-responses
  Rule: The response to a request MUST contain the ID of that request, with the same value and the same type

    Scenario Outline: a request with <id> as its ID
      Then the server answers a request with <id> as its id with the same id

      Examples:
        | id                          |
        | the number 0                |
        | the number 9007199254740991 |
        | the text "1"                |
        | the text "größe 🔐"         |

  @mcp.opened-again @must @source:SEC:denial-of-service @own-target
  Rule: A second `initialize` request on an open connection MUST NOT change Vault, and the server MUST continue to serve requests

    Scenario: a client that initializes twice
      When the client initializes the open connection again
      Then the next call works

  @mcp.out-of-turn @must @source:SEC:unreported-write @needs:kv.write_key|kv.write
  Rule: A write before `initialize` or in a batch MUST NOT change Vault unless the server reports success; the server MUST serve further requests or, over stdio, end without a crash

    Scenario Outline: a write <when>
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the client writes to a secret <when>, and Vault changes only if the server reports success
      Then the next call works, over stdio perhaps only after the server was started again

      Examples:
        | when                            |
        | before the connection is opened |
        | in a batch                      |
