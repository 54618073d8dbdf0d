@mcp @era:session
Feature: A server on HTTP keeps to the transport, and is not brought down by it
  Section Streamable HTTP of the revisions with sessions, and its Session Management.

  @mcp.http-accepted @must @source:MCP @transport:http
  Scenario: what asks for no answer is accepted without one
    When the client tells something over HTTP
    Then that is accepted and nothing more is said

  @mcp.http-revision @must @source:MCP @transport:http
  Scenario: a request in a revision that there is not is refused
    When the client lists the tools in a revision that there is not
    Then that is answered with HTTP 400

  @mcp.http-stream @must @source:MCP @transport:http
  Scenario: who wants to listen is given a stream of events, or refused
    When the client wants to listen
    Then it is given a stream of events or refused

  @mcp.http-session-ended @must @source:MCP @transport:http
  Scenario: a session that was ended is gone
    When a client opens a session, ends it, and lists the tools in it
    Then that is answered with HTTP 404

  @mcp.http-session-visible @must @source:MCP @transport:http
  Scenario: ids of sessions are visible ASCII
    When clients open sessions one after the other
    Then the ids of the sessions are visible ASCII

  @mcp.http-session-random @should @source:MCP @transport:http
  Scenario: ids of sessions cannot be guessed
    When clients open sessions one after the other
    Then the ids of the sessions cannot be guessed

  @mcp.http-session-missing @should @source:MCP @transport:http
  Scenario: a request without its session is refused
    When the client lists the tools without its session
    Then that is answered with HTTP 400

  @mcp.http-session-invented @should @source:SEC @transport:http
  Scenario: a session that was never given out is refused
    When the client lists the tools in a session that was never given out
    Then that is refused over HTTP

  @mcp.http-odd @must @source:SEC @transport:http @evidence:launch @own-target
  Scenario Outline: a request <what> does not hang
    When the client sends a request <what>
    Then that does not hang
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

  @mcp.http-odd-refused @should @source:SEC @transport:http @evidence:launch @own-target
  Scenario Outline: a request <what> is refused
    When the client sends a request <what>
    Then that is refused over HTTP

    Examples:
      | what                        |
      | of another content type     |
      | of no content type          |
      | by the verb PUT             |
      | by the verb PATCH           |
      | with a body that is no text |
      | with a body of 32 MiB       |
      | with 2 MiB of headers       |

  @mcp.http-endless @should @source:SEC @transport:http @evidence:launch @own-target
  Scenario: requests that never end keep nobody else waiting
    When 20 requests never end, and another one is made beside them
    Then the next call works

  @mcp.http-endless-refused @should @slow @source:SEC @transport:http @evidence:launch @own-target
  Scenario: a request that never ends is ended by the server
    When the client sends a request that never ends
    Then that is refused over HTTP
