@mcp @era:session
Feature: Streamable HTTP with sessions
  These requirements are about the HTTP transport of the protocol versions with sessions, and about HTTP requests that
  MCP clients do not send.

  @mcp.http-accepted @must @source:MCP:basic/transports#sending-messages-to-the-server @transport:http
  Rule: The server MUST answer the `notifications/initialized` notification over HTTP with status 202 and an empty body

    Scenario: a notification in an open session
      When the client sends a notification over HTTP
      Then the server accepts the notification without a response body

  @mcp.http-revision @must @source:MCP:basic/transports#protocol-version-header @transport:http
  Rule: When the `MCP-Protocol-Version` header names a version that does not exist, the server MUST answer the HTTP request with status 400

    Scenario: the protocol version 1999-01-01
      When the client lists the tools in a revision that does not exist
      Then the server answers with HTTP status 400

  @mcp.http-stream @must @source:MCP:basic/transports#listening-for-messages-from-the-server @transport:http
  Rule: The server MUST answer an HTTP GET request for an event stream with an event stream or with a 4xx status

    Scenario: a GET request in an open session
      When the client requests the event stream
      Then the server returns an event stream or refuses the request

  @mcp.http-session-ended @must @source:MCP:basic/transports#session-management+ended @transport:http
  Rule: After the server accepts an HTTP DELETE request for a session, the server MUST answer requests in that session with status 404

    Scenario: a list of tools in a deleted session
      When a client opens a session, ends it, and lists the tools in it
      Then the server answers with HTTP status 404

  @mcp.http-session-visible @must @source:MCP:basic/transports#session-management+visible @transport:http
  Rule: A session ID that the server assigns MUST contain only visible ASCII characters

    Scenario: the IDs of several sessions
      When clients open sessions one after the other
      Then the session ids contain only visible ASCII characters

  @mcp.http-session-random @should @source:MCP:basic/transports#session-management+random @transport:http
  Rule: A session ID that the server assigns SHOULD NOT be predictable from earlier session IDs

    Scenario: the IDs of several sessions
      When clients open sessions one after the other
      Then the session ids are unpredictable

  @mcp.http-session-missing @should @source:MCP:basic/transports#session-management+missing @transport:http
  Rule: When the server assigns session IDs, the server SHOULD answer an HTTP request without a session ID with status 400

    Scenario: a list of tools without a session ID
      When the client lists the tools without its session
      Then the server answers with HTTP status 400

  @mcp.http-session-invented @should @source:MCP:basic/transports#session-management+ended @source:SEC:session-hijacking @transport:http
  Rule: The server SHOULD answer an HTTP request with a well-formed but unknown session ID with status 404

    Scenario: a list of tools with an invented session ID
      When the client lists the tools in a session that the server never created
      Then the server answers with HTTP status 404

  @mcp.http-odd @must @source:SEC:denial-of-service @transport:http @evidence:launch @own-target
  Rule: For a malformed, unsupported or oversized HTTP request, the server MUST send a response or close the connection, and MUST continue to serve requests

    Scenario Outline: a request <what>
      When the client sends a request <what>
      Then the server answers the request or closes the connection
      And the next call works

      Examples:
        | what                        |
        | of another content type     |
        | of no content type          |
        | by the verb PUT             |
        | by the verb PATCH           |
        | with a body that is no text |
        | with a body of 32 MiB       |
        | with 2 MiB of headers       |

  @mcp.http-odd-refused @should @source:SEC:denial-of-service @transport:http @evidence:launch @own-target
  Rule: The server SHOULD reject a malformed, unsupported or oversized HTTP request with a 4xx status or by closing the connection

    Scenario Outline: a request <what>
      When the client sends a request <what>
      Then the server refuses the request over HTTP

      Examples:
        | what                        |
        | of another content type     |
        | of no content type          |
        | by the verb PUT             |
        | by the verb PATCH           |
        | with a body that is no text |
        | with a body of 32 MiB       |
        | with 2 MiB of headers       |

  @mcp.http-endless @should @source:SEC:denial-of-service @transport:http @evidence:launch @own-target
  Rule: The server SHOULD answer a request promptly while 20 other HTTP requests remain incomplete, and SHOULD continue to serve requests

    Scenario: a list of tools beside requests whose bodies never end
      When the client keeps 20 unfinished requests open and lists the tools at the same time
      Then the next call works

  @mcp.http-endless-refused @should @source:SEC:denial-of-service @slow @transport:http @evidence:launch @own-target
  Rule: The server SHOULD end an HTTP request whose body is never completed, with a 4xx status or by closing the connection

    Scenario: a request whose body stops and never ends
      When the client sends a request that never ends
      Then the server refuses the request over HTTP
