@vault_token @every-revision
Feature: Vault tokens in requests
  Many clients use one server over HTTP, each with its own Vault token. The server must not give one client the
  rights of another.

  @vault_token.own-token @must @source:SEC:confused-deputy @mode:per_request_token @transport:http @evidence:launch @evidence:tap @needs:kv.read
  Rule: A server with per-request Vault tokens MUST answer concurrent reads with what Vault holds, and MUST use only the reading client's token for each

    Scenario: two clients read at the same time
      Given a server that takes the Vault token from each request
      And a KV version 2 mount "team"
      And the secrets "app/database", "app/greeting"
      And another client whose token may do everything except read the secret "app/database"
      When the agent repeatedly reads the secret "app/database" while the other client repeatedly reads the secret "app/greeting"
      Then the server returns to each client exactly the data that Vault holds, using that client's token

  @vault_token.own-reach @must @source:SEC:confused-deputy @mode:per_request_token @transport:http @evidence:launch @evidence:tap @needs:kv.read
  Rule: A server with per-request Vault tokens MUST return an error if Vault denies the client's token, and MUST NOT use an earlier client's token instead

    Scenario: another client read the secret before
      Given a server that takes the Vault token from each request
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And another client whose token may do everything except read the secret "app/database"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      When the other client reads the secret "app/database"
      Then the server reports an error and does not use the agent's token

  # A session id is in logs and can be guessed, so it must not be a credential. In a revision without sessions, the
  # request follows one with the agent's token.
  @vault_token.session @must @source:MCP:basic/security_best_practices#session-hijacking @source:SEC:confused-deputy @mode:per_request_token @transport:http @evidence:launch @evidence:tap @needs:kv.read
  Rule: A server with per-request Vault tokens MUST reject a request whose token is missing or denied by Vault, and MUST NOT use the token that opened the session

    Scenario Outline: a request with <what> in another client's session
      Given a server that takes the Vault token from each request
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      And another client whose token may do everything except read the secret "app/database"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      When a client requests the secret "app/database" in the agent's session with <what>
      Then the server reports an error and does not use the agent's token

      Examples:
        | what                              |
        | the other client's token          |
        | no token                          |
        | a token that is empty             |
        | a token that Vault does not know  |

  @vault_token.no-token @must @source:SEC:confused-deputy @mode:per_request_token @transport:http @evidence:launch @evidence:tap @needs:kv.read
  Rule: A server with per-request Vault tokens MUST return an error to a request without a token, and MUST NOT send any token to Vault for that request

    Scenario: a request without a token after one with a token
      Given a server that takes the Vault token from each request
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      When a client requests the secret "app/database" without a token
      Then the server reports an error and uses no token

  # URLs are written to logs, to browser histories and to the sites that are linked to.
  @vault_token.address @must @source:MCP:basic/authorization#token-requirements @source:SEC:token-disclosure @mode:per_request_token @transport:http @evidence:launch @evidence:tap @needs:kv.read
  Rule: A server with per-request Vault tokens MUST NOT use a token from the request URL, and MUST return an error if no header brings one

    Scenario Outline: a token in the query parameter "<parameter>"
      Given a server that takes the Vault token from each request
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      When a client requests the secret "app/database" with the agent's token in the URL, as the parameter "<parameter>"
      Then the server reports an error and uses no token

      Examples:
        | parameter     |
        | token         |
        | vault_token   |
        | VAULT_TOKEN   |
        | X-Vault-Token |

  @vault_token.address-refused @should @source:SEC:token-disclosure @mode:per_request_token @transport:http @evidence:launch @needs:kv.read
  Rule: A server with per-request Vault tokens SHOULD reject a request that has a token in its URL, even if a header brings a valid token

    Scenario Outline: a token in a header and in the query parameter "<parameter>"
      Given a server that takes the Vault token from each request
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
      When the agent requests the secret "app/database" with its token also in the URL, as the parameter "<parameter>"
      Then the server refuses a request that has a token in the URL

      Examples:
        | parameter     |
        | VAULT_TOKEN   |
        | X-Vault-Token |
