@mcp @era:session
Feature: What is no proper message is an error, and does no harm
  JSON-RPC 2.0, and the sections Messages, Error Handling, Cancellation and Progress.

  @mcp.unknown @must @source:MCP
  Scenario Outline: <what> is an error
    When the client sends <what>
    Then that is answered with an error
    And the next call works

    Examples:
      | what                             |
      | a method that there is not       |
      | a tool that there is not         |
      | a call that names no tool        |
      | a call whose tool is a number    |
      | a call whose arguments are a list |
      | a call whose arguments are text  |

  @mcp.malformed @must @source:MCP @source:SEC
  Scenario Outline: <what> has no result, and the connection goes on
    When the client sends <what>
    Then that has no result
    And the next call works

    Examples:
      | what                               |
      | text that is no JSON               |
      | half a message                     |
      | a message with something behind it |
      | JSON that is nested 20,000 deep    |
      | control characters                 |
      | a text                             |
      | a number                           |
      | an empty object                    |
      | an empty list                      |
      | a message whose method is a number |
      | a call without parameters          |
      | an answer to nothing               |

  @mcp.envelope @should @source:MCP
  Scenario Outline: <what> has no result
    When the client sends <what>
    Then that has no result
    And the next call works

    Examples:
      | what                                       |
      | a message that does not tell its version   |
      | a message of JSON-RPC 1.0                  |
      | a message whose id is a list               |

  @mcp.error-codes @should @source:MCP
  Scenario Outline: <what> is the JSON-RPC error <code>
    When the client sends <what>
    Then that is answered with the JSON-RPC error <code>

    Examples:
      | what                                     | code   |
      | a method that there is not               | -32601 |
      | a tool that there is not                 | -32602 |
      | a call that names no tool                | -32602 |
      | text that is no JSON                     | -32700 |
      | a message that does not tell its version | -32600 |

  @mcp.unasked-answer @must @source:MCP
  Scenario: what asks for no answer gets none
    When the client tells what no revision knows
    Then that is not answered
    And the next call works

  @mcp.cancel-nothing @must @source:MCP @needs:kv.read
  Scenario: cancelling what cannot be cancelled disturbs nothing
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the client cancels a call that there is not, one that has ended, and nothing at all
    And the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds

  @mcp.cancel @should @source:MCP @needs:kv.read @evidence:tap @own-target
  Scenario: what is cancelled is not answered, and all else goes on
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent cancels a reading of the secret "app/database" that Vault keeps waiting
    Then no answer to the reading has come

  @mcp.progress-asked @must @source:MCP @needs:kv.list_all
  Scenario: progress is told only to who asked for it, and rises
    Given a KV version 2 mount "team"
    And 300 secrets in 30 folders
    When the agent lists everything, once without and once with a wish for progress
    Then no progress was told but what was wished for

  @mcp.progress @should @source:MCP @needs:kv.list_all
  Scenario: progress of a long list is told
    Given a KV version 2 mount "team"
    And 300 secrets in 30 folders
    When the agent lists everything, once without and once with a wish for progress
    Then progress was told
