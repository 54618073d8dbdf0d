@browser @era:session
Feature: A web page has no part in sessions unless its origin was listed

  @browser.opening @must @source:MCP @transport:http
  Scenario: a page is given no session
    When a page of "https://evil.example" opens a session
    Then the page is refused
    And it is given no session

  @browser.other-verbs @must @source:MCP @transport:http @evidence:launch @own-target
  Scenario Outline: a page that <what> is refused
    When a page of "https://evil.example" <what>
    Then that is refused over HTTP
    And the next call works

    Examples:
      | what             |
      | wants to listen  |
      | ends the session |

  @browser.exposed @should @source:MCP @mode:cors @transport:http
  Scenario: a page that was listed may read which session it is given
    Given a server that pages of "https://app.example.com" and "http://localhost:3000" may call
    When a page of "https://app.example.com" opens a session
    Then the page may read the id of the session
