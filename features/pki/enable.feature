@pki
Feature: Enabling PKI and listing new PKI mounts

  @pki.enable @must @source:KAG:2-kagent-discovers-tools+pki @source:BLOG:what-happens-when-the-policy-says-no+ttl @needs:pki.enable
  Rule: The server MUST enable a PKI secrets engine at the given path with the requested maximum TTL, and MUST NOT change anything else in Vault

    Scenario: a path that is free
      Given a KV version 2 mount "other"
      When the agent enables PKI at "certs" for certificates of up to 2400 hours
      Then the server reports success
      And the call had the requested effect
      And nothing else in Vault has changed

  @pki.enable-existing @must @source:VAULT:docs/commands/secrets/enable#secrets-enable @needs:pki.enable
  Rule: When asked to enable PKI at the path of an existing PKI mount, the server MUST return an error, and MUST NOT change Vault

    Scenario: a PKI mount with a root CA
      Given a PKI mount "certs" with a root CA
      When the agent enables PKI at "certs" for certificates of up to 2400 hours
      Then the server reports an error
      And nothing in Vault has changed

  @pki.enable-undone @should @source:SEC:partial-change @needs:pki.enable
  Rule: When asked to enable PKI with a negative or malformed maximum TTL, the server SHOULD return an error, and SHOULD NOT change Vault

    Scenario Outline: the maximum TTL "<ttl>"
      When the agent enables PKI at "certs" for certificates of up to "<ttl>"
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | ttl   |
        | -1h   |
        | 72q   |
        | weeks |

  @pki.empty @must @source:SEC:misleading-result @needs:pki.list_roles
  Rule: When a PKI mount has no roles, the server MUST report success and an empty list of roles

    Scenario: a mount without roles
      Given a PKI mount "certs" with a root CA
      When the agent lists the roles
      Then the server reports success
      And the call had the requested effect

  @pki.empty-of-issuers @must @source:SEC:misleading-result @needs:pki.list_issuers
  Rule: When a PKI mount has no issuers, the server MUST report success and an empty list of issuers

    Scenario: a mount without issuers
      Given a PKI mount "certs"
      When the agent lists the issuers
      Then the server reports success
      And the call had the requested effect

  @pki.empty-of-certificates @must @source:SEC:misleading-result @needs:pki.list_certs
  Rule: When a PKI mount has no certificates, the server MUST report success and an empty list of certificates

    Scenario: a mount without certificates
      Given a PKI mount "certs"
      When the agent lists the certificates
      Then the server reports success
      And the call had the requested effect
