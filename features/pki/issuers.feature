@pki
Feature: Creating and reading issuers
  Root CAs, intermediate CAs and imported CAs are the issuers of a PKI mount.

  @pki.root @must @source:BLOG:what-happens-when-the-policy-says-no+ttl @needs:pki.create_root
  Rule: The server MUST create a self-signed root CA with the requested common name and lifetime, and MUST NOT change anything else in Vault

    Scenario: a mount without issuers
      Given a PKI mount "certs"
      When the agent creates a root CA "internal" with the common name "Internal Root" valid for 2400 hours
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed

  @pki.root-shortened @should @source:BLOG:what-happens-when-the-policy-says-no+ttl @source:SEC:silent-failure @needs:pki.create_root
  Rule: When Vault limits a new root CA to a shorter lifetime than requested, the server SHOULD report the shorter lifetime or expiry date, or return an error

    Scenario: the mount has Vault's default maximum TTL
      Given a PKI mount "certs" with Vault's default maximum TTL
      When the agent creates a root CA "internal" with the common name "Internal Root" valid for 2400 hours
      Then Vault has the root CA as requested, or the server reports an error or the actual lifetime

  @pki.root-named @should @source:VAULT:api-docs/secret/pki#generate-root @needs:pki.create_root
  Rule: The server SHOULD give a new root CA the issuer name that the call requests

    Scenario: a mount without issuers
      Given a PKI mount "certs"
      When the agent creates a root CA "internal" with the common name "Internal Root" valid for 2400 hours
      Then the new issuer has the requested name

  @pki.intermediate @must @source:VAULT:api-docs/secret/pki#sign-intermediate @needs:pki.create_intermediate
  Rule: The server MUST create an intermediate CA with the requested name and lifetime, signed by the given root CA, and MUST NOT change anything else in Vault

    Scenario: the root CA is in another mount
      Given a PKI mount "below"
      And a PKI mount "certs" with a root CA
      When the agent creates an intermediate CA "issuing" with the common name "Issuing CA" valid for 2400 hours in the mount "below", signed by the root CA
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed

  @pki.intermediate-named @should @source:VAULT:api-docs/secret/pki#update-issuer @needs:pki.create_intermediate
  Rule: The server SHOULD give a new intermediate CA the issuer name that the call requests

    Scenario: the root CA is in another mount
      Given a PKI mount "below"
      And a PKI mount "certs" with a root CA
      When the agent creates an intermediate CA "issuing" with the common name "Issuing CA" valid for 2400 hours in the mount "below", signed by the root CA
      Then the new issuer has the requested name

  @pki.import @must @source:KAG:mcp-tool-vault-api-mapping @source:VAULT:api-docs/secret/pki#import-ca-certificates-and-keys @source:SEC:value-disclosure @needs:pki.import_bundle
  Rule: The server MUST import the CA certificate of a PEM bundle as an issuer, and MUST NOT return its private key or change anything else in Vault

    Scenario: a CA certificate with its private key
      Given a PKI mount "certs"
      When the agent imports a CA
      Then the server reports success
      And the call had the requested effect
      And the server returns no secret value
      And nothing else in Vault has changed

  @pki.import-broken @must @source:SEC:silent-failure @source:SEC:value-disclosure @needs:pki.import_bundle
  Rule: When the certificate in an imported PEM bundle is truncated, the server MUST return an error, and MUST NOT return the private key or change Vault

    Scenario: half of a certificate with its private key
      Given a PKI mount "certs"
      When the agent imports half of a CA
      Then the server reports an error
      And the server returns no secret value
      And nothing in Vault has changed

  @pki.list-issuers @must @source:KAG:2-kagent-discovers-tools+pki @source:VAULT:api-docs/secret/pki#list-issuers @needs:pki.list_issuers
  Rule: The server MUST list exactly the issuers of a PKI mount, each by its name or identifier

    Scenario: a mount with a root CA
      Given a PKI mount "certs" with a root CA
      When the agent lists the issuers
      Then the server reports success
      And the call had the requested effect

  @pki.read-issuer @must @source:KAG:2-kagent-discovers-tools+pki @source:VAULT:api-docs/secret/pki#read-issuer @needs:pki.read_issuer
  Rule: The server MUST return the certificate that Vault holds for an issuer

    Scenario: a root CA
      Given a PKI mount "certs" with a root CA
      When the agent reads the issuer "root-ca"
      Then the server reports success
      And the call had the requested effect

  @pki.issuer-absent @must @source:SEC:silent-failure @needs:pki.read_issuer
  Rule: When asked for a PKI issuer that does not exist, the server MUST return an error

    Scenario: an unknown issuer name
      Given a PKI mount "certs" with a root CA
      When the agent reads the issuer "nobody"
      Then the server reports an error

  @pki.root-name-taken @must @source:VAULT:api-docs/secret/pki#generate-root @source:SEC:misleading-result @needs:pki.create_root
  Rule: When the name for a new root CA is in use or reserved by Vault, the server MUST return an error, and MUST NOT change Vault

    Scenario Outline: the name <which>
      Given a PKI mount "certs" with a root CA
      When the agent creates a root CA with the issuer name "<name>"
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | which             | name    |
        | of another issuer | root-ca |
        | that is reserved  | default |
