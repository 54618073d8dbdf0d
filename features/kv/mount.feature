@kv
Feature: The tools for secrets act on the mount that is meant, whatever it is
  Vault accepts a request of the wrong shape without a word; a server has to know what it
  writes to.

  @kv.nested-mount @must @source:VAULT @needs:kv.read @needs:kv.write_key @needs:kv.list
  Scenario Outline: a mount within a path, of KV version <version>
    Given a KV version <version> mount "team/a/kv"
    And the secret "app/database" with the keys "username, host"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    When the agent writes the key "password" of the secret "app/database"
    Then the agent is told of success
    And Vault holds the secret "app/database" exactly as written
    And nothing else in Vault has changed
    When the agent lists the whole mount
    Then the agent is given exactly the names that Vault lists, folders marked

    Examples:
      | version |
      | 1       |
      | 2       |

  @kv.data-rights @must @source:TUT @source:KAG @evidence:launch
  Scenario Outline: rights to the secrets alone are enough to <act>
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, password"
    And the agent's token has rights to the secrets of the mount "team" and to nothing else
    And Vault allows the same token to <act>
    When the agent asks to <act>
    Then the agent is told of success
    And Vault shows the effect

    Examples:
      | version | act                                |
      | 1       | read the secret "app/database"     |
      | 2       | read the secret "app/database"     |
      | 1       | write to the secret "app/database" |
      | 2       | write to the secret "app/database" |
      | 1       | list the folder "app"              |
      | 2       | list the folder "app"              |
      | 1       | delete the secret "app/database"   |
      | 2       | delete the secret "app/database"   |

  @kv.only-kv @must @source:SEC @evidence:tap
  Scenario Outline: what is no KV mount is not <done> as if it were one
    Given a transit mount "team" with the key "app"
    When the agent asks to <act>
    Then the agent is told of an error
    And nothing in Vault has changed
    And no write of the agent has reached the mount "team"

    Examples:
      | done    | act                              |
      | read    | read the secret "keys/app"       |
      | written | write to the secret "keys/other" |
      | deleted | delete the secret "keys/app"     |

  @kv.recreated @must @source:VAULT @needs:kv.read @needs:kv.write_key
  Scenario Outline: a mount re-created in KV version <later> is not written to as in version <version>
    Given a KV version <version> mount "team"
    And the secret "app/database" with the keys "username, host"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    Given the mount "team" was deleted and made again in KV version <later>
    When the agent writes the key "password" of the secret "app/database"
    Then the secret "app/database" is as written, or the agent is told of an error and nothing has changed

    Examples:
      | version | later |
      | 1       | 2     |
      | 2       | 1     |

  @kv.upgrading @should @source:VAULT @needs:kv.read @evidence:tap
  Scenario: a mount that is still upgrading is waited for
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And Vault answers the next request for the secret as a mount that is upgrading does
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
