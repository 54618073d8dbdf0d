@mcp @era:session
Feature: Client and server agree on how they speak
  Of the revisions that begin with initialize: 2025-06-18 and 2025-11-25, sections Lifecycle and Ping.

  @mcp.identity @must @source:MCP
  Scenario: the server says who it is, and that it has tools
    Then the server has told its name, its version and that it has tools

  @mcp.revision-kept @must @source:MCP
  Scenario: a revision that the server offers is spoken when it is asked for
    When clients ask for each revision that there is, and for one that there is not
    Then every revision that was offered is agreed to when it is asked for

  @mcp.revision-unknown @must @source:MCP
  Scenario: a revision that there is not is not agreed to
    When a client asks for the revision "1.0.0"
    Then that revision is not agreed to

  @mcp.revision-other @should @source:MCP
  Scenario: another revision is offered in place of one that there is not
    When a client asks for the revision "1.0.0"
    Then another revision is offered

  @mcp.capabilities @must @source:MCP
  Scenario: what the server says it can do, it does
    Then every capability that the server has told of works

  @mcp.only-agreed @must @source:MCP @needs:kv.read
  Scenario: the server asks for nothing that the client did not offer
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the server has said nothing that was not agreed on

  @mcp.ping @must @source:MCP
  Scenario: a ping is answered
    Then a ping is answered with nothing but that

  @mcp.ids @must @source:MCP
  Scenario Outline: an answer has the id of its request, <id>
    Then a request with <id> for its id is answered with the same

    Examples:
      | id                          |
      | the number 0                |
      | the number 9007199254740991 |
      | the text "1"                |
      | the text "größe 🔐"         |

  @mcp.opened-again @must @source:SEC @own-target
  Scenario: opening a connection that is open does no harm
    When the client opens the connection once more
    Then the next call works

  @mcp.out-of-turn @must @source:SEC @needs:kv.write_key
  Scenario Outline: what a client writes <when> has no effect unless it is told of success
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the client writes <when>, Vault changes only if success is told
    Then the next call works

    Examples:
      | when                            |
      | before the connection is opened |
      | in a batch                      |
