@mcp @era:stateless
Feature: Stateless requests
  Revision 2026-07-28 has no sessions: each request carries all that the server needs to answer it.

  @mcp.discovery @must @source:MCP:server/discover+implemented @source:MCP:server/discover#discoverresult
  Rule: In its `server/discover` result, the server MUST list the protocol version in use as supported, and MUST declare the `tools` capability

    Scenario: a client asks what the server supports
      Then the server's discovery response contains the revision in use and the tools capability

  @mcp.alone @must @source:MCP:basic/index#statelessness+requests
  Rule: If a tool list request is the first request on a connection, the server MUST return the same tools as on any other connection

    Scenario: the tool list is requested first, in any order of tools
      When a client lists the tools with its first request
      Then the server returns the same tools, in any order

  @mcp.alone-order @should @source:MCP:server/tools#capabilities+order @source:MCP:changelog#minor-changes
  Rule: The server SHOULD return its tools in the same order on every connection

    Scenario: the tool list is requested on another connection
      When a client lists the tools with its first request
      Then the server returns the same tools, in the same order

  @mcp.alone-meta @must @source:MCP:basic/index#_meta
  Rule: If a request does not declare client capabilities, the server MUST return JSON-RPC error -32602 (over HTTP with status 400), and MUST continue to serve requests

    Scenario: the request does not declare the client's capabilities
      When the client sends a request without the client's capabilities
      Then the server answers the message with the JSON-RPC error -32602, over HTTP with status 400
      And the next call works

  # Over stdio, a server that also supports revisions with sessions may take such a request for one of theirs.
  @mcp.http-meta @must @source:MCP:basic/index#_meta @transport:http
  Rule: If a request over HTTP has no `_meta`, the server MUST return JSON-RPC error -32602 with status 400, and MUST continue to serve requests

    Scenario: the request has no metadata in its body
      When the client sends a request without any data about the client
      Then the server answers the message with the JSON-RPC error -32602, over HTTP with status 400
      And the next call works

  @mcp.alone-revision @must @source:MCP:basic/versioning#protocol-version-negotiation
  Rule: For an unknown protocol version, the server MUST return JSON-RPC error -32022 (over HTTP with status 400) with the requested and supported versions, and MUST continue to serve requests

    Scenario: the request names a protocol version that does not exist
      When the client sends a request in a revision that does not exist
      Then the server answers the message with the JSON-RPC error -32022, over HTTP with status 400
      And the error names the requested revision and the supported revisions
      And the next call works

  @mcp.alone-unknown @must @source:MCP:basic/index#error-codes @source:MCP:server/tools#error-handling+protocol-errors
  Rule: The server MUST return an error for an unknown method, an unknown tool or a malformed tool call, and MUST continue to serve requests

    Scenario Outline: <what>
      When the client requests <what>
      Then the server answers the message with an error
      And the next call works

      Examples:
        | what                              |
        | an unknown method                 |
        | an unknown tool                   |
        | a call that names no tool         |
        | a call whose arguments are a list |

  @mcp.http-unknown @must @source:MCP:basic/transports/streamable-http#protocol-version-header @transport:http
  Rule: Over HTTP, the server MUST answer a request for an unknown or removed method with JSON-RPC error -32601 and status 404

    Scenario Outline: <what>
      When the client requests <what>
      Then the server answers the message with the JSON-RPC error -32601, over HTTP with status 404

      Examples:
        | what                           |
        | an unknown method              |
        | a method that no longer exists |

  @mcp.http-routing @must @source:MCP:basic/transports/streamable-http#server-validation @transport:http
  Rule: If a tool call lacks a correct `Mcp-Method` or `Mcp-Name` header, the server MUST return JSON-RPC error -32020 with status 400, and MUST continue to serve requests

    Scenario Outline: a tool call <what>
      When the client posts a tool call <what>
      Then the server answers the message with the JSON-RPC error -32020, over HTTP with status 400
      And the next call works

      Examples:
        | what                              |
        | without its method in a header    |
        | with another method in its header |
        | without its tool in a header      |
        | with another tool in its header   |

  @mcp.http-encoded @must @source:MCP:basic/transports/streamable-http#value-encoding @transport:http
  Rule: The server MUST decode a Base64-encoded `Mcp-Name` header before it compares the header with the request body

    Scenario: the name of the tool is encoded in the header
      When the client posts a tool call with its tool encoded in its header
      Then the server answers without reporting a header mismatch
