@mcp
Feature: Tool arguments
  The arguments are generated from the input schema of each tool. The seed of the run determines the random parts.

  @mcp.call-bare @must @source:SEC:denial-of-service @evidence:launch
  Rule: The server MUST answer every tool call that has only the required arguments, and MUST continue to serve requests

    Scenario: every tool, with made-up values for its required arguments
      When the client calls every tool with only its required arguments
      Then the server answers every call
      And the next call works

  @mcp.optional-answered @must @source:SEC:denial-of-service @source:SEC:write-outside-scope @evidence:tap
  Rule: The server MUST answer every operation that is called without one of its optional arguments, continue to serve requests, and write nothing outside the agent's mounts

    Scenario: every operation, on objects that exist
      When the agent performs every operation without each of its optional arguments in turn
      Then the server answers every call
      And the server wrote nothing outside the agent's mounts
      And the next call works

  @mcp.optional-left-out @must @source:MCP:server/tools#tool
  Rule: A tool that reads successfully with all arguments MUST also do so without one or all of the optional arguments that do not identify what to read

    Scenario: every operation that only reads
      Then every read operation works without each of its optional arguments, and without all of them

  @mcp.defaults @should @source:MCP:server/tools#tool
  Rule: A tool call without an optional argument SHOULD have the same result as the call with that argument's default value from the `inputSchema`

    Scenario: every argument with a default, of tools that read or create
      Then omitting an argument has the same result as passing its declared default

  @mcp.bad-arguments @must @source:MCP:server/tools#security-considerations @source:SEC:denial-of-service @source:SEC:write-outside-scope @evidence:tap
  Rule: Whatever the arguments, the server MUST answer each tool call, reject arguments that `inputSchema` does not allow, continue to serve requests, and write nothing outside the agent's mounts

    Scenario Outline: arguments <how>
      When the client calls every tool with each of its arguments <how>
      Then the server answers every call
      And the server reports an error for every call that the tool's own schema does not allow
      And the server wrote nothing outside the agent's mounts
      And the next call works

      Examples:
        | how                        |
        | of the wrong type          |
        | almost of the right type   |
        | null                       |
        | left out                   |
        | empty                      |
        | of 1 MiB                   |
        | nested deeply              |
        | with control characters    |
        | in letters of many scripts |

  @mcp.argument-named @should @source:MCP:server/tools#error-handling @evidence:launch
  Rule: The error for a tool argument that is missing or has the wrong type SHOULD contain the name of that argument

    Scenario Outline: arguments <how>
      When the client calls every tool with each of its arguments <how>
      Then each error about an argument names the argument

      Examples:
        | how               |
        | of the wrong type |
        | left out          |

  @mcp.argument-unknown @should @source:SEC:silent-failure @evidence:launch
  Rule: The server SHOULD return an error for a call of a reading tool with an unknown argument, unless its `inputSchema` explicitly allows additional properties

    Scenario: every tool that only reads, with one additional argument
      When the client calls every tool that reads with an unknown argument
      Then the server reports an error for every call
