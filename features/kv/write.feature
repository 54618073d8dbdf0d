@kv
Feature: What an agent writes is what Vault holds
  Vault is looked into after each write, with the suite's own token. The answer of
  the server is not evidence.

  @kv.write-exact @must @source:KAG @source:TUT @needs:kv.write_key
  Scenario Outline: a key of a new secret, in a KV version <version> mount
    Given a KV version <version> mount "team"
    When the agent writes the key "password" of the secret "app/database"
    Then the agent is told of success
    And Vault holds the secret "app/database" exactly as written
    And nothing else in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.write-merges @must @source:TUT @needs:kv.write_key
  Scenario Outline: writing one key keeps the others, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, host, port"
    When the agent writes the key "password" of the secret "app/database"
    Then the agent is told of success
    And Vault holds the secret "app/database" exactly as written
    And nothing else in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.write-overwrites @must @source:KAG @needs:kv.write_key
  Scenario Outline: writing a key again gives it the new value, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent writes the key "password" of the secret "app/database"
    Then the agent is told of success
    And Vault holds the secret "app/database" exactly as written
    And nothing else in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.write-intact @must @source:KAG @needs:kv.write_key
  Scenario Outline: a value arrives intact: <value>
    Given a KV version 2 mount "team"
    When the agent writes a value of <value> as the key "content" of the secret "app/config"
    Then the agent is told of success
    And Vault holds the secret "app/config" exactly as written

    Examples:
      | value                       |
      | letters of many scripts     |
      | several lines               |
      | quotes and backslashes      |
      | what looks like a template  |
      | leading and trailing spaces |
      | 100 KiB                     |

  @kv.write-replaces @must @source:VAULT @needs:kv.write
  Scenario Outline: writing a whole secret leaves none of its old keys, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, host, port"
    When the agent replaces the secret "app/database" by the keys "username, password"
    Then the agent is told of success
    And Vault holds the secret "app/database" exactly as written
    And nothing else in Vault has changed

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.write-types @must @source:KAG @needs:kv.write
  Scenario Outline: numbers, booleans, lists and objects stay what they are, in a KV version <version> mount
    Given a KV version <version> mount "team"
    When the agent replaces the secret "app/config" by values of many types
    Then the agent is told of success
    And Vault holds the secret "app/config" exactly as written

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.write-many-keys @must @source:KAG @needs:kv.write
  Scenario: a secret of 200 keys arrives whole
    Given a KV version 2 mount "team"
    When the agent replaces the secret "app/config" by 200 keys
    Then the agent is told of success
    And Vault holds the secret "app/config" exactly as written

  @kv.write-version @must @source:KAG @source:TUT @needs:kv.write_key
  Scenario: the version that the agent is told is the one that Vault made
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And the secret "app/database" was changed since
    When the agent writes the key "password" of the secret "app/database"
    Then the agent is told of success
    And the version that the agent is told is Vault's latest

  @kv.write-between @must @source:VAULT @needs:kv.write_key @evidence:tap
  Scenario: a key that somebody else writes in between is not lost
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, host"
    And somebody else sets the key "port" of the secret "app/database" just before the agent's write arrives at Vault
    When the agent writes the key "password" of the secret "app/database"
    Then Vault holds every key of the secret "app/database" that anybody was told is written

  @kv.write-at-once @must @source:VAULT @needs:kv.write_key @evidence:tap
  Scenario: ten keys that are written at once are all there, or told to have failed
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, host"
    And Vault takes its time with the first write to the mount
    When the agent writes 10 other keys of the secret "app/database" at once
    Then Vault holds every key of the secret "app/database" that anybody was told is written

  @kv.write-cas-required @should @source:VAULT @needs:kv.write_key
  Scenario Outline: a mount that demands check-and-set is written to: <secret>
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, host"
    And the mount "team" demands check-and-set
    When the agent writes the key "password" of the secret "<secret>"
    Then the agent is told of success
    And Vault holds the secret "<secret>" exactly as written
    And nothing else in Vault has changed

    Examples:
      | secret       |
      | app/database |
      | app/new      |

  @kv.write-one-request @should @source:SEC @needs:kv.write @evidence:tap
  Scenario Outline: a second write of a whole secret asks Vault once, in a KV version <version> mount
    Given a KV version <version> mount "team"
    When the agent replaces the secret "app/database" by the keys "username, password"
    And the agent replaces the secret "app/database" by the keys "username, password"
    Then the agent is told of success
    And that took one request to Vault, the mount's description aside

    Examples:
      | version |
      | 1       |
      | 2       |
