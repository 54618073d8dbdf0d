@mcp @era:stateless
Feature: A request of the era without sessions stands for itself
  Revision 2026-07-28: Statelessness and _meta of the base protocol, Versioning, Discovery, and
  Streamable HTTP with its Server Validation.

  @mcp.discovery @must @source:MCP
  Scenario: the server tells which revisions it speaks, and that it has tools
    Then the server tells the revision in use among those that it speaks, and that it has tools

  @mcp.alone @must @source:MCP
  Scenario: a request needs no other one before it
    When a client that has said nothing yet lists the tools
    Then it is given the same tools, in whatever order

  @mcp.alone-order @should @source:MCP
  Scenario: the tools come in the same order on every connection
    When a client that has said nothing yet lists the tools
    Then it is given the same tools, in the same order

  @mcp.alone-meta @must @source:MCP
  Scenario: a request that does not tell what the client can do is refused
    When the client asks without telling what the client can do
    Then that is answered with the JSON-RPC error -32602, over HTTP with status 400
    And the next call works

  # On stdio a server of both eras may take such a request for one of the other era.
  @mcp.http-meta @must @source:MCP @transport:http
  Scenario: a request that tells nothing of the client is refused
    When the client asks without telling anything of the client
    Then that is answered with the JSON-RPC error -32602, over HTTP with status 400
    And the next call works

  @mcp.alone-revision @must @source:MCP
  Scenario: a request in a revision that there is not is told which there are
    When the client asks in a revision that there is not
    Then that is answered with the JSON-RPC error -32022, over HTTP with status 400
    And the error tells the revision that was asked for and those that are spoken
    And the next call works

  @mcp.alone-unknown @must @source:MCP
  Scenario Outline: <what> is an error
    When the client asks for <what>
    Then that is answered with an error
    And the next call works

    Examples:
      | what                              |
      | a method that there is not        |
      | a tool that there is not          |
      | a call that names no tool         |
      | a call whose arguments are a list |

  @mcp.http-unknown @must @source:MCP @transport:http
  Scenario Outline: over HTTP <what> is not found
    When the client asks for <what>
    Then that is answered with the JSON-RPC error -32601, over HTTP with status 404

    Examples:
      | what                               |
      | a method that there is not         |
      | a method that there is no more     |

  @mcp.http-routing @must @source:MCP @transport:http
  Scenario Outline: a request <what> is refused
    When a request is sent to be routed <what>
    Then that is answered with the JSON-RPC error -32020, over HTTP with status 400
    And the next call works

    Examples:
      | what                                  |
      | without its method in a header        |
      | with another method in its header     |
      | without its tool in a header          |
      | with another tool in its header       |

  @mcp.http-encoded @must @source:MCP @transport:http
  Scenario: what a header says in Base64 is read
    When a request is sent to be routed with its tool encoded in its header
    Then that is no mismatch of headers
