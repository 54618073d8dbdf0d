@vault_token @era:stateless
Feature: Caching of tool lists

  @vault_token.lists @must @source:MCP:server/utilities/caching#security-considerations @mode:per_request_token @transport:http @evidence:launch
  Rule: The server MUST NOT set cacheScope to public on tool lists that differ between clients with different Vault tokens

    Scenario: two clients with different rights
      Given a server that takes the Vault token from each request
      And a KV version 2 mount "team"
      And another client whose token may do everything except read the secret "app/database"
      When the agent and the other client list the tools
      Then a tool list that differs between the clients is not marked as publicly cacheable
