@mcp @every-revision
Feature: Modes of operation
  A mode is a way to run the server that its adapter describes. In the mode `launcher` there is no server to
  connect to: the launcher profile covers it.

  @mcp.initialize-in-every-mode @must @source:MCP:basic/lifecycle#initialization @source:MCP:server/discover @source:MCP:server/tools#listing-tools @own-target
  Rule: In each supported configuration, such as read-only or TLS, the server MUST accept two successive clients and return the list of tools to both

    @mode:<mode>
    Scenario Outline: a server in the mode <mode>
      Given a server in the mode <mode>
      Then two clients connect to the server one after the other and list its tools

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

  @mcp.call-without-session @must @source:MCP:basic/transports#session-management+optional @source:MCP:server/tools#calling-tools @mode:stateless @transport:http @own-target @needs:kv.read
  Rule: A server that keeps no HTTP sessions MUST list its tools to two successive clients and MUST return a secret exactly as Vault holds it

    Scenario: a secret is read from a server in the mode stateless
      Given a server in the mode stateless
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      Then two clients connect to the server one after the other and list its tools
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
