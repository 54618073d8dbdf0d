@tls
Feature: TLS between client and server
  Vault tokens and secret values cross this connection. Nobody on the network may be able to read them.

  @tls.spoken @must @source:TUT:streamablehttp-transport+tls @mode:tls @transport:http @evidence:launch @own-target
  Rule: A server that is configured with a TLS certificate MUST serve a client that trusts the certificate

    Scenario: a client that trusts the certificate
      Given a server with a certificate
      Then the next call works

  @tls.plain @must @source:TUT:streamablehttp-transport+tls @mode:tls @transport:http @evidence:launch @own-target
  Rule: A server with a TLS certificate MUST reject or ignore requests over plain HTTP, and MUST continue to serve TLS clients

    Scenario: a client that sends plain HTTP
      Given a server with a certificate
      Then the server does not serve a client that does not use TLS
      And the next call works

  @tls.exposed @must @source:TUT:streamablehttp-transport+tls @mode:all_interfaces @transport:http @evidence:launch
  Rule: A server that is configured to listen on all network addresses without a TLS certificate MUST exit without serving

    Scenario: no TLS certificate
      When the suite starts a server that listens on all addresses without a certificate
      Then the server exits without serving

  @tls.exposed-served @should @source:TUT:streamablehttp-transport+tls @mode:tls @mode:all_interfaces @transport:http @evidence:launch @own-target
  Rule: A server that is configured to listen on all network addresses SHOULD serve clients if it has a TLS certificate

    Scenario: a TLS certificate is configured
      Given a server that has a certificate and listens on all addresses
      Then the next call works

  @tls.old @must @source:RFC:8996#4 @source:RFC:8996#5 @source:RFC:9325#3.1.1 @mode:tls @transport:http @evidence:launch @own-target
  Rule: A server with a TLS certificate MUST accept TLS 1.2 and MUST refuse TLS 1.0 and TLS 1.1, without interrupting service

    Scenario Outline: TLS <version>
      Given a server that uses its certificate
      Then the server refuses a TLS <version> handshake and accepts a TLS 1.2 handshake
      And the next call works

      Examples:
        | version |
        | 1.0     |
        | 1.1     |

  @tls.unusable @must @source:TUT:streamablehttp-transport+tls @mode:tls @transport:http @evidence:launch
  Rule: A server that is configured for TLS MUST exit without serving if the certificate or key is missing or invalid, or if the two do not match

    Scenario Outline: <what>
      When the suite starts a server with <what>
      Then the server exits without serving

      Examples:
        | what                           |
        | a certificate and no key       |
        | a key and no certificate       |
        | the key of another certificate |
        | a missing certificate file     |
        | an empty certificate file      |
        | a key file that is no key      |

  @tls.unusable-told @should @source:SEC:misconfiguration @mode:tls @transport:http @evidence:launch
  Rule: If a missing or invalid TLS certificate or key prevents the start, the server SHOULD name the certificate or key in its output

    Scenario Outline: <what>
      When the suite starts a server with <what>
      Then the server reports that its certificate or its key is unusable

      Examples:
        | what                           |
        | a certificate and no key       |
        | the key of another certificate |
        | a missing certificate file     |
        | a key file that is no key      |
