@mcp @every-revision
Feature: What the server says of its tools is true
  Sections Tools and Pagination, and the tutorial's warning of poisoned and of changing tools.

  @mcp.tool-schemas @must @source:MCP
  Scenario: every tool says which arguments it takes, in valid JSON Schema
    Then the arguments of every tool are described by valid JSON Schema

  @mcp.output-schemas @must @source:MCP
  Scenario: what tools say of their results is valid JSON Schema
    Then the results of tools are described by valid JSON Schema

  @mcp.output-declared @should @source:MCP
  Scenario: every tool says what its results look like
    Then the results of every tool are described

  @mcp.tool-names @should @source:MCP
  Scenario: tools have usual names, each its own
    Then every tool has a usual name of its own

  @mcp.output-fits @must @source:MCP
  Scenario: results are what the tools say they are
    When the agent carries out every operation
    Then every result fits what its tool says of results

  @mcp.output-text @should @source:MCP
  Scenario: the text of a result says the same as its structure
    When the agent carries out every operation
    Then every result that has a structure says the same in its text

  @mcp.read-only-hint @must @source:MCP @source:SEC
  Scenario: no tool that changes Vault says that it only reads
    When the agent carries out what writes though its tool says that it only reads
    Then that changes nothing in Vault

  @mcp.idempotent-hint @must @source:MCP
  Scenario: no tool that changes Vault each time says that it is idempotent
    When the agent carries out twice what writes and whose tool says that once is enough
    Then the second time changes nothing in Vault

  @mcp.readers-marked @should @source:MCP
  Scenario: tools that only read say so
    Then every tool that only reads says so

  @mcp.tools-stay @must @source:TUT @source:SEC @needs:kv.read
  Scenario: the tools stay what they are while they are used
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    And the client lists the tools again
    And the client lists the tools again
    Then the tools are the same as at first

  @mcp.tools-carry-no-data @must @source:TUT @source:SEC @needs:kv.read
  Scenario: nothing of Vault is in what is said of the tools
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    And the client lists the tools again
    Then what is said of the tools has nothing of Vault in it

  @mcp.tools-in-order @should @source:MCP
  Scenario: the tools are listed in the same order each time
    When the client lists the tools again
    Then the tools are in the same order as at first

  @mcp.pages-end @should @source:MCP
  Scenario: the pages of the list end, and have each tool once
    Then the pages of the list of tools end, and have each tool once

  @mcp.cursor-unknown @should @source:MCP
  Scenario: a place in the list that was never given out is refused
    Then a place in the list of tools that was never given out is refused
