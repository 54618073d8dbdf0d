@rate_limits
Feature: No client, and not all together, get more of Vault than the operator lets them have
  What is let through is counted at Vault's door, not by what the server says.

  @rate_limits.session @must @slow @source:TUT @source:GUIDE @mode:rate_limit @evidence:tap @needs:kv.read
  Scenario Outline: a client at full speed is let through <rate> times a second, and <burst> times at once
    Given a server that lets each client through <rate> times a second, and <burst> times at once
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database" at full speed for 1 second
    Then no more reads have reached Vault than were to be let through

    Examples:
      | rate | burst |
      | 5    | 10    |
      | 20   | 4     |

  @rate_limits.granted @should @slow @source:GUIDE @mode:rate_limit @evidence:tap @needs:kv.read
  Scenario: a client is let through as often as it may be
    # A client that is held up for a moment loses nothing: so many are let through at once.
    Given a server that lets each client through 20 times a second, and 20 times at once
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database" at full speed for 2 seconds
    Then hardly fewer reads have reached Vault than were to be let through

  @rate_limits.refused @must @slow @source:TUT @mode:rate_limit @evidence:tap @needs:kv.read
  Scenario: what is not let through is an error, and the client goes on
    Given a server that lets each client through 5 times a second, and 3 times at once
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database" at full speed for 1 second
    Then every read that has not reached Vault is told as an error
    And after a second the next read succeeds

  @rate_limits.told @should @slow @source:TUT @mode:rate_limit @needs:kv.read
  Scenario: a refusal tells when to try again
    Given a server that lets each client through 5 times a second, and 3 times at once
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database" at full speed for 1 second
    Then every refusal tells when to try again

  @rate_limits.global @must @slow @source:TUT @mode:global_limit @transport:http @evidence:tap @needs:kv.read
  Scenario: clients that come and go are let through no more often together
    Given a server that lets all clients through 10 times a second, and 5 times at once
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When clients come, read the secret "app/database" and go for 1 second
    Then no more reads have reached Vault than were to be let through

  @rate_limits.invented @must @slow @source:TUT @era:session @mode:rate_limit @transport:http @evidence:tap @needs:kv.read
  Scenario: clients that make up sessions are let through no more often
    Given a server that lets each client through 2 times a second, and 2 times at once
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When clients that make up sessions read the secret "app/database" for 1 second
    Then no more reads have reached Vault than were to be let through

  @rate_limits.many @must @slow @source:TUT @mode:rate_limit @transport:http @evidence:tap @needs:kv.read
  Scenario: of twenty clients at once none is let through more often than it may be
    Given a server that lets each client through 2 times a second, and 2 times at once
    And a KV version 2 mount "team"
    When 20 clients at once read a secret each, again and again for 1 second
    Then for none of them more reads have reached Vault than were to be let through

  @rate_limits.fair @should @slow @source:TUT @mode:rate_limit @transport:http @needs:kv.read
  Scenario: a greedy client takes nothing from a modest one
    Given a server that lets each client through 10 times a second, and 4 times at once
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database" at full speed for 2 seconds, and another one 2 times a second
    Then all reads of the other one succeed

  @rate_limits.nonsense @should @source:TUT @mode:rate_limit
  Scenario: a limit that is none is refused at the start
    Then a server whose limit is "many" for each client does not start
