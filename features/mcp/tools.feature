@mcp @every-revision
Feature: Tool definitions
  Clients and users decide by the definition of a tool whether to call it, and read its results by the schema in it.

  @mcp.tool-schemas @must @source:MCP:server/tools#tool+input-schema @source:MCP:schema#tool-inputschema
  Rule: The `inputSchema` of every tool MUST be valid JSON Schema with the root type `object`

    Scenario: the input schemas of all tools
      Then every tool has a valid JSON Schema for its arguments

  @mcp.output-schemas @must @source:MCP:basic/index#schema-validation @source:MCP:schema#tool-outputschema
  Rule: Every `outputSchema` that a tool declares MUST be valid JSON Schema, before revision 2026-07-28 with the root type `object`

    Scenario: the output schemas of all tools
      Then every result schema is a valid JSON Schema

  @mcp.tool-names @should @source:MCP:server/tools#tool-names
  Rule: The name of every tool SHOULD be unique and consist of 1 to 128 ASCII letters, digits, underscores, hyphens and dots

    Scenario: the names of all tools
      Then every tool name is unique and follows the recommended format

  @mcp.output-fits @must @source:MCP:server/tools#output-schema
  Rule: If a tool declares an `outputSchema`, every successful result of the tool MUST contain `structuredContent` that conforms to the schema

    Scenario: the successful results of all operations
      When the agent performs every operation
      Then every result matches the result schema of its tool

  @mcp.output-text @should @source:MCP:server/tools#structured-content
  Rule: A successful result that contains `structuredContent` SHOULD contain the same JSON, or the text that it wraps, in a text block

    Scenario: the successful results of all operations
      When the agent performs every operation
      Then every structured result has the same content as text

  @mcp.read-only-hint @must @source:MCP:schema#toolannotations-readonlyhint @source:SEC:unapproved-write
  Rule: A tool that changes anything in Vault MUST NOT be marked as read-only with `readOnlyHint`

    Scenario: writing operations whose tools are marked as read-only
      When the agent performs every write operation whose tool declares that it only reads
      Then those operations change nothing in Vault

  @mcp.idempotent-hint @should @source:MCP:schema#toolannotations-idempotenthint
  Rule: A tool that changes Vault again when the same call is repeated SHOULD NOT be marked as idempotent with `idempotentHint`

    Scenario: repeated writing operations whose tools are marked as idempotent
      When the agent performs twice every write operation whose tool declares that it is idempotent
      Then the second call of each operation changes nothing in Vault

  @mcp.readers-marked @should @source:MCP:schema#toolannotations-readonlyhint
  Rule: A tool that only reads from Vault SHOULD be marked as read-only with `readOnlyHint`

    Scenario: tools for reading operations alone
      Then every tool that only reads declares that it only reads

  @mcp.tools-stay @must @source:TUT:shared-security-considerations+threats @source:SEC:tool-poisoning @needs:kv.read
  Rule: The server MUST NOT add, remove or change tools on a connection without notifying the client that the tool list has changed

    Scenario: the tool list is requested again after a secret was read
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      And the client lists the tools again
      And the client lists the tools again
      Then the tools are the same as in the first list

  @mcp.tools-carry-no-data @must @source:TUT:shared-security-considerations+threats @source:SEC:value-disclosure @needs:kv.read
  Rule: The server MUST NOT include secret values or mount names from Vault in its tool definitions

    Scenario: the tool list is requested again after a secret was read
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      And the client lists the tools again
      Then the tool definitions contain no data from Vault

  @mcp.tools-in-order @should @source:MCP:server/tools#capabilities+order @source:MCP:changelog#minor-changes
  Rule: The server SHOULD return its tools in the same order when a client lists the tools again on the same connection

    Scenario: the tool list is requested again
      When the client lists the tools again
      Then the tools are in the same order as in the first list

  @mcp.pages-end @should @source:MCP:server/utilities/pagination#implementation-guidelines
  Rule: If the server divides its tool list into pages, the pages SHOULD end, and SHOULD contain each tool only once

    Scenario: a client requests all pages
      Then the pages of the tool list end and contain each tool once

  @mcp.cursor-unknown @should @source:MCP:server/utilities/pagination#error-handling
  Rule: The server SHOULD reject an unknown cursor for its tool list with JSON-RPC error -32602, unless the list has one page and the server ignores cursors

    Scenario: a cursor that the server did not issue
      Then the server refuses a cursor of the tool list that it never issued
