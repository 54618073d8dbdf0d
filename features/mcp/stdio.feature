@mcp
Feature: The stdio transport

  @mcp.stdio-input-ends @should @source:MCP:basic/lifecycle#stdio @source:MCP:basic/transports/stdio#shutdown @transport:stdio @evidence:launch
  Rule: Over the stdio transport, the server SHOULD exit when its standard input is closed

    Scenario: the client closes standard input
      When the suite starts another server process and closes its input
      Then the server's process ends

  @mcp.stdio-told-to-end @should @source:MCP:basic/lifecycle#stdio @transport:stdio @evidence:launch
  Rule: Over the stdio transport, the server SHOULD exit when it receives SIGTERM

    Scenario: the client sends SIGTERM
      When the suite starts another server process and terminates it
      Then the server's process ends

  @mcp.stdio-no-socket @should @source:TUT:stdio-transport @transport:stdio @evidence:launch
  Rule: Over the stdio transport, the server SHOULD NOT listen on any TCP port

    Scenario: the server runs over stdio
      Then the server's process has no listening socket

  @mcp.stdio-long-line @should @source:SEC:denial-of-service @transport:stdio @evidence:launch @own-target
  Rule: Over the stdio transport, the server SHOULD reject or ignore an 8 MiB call of a tool that does not exist, and SHOULD continue to serve requests

    Scenario: a tool call of 8 MiB that names no existing tool
      When the client sends a message of 8 MiB
      Then the server answers the message with an error or not at all
      And the next call works
