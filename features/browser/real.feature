@browser
Feature: A real browser keeps pages from the server, or lets them call it
  A page of the suite's own, opened in a browser without a window, does what a client does.

  # That an origin was listed is not all that a page needs: see browser.headers and browser.exposed.
  @browser.page @should @slow @source:TUT @mode:cors @transport:http @evidence:browser @needs:kv.read
  Scenario: a page that was listed reads a secret
    Given a server that a page of the suite's own may call
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When a browser opens that page, which tries to read the secret "app/database"
    Then the agent is given exactly what Vault holds

  @browser.page-foreign @must @slow @source:TUT @mode:cors @transport:http @evidence:browser @evidence:tap @needs:kv.read
  Scenario: a page that was not listed is given nothing
    Given a server that a page of the suite's own may call
    And a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    When a browser opens a page of another origin, which tries to read the secret "app/database" in every way
    Then the page is given nothing
    And no request for the secret "app/database" has reached Vault
    When the agent reads the secret "app/database"
    Then the agent is given exactly what Vault holds
