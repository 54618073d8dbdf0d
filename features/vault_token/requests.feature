@vault_token @every-revision
Feature: Each request acts with the token that it brings, and with no other
  Many use one server over HTTP, each with a token of their own. It must never lend one of them the rights of another.

  @vault_token.own-token @must @source:SEC @mode:per_request_token @transport:http @evidence:launch @evidence:tap @needs:kv.read
  Scenario: two clients that ask at once each act with their own token
    Given a server to which each request brings its own token
    And a KV version 2 mount "team"
    And the secrets "app/database", "app/greeting"
    And another client, whose token may do all but read the secret "app/database"
    When the agent reads the secret "app/database" and the other client the secret "app/greeting", at once and again and again
    Then each is given what Vault holds, asked for with its own token

  @vault_token.own-reach @must @source:SEC @mode:per_request_token @transport:http @evidence:launch @evidence:tap @needs:kv.read
  Scenario: what Vault denies a client's token it is not given, whoever asked before
    Given a server to which each request brings its own token
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And another client, whose token may do all but read the secret "app/database"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    When the other client reads the secret "app/database"
    Then that is an error, for which the agent's token was not used

  # An id is in logs and can be guessed: it must not be a credential. Where there are no sessions, the request
  # comes after one with the agent's token.
  @vault_token.session @must @source:MCP @source:SEC @mode:per_request_token @transport:http @evidence:launch @evidence:tap @needs:kv.read
  Scenario Outline: who comes into a session with <what> has none of the rights of whoever began it
    Given a server to which each request brings its own token
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And another client, whose token may do all but read the secret "app/database"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    When the secret "app/database" is asked for in the agent's session with <what>
    Then that is an error, for which the agent's token was not used

    Examples:
      | what                              |
      | the other client's token          |
      | no token                          |
      | a token that is empty             |
      | a token that Vault does not know  |

  @vault_token.no-token @must @source:SEC @mode:per_request_token @transport:http @evidence:launch @evidence:tap @needs:kv.read
  Scenario: who brings no token gets nothing
    Given a server to which each request brings its own token
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    When the secret "app/database" is asked for without a token
    Then that is an error, for which no token was used

  # Addresses are written to logs, to histories and to whoever is linked to.
  @vault_token.address @must @source:MCP @source:SEC @mode:per_request_token @transport:http @evidence:launch @evidence:tap @needs:kv.read
  Scenario Outline: a token in the address, as "<parameter>", is not used
    Given a server to which each request brings its own token
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    When the secret "app/database" is asked for with the agent's token in the address, as "<parameter>"
    Then that is an error, for which no token was used

    Examples:
      | parameter     |
      | token         |
      | vault_token   |
      | VAULT_TOKEN   |
      | X-Vault-Token |

  @vault_token.address-refused @should @source:SEC @mode:per_request_token @transport:http @evidence:launch @needs:kv.read
  Scenario: a request with a token in its address is refused, though it has one in its place
    Given a server to which each request brings its own token
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
    When the agent asks for the secret "app/database" with its token in the address besides
    Then that is refused, as addresses are written to logs
