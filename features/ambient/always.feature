@ambient @every-revision
Feature: What holds whatever the agent does
  Watched in every scenario of the run, and judged once all of them have ended.

  @ambient.token-unseen @must @source:SEC @source:BLOG @evidence:launch
  Scenario: the server's Vault token is in nothing that the server says
    Then no output, error or log of the server carried its Vault token

  @ambient.own-token @must @source:SEC @source:BLOG @evidence:audit
  Scenario: the server acts with no other token than its own
    Then Vault's audit log shows no request of the server with another token than its own

  @ambient.values-unseen @must @source:SEC @source:TUT
  Scenario: a secret's value is shown only to the agent that asked for it
    Then no output, error or log of the server carried a value that nobody had asked for

  @ambient.messages-valid @must @source:MCP
  Scenario: every message is valid for the negotiated revision
    Then every message of the server was valid for the revision in use

  @ambient.stdout-clean @must @source:MCP @transport:stdio
  Scenario: nothing but protocol messages is on standard output
    Then standard output carried nothing but protocol messages

  @ambient.alive @must @source:SEC @evidence:launch
  Scenario: the server outlives every scenario
    Then the server was still running after every scenario
