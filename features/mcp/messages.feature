@mcp @era:session
Feature: Invalid messages, cancellation and progress
  Some of these messages are not valid JSON-RPC 2.0. The server must reject them without harm to the connection.

  @mcp.unknown @must @source:MCP:server/tools#error-handling @source:MCP:basic/index#messages
  Rule: The server MUST answer an unknown method, an unknown tool or malformed parameters of a tool call with an error, and MUST continue to serve requests

    Scenario Outline: <what>
      When the client sends <what>
      Then the server answers the message with an error
      And the next call works

      Examples:
        | what                              |
        | an unknown method                 |
        | an unknown tool                   |
        | a call that names no tool         |
        | a call whose tool is a number     |
        | a call whose arguments are a list |
        | a call whose arguments are text   |

  @mcp.malformed @must @source:MCP:basic/index#messages @source:SEC:denial-of-service
  Rule: The server MUST NOT return a successful result for malformed JSON or an invalid message, and MUST continue to serve requests or, over stdio, end without a crash

    Scenario Outline: <what>
      When the client sends <what>
      Then the server answers the message with an error or not at all
      And the next call works, over stdio perhaps only after the server was started again

      Examples:
        | what                               |
        | text that is no JSON               |
        | half a message                     |
        | JSON that is nested 20,000 deep    |
        | control characters                 |
        | a text                             |
        | a number                           |
        | an empty object                    |
        | an empty list                      |
        | a message whose method is a number |
        | a call without parameters          |
        | an answer to nothing               |

  @mcp.malformed-survived @should @source:SEC:denial-of-service @transport:stdio
  Rule: Over stdio, the server SHOULD continue to serve requests after malformed JSON or an invalid message

    Scenario Outline: <what>
      When the client sends <what>
      Then the next call works

      Examples:
        | what                 |
        | text that is no JSON |
        | a number             |
        | an empty object      |

  @mcp.envelope @should @source:MCP:basic/index#messages @source:MCP:basic/index#requests
  Rule: The server SHOULD NOT return a successful result for a message with an invalid JSON-RPC version or ID, or with text behind it, and SHOULD continue to serve requests

    Scenario Outline: <what>
      When the client sends <what>
      Then the server answers the message with an error or not at all
      And the next call works

      Examples:
        | what                               |
        | a message without its version      |
        | a message of JSON-RPC 1.0          |
        | a message whose id is a list       |
        | a message with something behind it |

  @mcp.error-codes @should @source:MCP:basic/index#messages @source:MCP:server/tools#error-handling
  Rule: The server SHOULD report unknown methods, unknown tools, invalid parameters, malformed JSON and invalid requests with the standard JSON-RPC error codes

    Scenario Outline: <what> is the error <code>
      When the client sends <what>
      Then the server answers the message with the JSON-RPC error <code>

      Examples:
        | what                          | code   |
        | an unknown method             | -32601 |
        | an unknown tool               | -32602 |
        | a call that names no tool     | -32602 |
        | text that is no JSON          | -32700 |
        | a message without its version | -32600 |

  @mcp.unasked-answer @must @source:MCP:basic/index#notifications
  Rule: The server MUST NOT answer an unknown notification, except with an HTTP error status, and MUST continue to serve requests

    Scenario: a notification that no protocol version defines
      When the client sends a notification that no revision defines
      Then the server does not answer the notification
      And the next call works

  @mcp.cancel-nothing @must @source:MCP:basic/utilities/cancellation#error-handling @source:MCP:basic/utilities/cancellation#timing-considerations @needs:kv.read
  Rule: After a cancellation notification whose request ID is unknown, completed, malformed or missing, the server MUST answer later requests correctly

    Scenario: a secret is read after four such notifications
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the client cancels an unknown call and a completed call, and sends cancellations without a valid id
      And the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds

  @mcp.cancel @should @source:MCP:basic/utilities/cancellation#behavior-requirements @needs:kv.read @evidence:tap @own-target
  Rule: The server SHOULD NOT send a response to a cancelled request, and SHOULD answer other requests that are sent after the cancellation

    Scenario: a read that waits for Vault is cancelled
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent cancels a read of the secret "app/database" while Vault has not answered it
      Then the server does not answer the cancelled read

  @mcp.progress-asked @must @source:MCP:basic/utilities/progress#progress-flow @source:MCP:basic/utilities/progress#behavior-requirements @source:MCP:basic/utilities/progress#implementation-notes @needs:kv.list_all
  Rule: A progress notification from the server MUST have the progress token of a request that is still in progress, and a greater value than the previous one

    Scenario: a recursive listing without and with a progress token
      Given a KV version 2 mount "team"
      And 300 secrets in 30 folders
      When the agent lists all secrets twice, without and then with a progress token
      Then the server reports progress only for the progress token, in rising order and before the result

  @mcp.progress @should @source:MCP:basic/utilities/progress @needs:kv.list_all
  Rule: The server SHOULD send progress notifications for a recursive listing of several hundred secrets when the client sends a progress token

    Scenario: a recursive listing of 300 secrets in 30 folders
      Given a KV version 2 mount "team"
      And 300 secrets in 30 folders
      When the agent lists all secrets twice, without and then with a progress token
      Then the server reports progress
