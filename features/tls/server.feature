@tls
Feature: A server that was given a certificate speaks TLS, and nothing less
  Tokens and secrets cross the wire: whoever listens on it must read nothing.

  @tls.spoken @must @source:TUT @mode:tls @transport:http @evidence:launch @own-target
  Scenario: a client that trusts the certificate is served
    Given a server with a certificate
    Then the next call works

  @tls.plain @must @source:TUT @mode:tls @transport:http @evidence:launch @own-target
  Scenario: a client that speaks no TLS is told nothing
    Given a server with a certificate
    Then a client that speaks no TLS is told nothing
    And the next call works

  @tls.exposed @must @source:TUT @mode:all_interfaces @transport:http @evidence:launch
  Scenario: without a certificate no server listens to the network
    When a server is started that listens on all addresses, without a certificate
    Then it ends and does not serve

  @tls.exposed-served @should @source:TUT @mode:tls @mode:all_interfaces @transport:http @evidence:launch @own-target
  Scenario: with a certificate a server that listens to the network serves
    Given a server with a certificate that listens on all addresses
    Then the next call works

  @tls.old @must @source:TUT @mode:tls @transport:http @evidence:launch @own-target
  Scenario Outline: TLS <version> is refused
    Given a server with a certificate
    Then a handshake of TLS <version> is refused, and one of TLS 1.2 is not
    And the next call works

    Examples:
      | version |
      | 1.0     |
      | 1.1     |

  @tls.unusable @must @source:TUT @mode:tls @transport:http @evidence:launch
  Scenario Outline: <what> keeps the server from starting
    When a server is started with <what>
    Then it ends and does not serve

    Examples:
      | what                                      |
      | a certificate and no key                  |
      | a key and no certificate                  |
      | the key of another certificate            |
      | a certificate file that there is not      |
      | an empty certificate file                 |
      | a key file that is no key                 |

  @tls.unusable-told @should @source:TUT @mode:tls @transport:http @evidence:launch
  Scenario Outline: the server says that it was <what> that kept it from starting
    When a server is started with <what>
    Then it says that its certificate or its key cannot be used

    Examples:
      | what                                      |
      | a certificate and no key                  |
      | the key of another certificate            |
      | a certificate file that there is not      |
      | a key file that is no key                 |
