@browser @era:session
Feature: Sessions and web pages

  @browser.opening @must @source:MCP:basic/transports#security-warning @transport:http
  Rule: The server MUST refuse to open a session for a web page whose origin is not allowed, and MUST NOT return a session ID

    Scenario: a page of an origin that is not allowed opens a session
      When a page of the origin "https://evil.example" opens a session
      Then the server refuses the page's request
      And the server's response contains no session id

  @browser.other-verbs @must @source:MCP:basic/transports#security-warning @transport:http @evidence:launch @own-target
  Rule: The server MUST refuse a web page of a foreign origin that listens in or ends an agent's session, and MUST continue to serve the agent

    Scenario Outline: a page that <what>
      When a page of the origin "https://evil.example" <what>
      Then the server refuses the request over HTTP
      And the next call works

      Examples:
        | what             |
        | wants to listen  |
        | ends the session |

  @browser.exposed @should @source:MCP:basic/transports#session-management @mode:cors @transport:http
  Rule: If the server uses sessions, the server SHOULD allow web pages of allowed origins to read the header with the session ID

    Scenario: a page of an allowed origin opens a session
      Given a server that allows pages of the origins "https://app.example.com" and "http://localhost:3000"
      When a page of the origin "https://app.example.com" opens a session
      Then the server allows the page to read the session id
