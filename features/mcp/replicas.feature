@mcp
Feature: Replicas behind a load balancer
  A platform runs several instances of a server, and a load balancer chooses the instance for each request.

  @mcp.replicas @should @source:KAG:scaling-patterns @source:MCP:basic/index#statelessness @era:stateless @transport:http @evidence:launch @own-target @needs:kv.write @needs:kv.read @needs:kv.list
  Rule: Each of several identical servers behind a load balancer SHOULD read, write and list secrets correctly, whichever server received the earlier requests

    Scenario: three servers that receive requests in turn
      Given three server replicas that receive the agent's calls in turn
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      When the agent replaces the secret "app/cache" with the keys "username, password"
      Then the server reports success
      And the call had the requested effect
      When the agent reads the secret "app/cache"
      Then the server returns exactly the data that Vault holds
      When the agent lists the folder "app"
      Then the server returns exactly the names that Vault lists, with folders marked
      And each replica has sent a request to Vault

  @mcp.replicas-session @should @source:KAG:scaling-patterns @source:MCP:basic/transports#session-management+ended @era:session @transport:http @evidence:launch @own-target
  Rule: For a tool list request with the session ID of another replica, the server SHOULD return the same tools or HTTP status 404, and SHOULD continue to serve requests

    Scenario: a list of tools in the session of another server
      Given three server replicas that receive the agent's calls in turn
      When a client lists the tools of one replica in the session of another
      Then the replica reports that the session does not exist, or returns the same tools
      And the next call works
