@audit_trail
Feature: What an agent has done can be found afterwards, and the log keeps no secret
  The server's log says what was called, Vault's audit log what came of it: whoever looks into an incident needs both,
  and reads neither a value nor a token in them.

  @audit_trail.logged @should @source:BLOG @source:TUT @mode:log_file @evidence:tap @own-target @needs:kv.read
  Scenario Outline: the log has a line for a call that tells <what>
    Given a server that logs to a file
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then one line of the log is about that call, and tells <what>

    Examples:
      | what              |
      | the time          |
      | the tool          |
      | the path in Vault |
      | how it ended      |
      | how long it took  |
      | a correlation id  |

  @audit_trail.session @should @source:BLOG @mode:log_file @transport:http @era:session @evidence:tap @own-target @needs:kv.read
  Scenario: the log tells in which session a call was made
    Given a server that logs to a file
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then one line of the log is about that call, and tells its session

  @audit_trail.denial @should @source:BLOG @mode:log_file @evidence:tap @own-target @needs:kv.read
  Scenario: the log tells which call Vault has denied
    Given a server that logs to a file
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And the agent's token may do nothing
    When the agent reads the secret "app/database"
    Then the agent is told that permission was denied
    And one line of the log is about that call, and tells that Vault has denied it

  @audit_trail.audited @should @source:BLOG @mode:log_file @evidence:tap @evidence:audit @own-target @needs:kv.read
  Scenario Outline: a call by an agent that may do <rights> is found in Vault's audit log by the server's
    Given a server that logs to a file
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And the agent's token may do <rights>
    When the agent reads the secret "app/database"
    Then Vault's audit log has that call under an id that the log tells, too

    Examples:
      | rights     |
      | everything |
      | nothing    |

  @audit_trail.no-value @must @source:SEC @source:BLOG @mode:log_file @evidence:launch @own-target @needs:<operation>
  Scenario Outline: what is read, written or made by <operation> is not in the log
    Given a server that logs to a file
    When the agent does <operation>
    Then no value and no key is in the log

    Examples:
      | operation         |
      | kv.read           |
      | kv.read_version   |
      | kv.write          |
      | kv.write_key      |
      | pki.import_bundle |
      | pki.issue         |

  @audit_trail.no-value-refused @must @source:SEC @mode:log_file @evidence:launch @own-target @needs:kv.write_key
  Scenario Outline: the value of a call that <fails> is not in the log
    Given a server that logs to a file
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent writes a value to the secret "app/database" in a call that <fails>
    Then no value and no key is in the log

    Examples:
      | fails                           |
      | Vault denies                    |
      | lacks an argument               |
      | has an argument of another kind |
      | names no tool                   |

  @audit_trail.no-token @must @source:SEC @source:BLOG @mode:log_file @evidence:launch @own-target @needs:kv.read
  Scenario Outline: the server's token is not in the log when Vault lets the agent do <rights>
    Given a server that logs to a file
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And the agent's token may do <rights>
    When the agent reads the secret "app/database"
    Then the server's token is not in the log

    Examples:
      | rights     |
      | everything |
      | nothing    |
