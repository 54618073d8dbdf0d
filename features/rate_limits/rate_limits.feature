@rate_limits
Feature: Rate limits
  The suite counts the requests that reach Vault. It does not rely on what the server says.

  @rate_limits.session @must @source:TUT:streamablehttp-transport+rate-limits @source:GUIDE:configuration @source:MCP:server/tools#security-considerations @slow @mode:rate_limit @evidence:tap @needs:kv.read
  Rule: The server MUST NOT pass more of a client's calls to Vault than the configured rate and burst allow

    Scenario Outline: a client at full speed, with a rate of <rate> and a burst of <burst>
      Given a server that limits each client to <rate> calls per second with a burst of <burst>
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database" at full speed for 1 second
      Then no more reads have reached Vault than the limit allows

      Examples:
        | rate | burst |
        | 5    | 10    |
        | 20   | 4     |

  @rate_limits.granted @should @source:GUIDE:configuration @slow @mode:rate_limit @evidence:tap @needs:kv.read
  Rule: The server SHOULD pass about as many of a client's calls to Vault as the configured rate and burst allow

    Scenario: a client at full speed, with a rate of 20 and a burst of 20
      # The burst is as large as the rate: a short pause of the client costs it no calls.
      Given a server that limits each client to 20 calls per second with a burst of 20
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database" at full speed for 2 seconds
      Then almost as many reads have reached Vault as the limit allows

  @rate_limits.refused @must @source:MCP:server/tools#security-considerations @source:SEC:silent-failure @slow @mode:rate_limit @evidence:tap @needs:kv.read
  Rule: When a client exceeds its rate limit, the server MUST return an error for each call that does not reach Vault, and MUST serve a call one second later

    Scenario: a client at full speed, and its next call a second later
      Given a server that limits each client to 5 calls per second with a burst of 3
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database" at full speed for 1 second
      Then the server reports an error for every read that has not reached Vault
      And after a second the next read succeeds

  @rate_limits.told @should @source:MCP:server/tools#error-handling @slow @mode:rate_limit @needs:kv.read
  Rule: When the server refuses a call because of a rate limit, the error message SHOULD say, as a number, when the client can try again

    Scenario: a client at full speed
      Given a server that limits each client to 5 calls per second with a burst of 3
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database" at full speed for 1 second
      Then every refusal says when to retry

  @rate_limits.global @must @source:TUT:streamablehttp-transport+rate-limits @slow @mode:global_limit @transport:http @evidence:tap @needs:kv.read
  Rule: The server MUST NOT pass more calls of all clients together to Vault than the global limit allows, even when clients keep connecting and disconnecting

    Scenario: clients connect, read a secret and disconnect
      Given a server that limits all clients together to 10 calls per second with a burst of 5
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When short-lived clients read the secret "app/database" for 1 second
      Then no more reads have reached Vault than the limit allows

  @rate_limits.invented @must @source:TUT:streamablehttp-transport+rate-limits @slow @era:session @mode:rate_limit @transport:http @evidence:tap @needs:kv.read
  Rule: The server MUST NOT pass more calls to Vault from all clients with made-up session IDs together than the rate limit allows one client

    Scenario: clients send made-up session IDs
      Given a server that limits each client to 2 calls per second with a burst of 2
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When clients with invented session ids read the secret "app/database" for 1 second
      Then no more reads have reached Vault than the limit allows

  @rate_limits.many @must @source:TUT:streamablehttp-transport+rate-limits @slow @mode:rate_limit @transport:http @evidence:tap @needs:kv.read
  Rule: When many clients call at once, the server MUST NOT pass more calls of any client to Vault than the rate limit for each client allows

    Scenario: twenty clients at once
      Given a server that limits each client to 2 calls per second with a burst of 2
      And a KV version 2 mount "team"
      When 20 clients concurrently and repeatedly read a secret each for 1 second
      Then for no client have more reads reached Vault than its limit allows

  @rate_limits.fair @should @source:TUT:streamablehttp-transport+rate-limits @slow @mode:rate_limit @transport:http @needs:kv.read
  Rule: The server SHOULD NOT refuse calls of a client within its rate limit because another client exceeds its own limit

    Scenario: one client at full speed beside one within its limit
      Given a server that limits each client to 10 calls per second with a burst of 4
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database" at full speed for 2 seconds, and another client reads it 2 times a second
      Then all reads of the other client succeed

  @rate_limits.nonsense @should @source:SEC:misconfiguration @mode:rate_limit
  Rule: When a configured rate limit is invalid, the server SHOULD refuse to start, or SHOULD log that it uses another limit

    Scenario: a word instead of a number
      Then a server whose limit is "many" for each client does not start, or logs that the limit is invalid
