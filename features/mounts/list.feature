@mounts
Feature: Listing mounts

  @mounts.list @must @source:TUT:scenario+mounts @source:GUIDE:mount-management-tools @source:VAULT:api-docs/system/mounts#list-mounted-secrets-engines @needs:mounts.list @any-kv-version
  Rule: When asked for the mounts, the server MUST list each secrets engine mount that its token may see, with its type, and MUST NOT change Vault

    Scenario: two KV mounts and a transit mount
      Given a KV version 1 mount "first"
      And a transit mount "second" with the key "app"
      And a KV version 2 mount "team/a/kv"
      When the agent lists the mounts
      Then the server reports success
      And the server returns each mount with its type
      And nothing in Vault has changed

  @mounts.list-fresh @must @source:KAG:caching-considerations @needs:mounts.list @any-kv-version
  Rule: The server MUST list the mounts that Vault has at the time of the call, whatever was created or deleted since it last listed them

    Scenario: between two lists a mount is created and another one deleted
      Given a KV version 2 mount "first"
      When the agent lists the mounts
      Then the server returns each mount with its type
      Given a KV version 2 mount "second"
      And the mount "first" was deleted
      When the agent lists the mounts
      Then the server returns each mount with its type
      And the server does not list the mount "first"

  @mounts.list-details @should @source:TUT:plan-secret-structure-and-write-credentials @source:VAULT:api-docs/system/mounts#list-mounted-secrets-engines @needs:mounts.list @any-kv-version
  Rule: The server SHOULD include the KV version and the description of each KV mount in its list of mounts

    Scenario Outline: the <detail> of two mounts
      Given a KV version 1 mount "first"
      And a KV version 2 mount "second"
      When the agent lists the mounts
      Then the server returns the <detail> of each mount

      Examples:
        | detail      |
        | KV version  |
        | description |
