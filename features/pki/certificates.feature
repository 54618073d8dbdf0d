@pki
Feature: Issuing and managing certificates
  An agent requests, signs, lists, reads and revokes certificates of a PKI mount.

  @pki.issue @must @source:BLOG:issuing-certificates @source:KAG:pki-certificate-workflow @needs:pki.issue
  Rule: The server MUST issue certificates with the requested name and lifetime, signed by the mount's CA for the returned private key, and MUST NOT otherwise change Vault

    Scenario Outline: a lifetime of <hours> hours
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      When the agent requests a certificate for "pay.shop.example" valid for <hours> hours
      Then the server returns a certificate signed by the mount's CA
      And the certificate contains every requested name and address
      And the certificate has the requested lifetime, or the server reports the actual lifetime
      And the certificate matches the returned private key
      And nothing else in Vault has changed

      Examples:
        | hours |
        | 72    |
        | 8760  |

  @pki.issue-names @must @source:VAULT:api-docs/secret/pki#generate-certificate-and-key @needs:pki.issue
  Rule: When a certificate is requested with additional DNS names or IP addresses that the role allows, the server MUST return a certificate with all of them

    Scenario Outline: <what> in addition to the common name
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example" and IP addresses
      When the agent requests a certificate for "pay.shop.example" and <what>
      Then the server returns a certificate signed by the mount's CA
      And the certificate contains every requested name and address

      Examples:
        | what                        |
        | the name "buy.shop.example" |
        | the address "192.0.2.7"     |
        | the address "2001:db8::7"   |

  @pki.issue-complete @must @source:KAG:pki-certificate-workflow @needs:pki.issue
  Rule: The server MUST return an issued certificate with its private key, its serial number and the chain up to the mount's CA

    Scenario: a certificate for 72 hours
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      When the agent requests a certificate for "pay.shop.example" valid for 72 hours
      Then the server reports success
      And the server returns the certificate with its chain, its serial number and its private key

  @pki.issue-shortened @must @source:BLOG:issuing-certificates @source:SEC:silent-failure @needs:pki.issue
  Rule: When a certificate expires earlier than requested, the server MUST report the shorter lifetime or the expiry date, or return an error

    Scenario: the role allows a shorter lifetime than requested
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example" and at most 24 hours
      When the agent requests a certificate for "pay.shop.example" valid for 72 hours
      Then the certificate has the requested lifetime, or the server reports an error or the actual lifetime

  @pki.issue-refused @must @source:BLOG:issuing-certificates @source:VAULT:api-docs/secret/pki#generate-certificate-and-key @needs:pki.issue
  Rule: When the role of a requested certificate does not exist or does not allow its name, the server MUST return an error, and MUST NOT change Vault

    Scenario Outline: <what>
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      When the agent requests a certificate for "<name>" from the role "<role>"
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | what                         | name              | role   |
        | a name of another domain     | pay.elsewhere.org | web    |
        | the bare domain              | shop.example      | web    |
        | a role that does not exist   | pay.shop.example  | nobody |
        | a wildcard in a strict place | *.*.shop.example  | web    |

  @pki.issue-refused-address @must @source:VAULT:api-docs/secret/pki#generate-certificate-and-key @needs:pki.issue
  Rule: When a certificate for an IP address is requested from a role that allows none, the server MUST return an error, and MUST NOT change Vault

    Scenario: the role allows no IP addresses
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      When the agent requests a certificate for "pay.shop.example" and the address "192.0.2.7"
      Then the server reports an error
      And nothing in Vault has changed

  @pki.issue-reason @should @source:BLOG:issuing-certificates @needs:pki.issue
  Rule: When the role of a requested certificate does not exist or does not allow its name, the server SHOULD include Vault's reason in the error

    Scenario Outline: <what>
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      When the agent requests a certificate for "<name>" from the role "<role>"
      Then the server reports Vault's reason for refusing the request

      Examples:
        | what                       | name              | role   |
        | a name of another domain   | pay.elsewhere.org | web    |
        | a role that does not exist | pay.shop.example  | nobody |

  @pki.issue-refusal-placed @should @source:BLOG:issuing-certificates @needs:pki.issue
  Rule: When Vault refuses a certificate, the server SHOULD name the role and the mount, Vault's request path or the argument in the error

    Scenario: a name of another domain
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      When the agent requests a certificate for "pay.elsewhere.org" valid for 72 hours
      Then the error names the role and the mount, or the argument

  @pki.issue-lifetime @must @source:SEC:silent-failure @needs:pki.issue
  Rule: When a certificate is requested with a negative or malformed lifetime, the server MUST return an error, and MUST NOT change Vault

    Scenario Outline: the lifetime "<ttl>"
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      When the agent requests a certificate for "pay.shop.example" with the TTL "<ttl>"
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | ttl   |
        | -1h   |
        | 72q   |
        | weeks |

  @pki.sign @must @source:TUT:scenario+pki @source:TUT:create-a-policy-for-the-mcp-server+pki @needs:pki.sign
  Rule: The server MUST certify a CSR's key for the requested name by the mount's CA, with the requested or a reported lifetime, and MUST NOT otherwise change Vault

    Scenario: a key that Vault did not generate
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      When the agent submits a certificate signing request for "pay.shop.example" valid for 72 hours
      Then the server returns a certificate signed by the mount's CA
      And the certificate contains every requested name and address
      And the certificate has the requested lifetime, or the server reports the actual lifetime
      And the certificate matches the key of the signing request
      And nothing else in Vault has changed

  @pki.sign-refused @must @source:SEC:weak-cryptography @needs:pki.sign
  Rule: When a CSR has an invalid signature or a weak key, the server MUST return an error, and MUST NOT change Vault

    Scenario Outline: <what>
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      When the agent submits <what> for signing
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | what                     |
        | a broken request         |
        | a request for a weak key |

  @pki.revoke @must @source:VAULT:api-docs/secret/pki#revoke-certificate @source:SEC:silent-failure @needs:pki.revoke
  Rule: The server MUST revoke a certificate so that it is on the mount's revocation list, and MUST NOT change anything else in Vault

    Scenario: a certificate of the mount
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      And a certificate for "pay.shop.example"
      When the agent revokes the certificate
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed

  @pki.revoke-absent @should @source:SEC:silent-failure @needs:pki.revoke
  Rule: When asked to revoke a certificate that does not exist, the server SHOULD return an error, and SHOULD NOT change Vault

    Scenario: an unknown serial number
      Given a PKI mount "certs" with a root CA
      When the agent revokes a certificate with the serial number "11:22:33:44"
      Then the server reports an error
      And nothing in Vault has changed

  # Vault answers with success, a warning and no time of revocation, and puts nothing on its revocation list.
  @pki.revoke-expired @must @source:SEC:silent-failure @source:VAULT:api-docs/secret/pki#revoke-certificate @needs:pki.revoke
  Rule: When asked to revoke a certificate that has expired, the server MUST NOT report that it was revoked, and MUST NOT change Vault

    Scenario: a certificate that expired before the call
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      And a certificate for "pay.shop.example" that has expired
      When the agent revokes the certificate
      Then the server does not report that the certificate was revoked
      And nothing in Vault has changed

  @pki.list-certificates @must @source:TUT:create-a-policy-for-the-mcp-server+pki @source:VAULT:api-docs/secret/pki#list-certificates @needs:pki.list_certs
  Rule: The server MUST list the serial numbers of exactly the certificates that a PKI mount has issued, with or without those of its CAs

    Scenario: a mount with an issued certificate
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      And a certificate for "pay.shop.example"
      When the agent lists the certificates
      Then the server reports success
      And the call had the requested effect

  @pki.read-certificate @must @source:TUT:create-a-policy-for-the-mcp-server+pki @source:VAULT:api-docs/secret/pki#read-certificate @source:SEC:value-disclosure @needs:pki.read_cert
  Rule: The server MUST return the certificate that Vault holds for a serial number, and MUST NOT return its private key

    Scenario: an issued certificate
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      And a certificate for "pay.shop.example"
      When the agent reads the certificate
      Then the server reports success
      And the call had the requested effect
      And the server returns no secret value

  @pki.certificate-absent @must @source:SEC:silent-failure @source:SEC:path-traversal @needs:pki.read_cert
  Rule: When asked for a certificate by a serial number that no certificate has, the server MUST return an error, and MUST NOT change Vault

    Scenario Outline: the serial number "<serial>"
      Given a PKI mount "certs" with a root CA
      When the agent reads a certificate with the serial number "<serial>"
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | serial      |
        | 11:22:33:44 |
        | zz:zz       |
        | ../../roles |

  @pki.key-seen-once @must @source:SEC:value-disclosure @needs:pki.issue @needs:pki.list_issuers @needs:pki.read_issuer
  Rule: The server MUST return a generated private key only in the response that issues its certificate, and MUST NOT log it or return it again

    Scenario: later calls on the same connection
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows subdomains of "shop.example"
      When the agent requests a certificate for "pay.shop.example" valid for 72 hours
      And the agent requests a certificate for "pay.elsewhere.org" valid for 72 hours
      And the agent lists the issuers
      And the agent reads the issuer "root-ca"
      Then the private key appears in exactly one message of the server and in no log
