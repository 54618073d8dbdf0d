@mcp @every-revision
Feature: A client can connect in whatever mode a server runs
  Sections Lifecycle and, in the revision without sessions, Discovery. A mode is a way to run the server that its adapter
  describes. In the mode `session` there is no server to connect to: the profile of that name asks about it.

  @mcp.initialize-in-every-mode @must @source:MCP @mode:<mode> @own-target
  Scenario Outline: clients connect to a server in the mode <mode>
    Given a server in the mode <mode>
    Then two clients connect to it, and list its tools

    Examples: on either transport
      | mode          |
      | read_only     |
      | rate_limit    |
      | global_limit  |
      | vault_ca      |
      | namespace     |
      | token_file    |
      | token_renewal |
      | log_file      |

    @transport:http
    Examples: over HTTP
      | mode              |
      | per_request_token |
      | cors              |
      | tls               |
      | stateless         |

    # Without a certificate it must not start.
    @transport:http @mode:tls
    Examples: over HTTP with a certificate
      | mode           |
      | all_interfaces |

  @mcp.call-without-session @must @source:MCP @mode:stateless @transport:http @own-target @needs:kv.read
  Scenario: a server that keeps no sessions answers the calls of its clients
    Given a server in the mode stateless
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    Then two clients connect to it, and list its tools
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
