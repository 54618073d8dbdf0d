@mcp
Feature: Several servers behind a balancer are as good as one
  A platform runs as many of a server as it needs, and lets a balancer choose who answers.

  @mcp.replicas @should @source:KAG @era:stateless @transport:http @evidence:launch @own-target @needs:kv.write @needs:kv.read @needs:kv.list
  Scenario: in the era without sessions any of them answers any request
    Given three servers in turn
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    When the agent replaces the secret "app/cache" by the keys "username, password"
    Then the agent is told of success
    And Vault shows the effect
    When the agent reads the secret "app/cache"
    Then the agent is given exactly what Vault holds
    When the agent lists the folder "app"
    Then the agent is given exactly the names that Vault lists, folders marked
    And each of the servers has asked Vault

  @mcp.replicas-session @should @source:KAG @era:session @transport:http @evidence:launch @own-target
  Scenario: a session that was begun with one of them gives nothing away on another
    Given three servers in turn
    When a client lists the tools of one server in the session of another
    Then it is told that there is no such session, or is given the same tools
    And the next call works
