@pki
Feature: A certificate is what was asked for, and its key is seen once

  @pki.issue @must @source:BLOG @needs:pki.issue
  Scenario Outline: a certificate for <hours> hours
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    When the agent asks for a certificate for "pay.shop.example" for <hours> hours
    Then the agent is given a certificate that the mount's CA has signed
    And it is for all that was asked for
    And it lasts as long as was asked
    And it is for the key that comes with it
    And nothing else in Vault has changed

    Examples:
      | hours |
      | 72    |
      | 8760  |

  @pki.issue-names @must @source:KAG @needs:pki.issue
  Scenario Outline: a certificate for <what> besides
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example" and IP addresses
    When the agent asks for a certificate for "pay.shop.example" and <what>
    Then the agent is given a certificate that the mount's CA has signed
    And it is for all that was asked for

    Examples:
      | what                        |
      | the name "buy.shop.example" |
      | the address "192.0.2.7"     |
      | the address "2001:db8::7"   |

  @pki.issue-complete @must @source:KAG @needs:pki.issue
  Scenario: a certificate comes with all that is needed to use it
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    When the agent asks for a certificate for "pay.shop.example" for 72 hours
    Then the agent is told of success
    And it comes with its chain, its serial number and its key

  @pki.issue-shortened @must @source:BLOG @needs:pki.issue
  Scenario: a certificate that lasts less long than was asked is told to do so
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example" and at most 24 hours
    When the agent asks for a certificate for "pay.shop.example" for 72 hours
    Then it lasts as long as was asked, or the agent is told that it does not

  @pki.issue-refused @must @source:BLOG @needs:pki.issue
  Scenario Outline: <what> is refused
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    When the agent asks for a certificate for "<name>" from the role "<role>"
    Then the agent is told of an error
    And nothing in Vault has changed

    Examples:
      | what                         | name              | role   |
      | a name of another domain     | pay.elsewhere.org | web    |
      | the bare domain              | shop.example      | web    |
      | a role that does not exist   | pay.shop.example  | nobody |
      | a wildcard in a strict place | *.*.shop.example  | web    |

  @pki.issue-refused-address @must @source:VAULT @needs:pki.issue
  Scenario: an address is refused by a role that allows none
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    When the agent asks for a certificate for "pay.shop.example" and the address "192.0.2.7"
    Then the agent is told of an error
    And nothing in Vault has changed

  @pki.issue-reason @should @source:BLOG @needs:pki.issue
  Scenario Outline: <what> is refused in Vault's own words
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    When the agent asks for a certificate for "<name>" from the role "<role>"
    Then the agent is told Vault's own words

    Examples:
      | what                       | name              | role   |
      | a name of another domain   | pay.elsewhere.org | web    |
      | a role that does not exist | pay.shop.example  | nobody |

  @pki.issue-refusal-placed @should @source:BLOG @needs:pki.issue
  Scenario: a refusal says where it happened
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    When the agent asks for a certificate for "pay.elsewhere.org" for 72 hours
    Then the error names the role, the mount and the status

  @pki.issue-lifetime @must @source:SEC @needs:pki.issue
  Scenario Outline: a lifetime of "<ttl>" is refused
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    When the agent asks for a certificate for "pay.shop.example" that lasts "<ttl>"
    Then the agent is told of an error
    And nothing in Vault has changed

    Examples:
      | ttl   |
      | -1h   |
      | 72q   |
      | weeks |

  @pki.sign @must @source:TUT @needs:pki.sign
  Scenario: a key of the agent's own is certified
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    When the agent has its own key certified for "pay.shop.example" for 72 hours
    Then the agent is given a certificate that the mount's CA has signed
    And it is for all that was asked for
    And it lasts as long as was asked
    And it is for the key of the request
    And nothing else in Vault has changed

  @pki.sign-refused @must @source:SEC @needs:pki.sign
  Scenario Outline: <what> is refused
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    When the agent has <what> certified
    Then the agent is told of an error
    And nothing in Vault has changed

    Examples:
      | what                     |
      | a broken request         |
      | a request for a weak key |

  @pki.revoke @must @source:BLOG @needs:pki.revoke
  Scenario: a revoked certificate is on the revocation list
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    And a certificate for "pay.shop.example"
    When the agent revokes the certificate
    Then the agent is told of success
    And Vault shows the effect
    And nothing else in Vault has changed

  @pki.revoke-absent @should @source:BLOG @needs:pki.revoke
  Scenario: a certificate that does not exist cannot be revoked
    Given a PKI mount "certs" with a root CA
    When the agent revokes a certificate with the serial number "11:22:33:44"
    Then the agent is told of an error
    And nothing in Vault has changed

  @pki.list-certificates @must @source:TUT @needs:pki.list_certs
  Scenario: the certificates are listed
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    And a certificate for "pay.shop.example"
    When the agent lists the certificates
    Then the agent is told of success
    And Vault shows the effect

  @pki.read-certificate @must @source:TUT @needs:pki.read_cert
  Scenario: a certificate is shown without its key
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    And a certificate for "pay.shop.example"
    When the agent looks at the certificate
    Then the agent is told of success
    And Vault shows the effect
    And the agent is shown no value

  @pki.certificate-absent @must @source:SEC @needs:pki.read_cert
  Scenario Outline: a certificate with the serial number "<serial>" is an error
    Given a PKI mount "certs" with a root CA
    When the agent looks at a certificate with the serial number "<serial>"
    Then the agent is told of an error
    And nothing in Vault has changed

    Examples:
      | serial      |
      | 11:22:33:44 |
      | zz:zz       |
      | ../../roles |

  @pki.key-seen-once @must @source:SEC @needs:pki.issue @needs:pki.list_issuers @needs:pki.read_issuer
  Scenario: a key is in the answer that made it and nowhere else
    Given a PKI mount "certs" with a root CA
    And the role "web" that allows subdomains of "shop.example"
    When the agent asks for a certificate for "pay.shop.example" for 72 hours
    And the agent asks for a certificate for "pay.elsewhere.org" for 72 hours
    And the agent lists the issuers
    And the agent looks at the issuer "root-ca"
    Then the key has been seen in the answer that made it and nowhere else
