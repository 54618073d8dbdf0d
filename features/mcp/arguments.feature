@mcp
Feature: Whatever the arguments, a call is answered and does no harm
  The arguments are made after each tool's own schema; what is random in them comes from the
  run's seed. Section Tools, Security Considerations: servers must validate all inputs.

  @mcp.call-bare @must @source:SEC @evidence:launch
  Scenario: every tool can be called with nothing but what it requires
    When every tool is called with nothing but the arguments that it requires
    Then every call is answered
    And the next call works

  @mcp.optional-left-out @must @source:MCP
  Scenario: what only reads works with nothing but what it requires
    Then what only reads works with nothing but the arguments that it requires

  @mcp.defaults @should @source:MCP
  Scenario: an argument that is left out is what its tool declares it to be then
    Then an argument that is left out and one that is given as its default come to the same

  @mcp.bad-arguments @must @source:MCP @source:SEC @evidence:tap
  Scenario Outline: arguments <how> are an error where the tool does not allow them
    When every tool is called with each of its arguments <how>
    Then every call is answered
    And those that the tool's own schema does not allow are errors
    And nothing was written outside of the agent's mounts
    And the next call works

    Examples:
      | how                        |
      | of the wrong type          |
      | null                       |
      | left out                   |
      | empty                      |
      | of 1 MiB                   |
      | nested deeply              |
      | with control characters    |
      | in letters of many scripts |

  @mcp.argument-named @should @source:MCP @evidence:launch
  Scenario Outline: an error about an argument <how> names it
    When every tool is called with each of its arguments <how>
    Then each error about an argument names it

    Examples:
      | how               |
      | of the wrong type |
      | left out          |

  @mcp.argument-unknown @should @source:MCP @evidence:launch
  Scenario: an argument that a tool does not have is an error
    When every tool that only reads is called with an argument that it does not have
    Then every call is an error
