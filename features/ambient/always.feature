@ambient @every-revision
Feature: Invariants of every scenario
  The suite observes these in every scenario of the run, and checks them once all scenarios have ended.

  @ambient.token-unseen @must @source:SEC:token-disclosure @source:BLOG:what-this-enables-and-what-it-isnt+token @evidence:launch
  Rule: The server MUST NOT include any Vault token, its own or a client's, in any message, HTTP response header or log output

    Scenario: all messages, headers and log output of the run
      Then no output, error or log of the server contained its Vault token

  @ambient.own-token @must @source:SEC:confused-deputy @source:BLOG:writing-and-reading-secrets+token @evidence:audit
  Rule: The server MUST NOT use, in its requests to Vault, a token that neither its operator nor its client gave it

    Scenario: all requests in Vault's audit log
      Then Vault's audit log shows that the server used no token other than its own

  @ambient.values-unseen @must @source:SEC:value-disclosure @source:TUT:plan-secret-structure-and-write-credentials+names-only
  Rule: The server MUST NOT send a secret value that the agent neither wrote nor requested, and MUST NOT write any secret value to its log output

    Scenario: all messages, headers and log output of the run, searched for secret values
      Then no output, error or log of the server contained a value that no call had requested

  @ambient.messages-valid @must @source:MCP:basic/index#messages @source:MCP:basic/index#schema
  Rule: Every message that the server sends MUST be valid in the MCP revision in use

    Scenario: all messages of the run
      Then every message of the server was valid for the revision in use

  @ambient.only-agreed @must @source:MCP:basic/lifecycle#operation
  Rule: To a client without capabilities, the server MUST NOT send requests other than `ping`, or notifications of capabilities that the server does not declare

    Scenario: all requests and notifications of the run
      Then the server sent no request or notification that was not negotiated

  @ambient.stdout-clean @must @source:MCP:basic/transports#stdio @transport:stdio
  Rule: Over the stdio transport, the server MUST NOT write anything but protocol messages to standard output

    Scenario: all standard output of the run
      Then the server wrote only protocol messages to standard output

  @ambient.alive @must @source:SEC:denial-of-service @evidence:launch
  Rule: The server MUST keep running, whatever its clients send and whatever Vault answers

    Scenario: the end of every scenario of the run
      Then the server was still running after every scenario
