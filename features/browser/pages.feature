@browser @every-revision
Feature: A web page may call the server only if its origin was listed

  # Whatever page is open in a browser can send requests to a server on the same machine. What it is not let
  # read it may still have done: so nothing may be done for it.

  @browser.strict @must @source:MCP @source:TUT @transport:http @evidence:tap @needs:kv.read
  Scenario: unless it is told otherwise the server does nothing for a page
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When a page of "https://app.example.com" tries to read the secret "app/database"
    Then the page is refused
    And no request for the secret "app/database" has reached Vault
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds

  @browser.strict-write @must @source:MCP @source:TUT @transport:http @needs:kv.write_key
  Scenario: unless it is told otherwise the server writes nothing for a page
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When a page of "https://app.example.com" tries to write to the secret "app/database"
    Then the page is refused
    And nothing in Vault has changed
    When the agent writes the key "token" of the secret "app/database"
    Then the agent is told of success
    And Vault shows the effect

  # A browser asks the server before it lets a page send JSON, and not before it sends what a form can.
  @browser.form @must @source:SEC @transport:http @evidence:tap @needs:kv.read
  Scenario Outline: nothing is done for a page that sends a call as <kind>
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When a page of "https://evil.example" sends a form of the type "<kind>" that would read the secret "app/database"
    Then no request for the secret "app/database" has reached Vault
    And the answer has no value of a secret
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds

    Examples:
      | kind                              |
      | text/plain                        |
      | text/plain;application/json       |
      | application/x-www-form-urlencoded |

  # The name of such a page was made to lead to the server's address after it was loaded: to the browser
  # page and server are then one, and it lets the page read everything.
  @browser.rebinding @must @source:MCP @transport:http @evidence:tap @needs:kv.read
  Scenario: a page whose own name was made to lead to the server is refused
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When a page of "evil.example", which now leads to the server, tries to read the secret "app/database"
    Then the page is refused
    And no request for the secret "app/database" has reached Vault
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds

  @browser.host @should @source:SEC @transport:http @evidence:tap @needs:kv.read
  Scenario: a server that is called by a name which is not its own refuses
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When somebody who calls the server "evil.example" tries to read the secret "app/database"
    Then that is refused over HTTP
    And no request for the secret "app/database" has reached Vault
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds

  @browser.preflight-strict @must @source:TUT @transport:http
  Scenario: unless it is told otherwise the server lets no browser send a page's calls
    When a browser asks whether a page of "https://app.example.com" may call
    Then the page may not

  @browser.foreign @must @source:MCP @source:TUT @mode:cors @transport:http @evidence:tap @needs:kv.read
  Scenario Outline: a page of <origin> is refused, for it is not one of those that were listed
    Given a server that pages of "https://app.example.com" and "http://localhost:3000" may call
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When a page of "<origin>" tries to read the secret "app/database"
    Then the page is refused
    And no request for the secret "app/database" has reached Vault
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds

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

  @browser.preflight @must @source:TUT @mode:cors @transport:http
  Scenario Outline: no browser is let send the calls of a page of <origin>
    Given a server that pages of "https://app.example.com" and "http://localhost:3000" may call
    When a browser asks whether a page of "<origin>" may call
    Then the page may not
    When a browser asks whether a page of "https://app.example.com" may call
    Then the page may

    Examples:
      | origin                               |
      | https://evil.example                 |
      | https://app.example.com.evil.example |
      | http://app.example.com               |
      | null                                 |

  @browser.listed @must @source:TUT @mode:cors @transport:http @needs:kv.read
  Scenario Outline: a page of <origin>, which was listed, is served
    Given a server that pages of "https://app.example.com" and "http://localhost:3000" may call
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When a browser asks whether a page of "<origin>" may call
    Then the page may
    When a page of "<origin>" tries to read the secret "app/database"
    Then the agent is given exactly what Vault holds
    And a browser lets the page read that

    Examples:
      | origin                  |
      | https://app.example.com |
      | http://localhost:3000   |

  @browser.headers @should @source:MCP @mode:cors @transport:http
  Scenario: a page that was listed may send all headers that a client sends
    Given a server that pages of "https://app.example.com" and "http://localhost:3000" may call
    When a browser asks whether a page of "https://app.example.com" may call
    Then the page may send all headers that a client sends

  # Else a cache may give one page what was said to another.
  @browser.vary @should @source:SEC @mode:cors @transport:http
  Scenario: an answer to a page says that it depends on who asks
    Given a server that pages of "https://app.example.com" and "http://localhost:3000" may call
    When a page of "https://app.example.com" lists the tools
    Then the answer says that it depends on the origin
