@mcp
Feature: A server on its standard streams is a good child
  Section stdio, and the tutorial's reason to prefer it: nobody else can reach the server.

  @mcp.stdio-input-ends @should @source:MCP @transport:stdio @evidence:launch
  Scenario: the server ends when its input does
    When the server is started once more and its input ends
    Then its process ends

  @mcp.stdio-told-to-end @should @source:MCP @transport:stdio @evidence:launch
  Scenario: the server ends when it is told to
    When the server is started once more and it is told to end
    Then its process ends

  @mcp.stdio-no-socket @should @source:TUT @transport:stdio @evidence:launch
  Scenario: the server listens nowhere
    Then the server's process has no socket that listens

  @mcp.stdio-long-line @should @source:SEC @transport:stdio @evidence:launch @own-target
  Scenario: a very long message does not break the connection
    When the client sends a message of 8 MiB
    Then that has no result
    And the next call works
