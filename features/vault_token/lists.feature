@vault_token @era:stateless
Feature: What one client may see is not kept for another

  @vault_token.lists @must @source:MCP @mode:per_request_token @transport:http @evidence:launch
  Scenario: lists that differ by the token are not for everybody to keep
    Given a server to which each request brings its own token
    And a KV version 2 mount "team"
    And another client, whose token may do all but read the secret "app/database"
    When the agent and the other client list the tools
    Then a list that differs between them is not for everybody to keep
