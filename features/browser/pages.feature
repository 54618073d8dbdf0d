@browser @every-revision
Feature: Calls from web pages
  Any page that is open in a browser can send requests to a server on the same machine. Even if the page cannot read
  the response, the request may have had its effect.

  @browser.strict @must @source:MCP:basic/transports#security-warning @source:TUT:streamablehttp-transport+cors @transport:http @evidence:tap @needs:kv.read
  Rule: By default, the server MUST refuse a web page's call to read a secret, MUST NOT request the secret from Vault, and MUST continue to serve agents

    Scenario: no origins are allowed, and a page reads a secret
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When a page of the origin "https://app.example.com" tries to read the secret "app/database"
      Then the server refuses the page's request
      And no request for the secret "app/database" has reached Vault
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds

  @browser.strict-write @must @source:MCP:basic/transports#security-warning @source:TUT:streamablehttp-transport+cors @transport:http @needs:kv.write_key|kv.write
  Rule: By default, the server MUST refuse a web page's call to write a secret, MUST NOT change anything in Vault, and MUST continue to serve agents

    Scenario: no origins are allowed, and a page writes a secret
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When a page of the origin "https://app.example.com" tries to write to the secret "app/database"
      Then the server refuses the page's request
      And nothing in Vault has changed
      When the agent writes the key "token" of the secret "app/database"
      Then the server reports success
      And the call had the requested effect

  # A browser sends a preflight request before a page may post JSON, but not before it posts what an HTML form can post.
  @browser.form @must @source:SEC:cross-site-request @transport:http @evidence:tap @needs:kv.read
  Rule: The server MUST NOT read a secret for a web page that sends its call with a form content type, and MUST continue to serve agents

    Scenario Outline: the content type <kind>
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When a page of the origin "https://evil.example" sends a request of the content type "<kind>" to read the secret "app/database"
      Then no request for the secret "app/database" has reached Vault
      And the server's response contains no secret value
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds

      Examples:
        | kind                              |
        | text/plain                        |
        | text/plain;application/json       |
        | application/x-www-form-urlencoded |

  # The attacker points the host name of a loaded page to the address of the server. The browser then takes page and server
  # for the same origin, and lets the page read every response.
  @browser.rebinding @must @source:MCP:basic/transports#security-warning @transport:http @evidence:tap @needs:kv.read
  Rule: The server MUST refuse an attacker's page whose host name resolves to the server (DNS rebinding), MUST NOT request a secret from Vault, and MUST continue to serve agents

    Scenario: the page of an attacker's host name reads a secret
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When a page of the host "evil.example", which now resolves to the server, tries to read the secret "app/database"
      Then the server refuses the page's request
      And no request for the secret "app/database" has reached Vault
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds

  @browser.host @should @source:SEC:cross-site-request @transport:http @evidence:tap @needs:kv.read
  Rule: If the `Host` header of a request names another host, the server SHOULD refuse the request, SHOULD NOT request a secret from Vault, and SHOULD continue to serve agents

    Scenario: a client without an origin reads a secret through another host name
      Given a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When a client that addresses the server by the host name "evil.example" tries to read the secret "app/database"
      Then the server refuses the request over HTTP
      And no request for the secret "app/database" has reached Vault
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds

  @browser.preflight-strict @must @source:TUT:streamablehttp-transport+cors @transport:http
  Rule: By default, the server MUST NOT grant the CORS preflight request of a web page

    Scenario: no origins are allowed
      When a browser sends a preflight request for a page of the origin "https://app.example.com"
      Then the server does not allow calls from the page

  @browser.foreign @must @source:MCP:basic/transports#security-warning @source:TUT:streamablehttp-transport+cors @mode:cors @transport:http @evidence:tap @needs:kv.read
  Rule: The server MUST refuse a web page whose origin is not exactly an allowed one, MUST NOT request a secret from Vault, and MUST continue to serve agents

    Scenario Outline: the origin <origin>
      Given a server that allows pages of the origins "https://app.example.com" and "http://localhost:3000"
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When a page of the origin "<origin>" tries to read the secret "app/database"
      Then the server refuses the page's request
      And no request for the secret "app/database" has reached Vault
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds

      Examples:
        | origin                                |
        | https://evil.example                  |
        | https://app.example.com.evil.example  |
        | https://app.example.community         |
        | https://evil-app.example.com          |
        | https://evil.app.example.com          |
        | https://example.com                   |
        | https://app-example.com               |
        | http://app.example.com                |
        | https://app.example.com:8443          |
        | https://app.example.com@evil.example  |
        | http://localhost.evil.example:3000    |
        | http://localhost:3000.evil.example    |
        | null                                  |

  @browser.preflight @must @source:TUT:streamablehttp-transport+cors @mode:cors @transport:http
  Rule: The server MUST NOT grant a CORS preflight request from an origin that is not allowed, and MUST still grant the requests of allowed origins

    Scenario Outline: the origin <origin>
      Given a server that allows pages of the origins "https://app.example.com" and "http://localhost:3000"
      When a browser sends a preflight request for a page of the origin "<origin>"
      Then the server does not allow calls from the page
      When a browser sends a preflight request for a page of the origin "https://app.example.com"
      Then the server allows calls from the page

      Examples:
        | origin                               |
        | https://evil.example                 |
        | https://app.example.com.evil.example |
        | http://app.example.com               |
        | null                                 |

  @browser.listed @must @source:TUT:streamablehttp-transport+cors @mode:cors @transport:http @needs:kv.read
  Rule: For a web page of an allowed origin, the server MUST grant the CORS preflight request, return the requested secret unchanged, and let the page read the response

    Scenario Outline: the allowed origin <origin>
      Given a server that allows pages of the origins "https://app.example.com" and "http://localhost:3000"
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When a browser sends a preflight request for a page of the origin "<origin>"
      Then the server allows calls from the page
      When a page of the origin "<origin>" tries to read the secret "app/database"
      Then the server returns exactly the data that Vault holds
      And a browser lets the page read the response

      Examples:
        | origin                  |
        | https://app.example.com |
        | http://localhost:3000   |

  @browser.headers @should @source:MCP:basic/transports#protocol-version-header+client @source:MCP:basic/transports/streamable-http#standard-request-headers @mode:cors @transport:http
  Rule: For an allowed origin, the server SHOULD allow in its CORS preflight response all request headers that MCP clients send

    Scenario: a preflight request of an allowed origin
      Given a server that allows pages of the origins "https://app.example.com" and "http://localhost:3000"
      When a browser sends a preflight request for a page of the origin "https://app.example.com"
      Then the server allows the page to send every header that a client sends

  # Otherwise a cache may serve the response for one page to another page.
  @browser.vary @should @source:SEC:value-disclosure @mode:cors @transport:http
  Rule: For a web page of an allowed origin, the server SHOULD name `Origin` in the `Vary` response header, unless the response allows all origins

    Scenario: a page of an allowed origin lists the tools
      Given a server that allows pages of the origins "https://app.example.com" and "http://localhost:3000"
      When a page of the origin "https://app.example.com" lists the tools
      Then the server's response says that it varies by origin
