@browser
Feature: Web pages in a real browser
  A headless browser opens pages of the suite, which make the requests that an MCP client makes.

  # An allowed origin alone is not sufficient for this: see browser.headers and browser.exposed.
  @browser.page @should @slow @source:TUT:streamablehttp-transport+cors @mode:cors @transport:http @evidence:browser @needs:kv.read
  Rule: In a browser, a web page of an allowed origin SHOULD be able to connect to the server and read a secret

    Scenario: a page of an allowed origin reads a secret
      Given a server that allows the origin of the suite's own page
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When a browser opens the suite's own page, which tries to read the secret "app/database"
      Then the server returns exactly the data that Vault holds

  @browser.page-foreign @must @slow @source:TUT:streamablehttp-transport+cors @mode:cors @transport:http @evidence:browser @evidence:tap @needs:kv.read
  Rule: The server MUST NOT let a browser page of foreign origin read any 2xx response or trigger Vault requests for a secret, and MUST continue to serve agents

    Scenario: a page of another origin tries to read a secret in several ways
      Given a server that allows the origin of the suite's own page
      And a KV version 2 mount "team"
      And the secret "app/database" with the keys "username, password"
      When a browser opens a page of another origin, which tries to read the secret "app/database" with several kinds of request
      Then the page can read no successful response and no secret value
      And no request for the secret "app/database" has reached Vault
      When the agent reads the secret "app/database"
      Then the server returns exactly the data that Vault holds
