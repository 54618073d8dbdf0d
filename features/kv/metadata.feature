@kv
Feature: What an agent may know of a secret without its values
  The tutorial lets an agent ask for key names and versions so that no value has to enter
  a conversation.

  @kv.metadata-told @must @source:TUT @needs:kv.metadata
  Scenario: the key names, the version and its time
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password, host"
    And the secret "app/database" was changed since
    When the agent asks for the metadata of the secret "app/database"
    Then the agent is told of success
    And the agent is told the key names of the secret
    And the agent is told the version and the time that Vault has for it
    And the agent is shown no value
    And nothing in Vault has changed

  @kv.metadata-unversioned @must @source:TUT @needs:kv.metadata
  Scenario: the key names, in a KV version 1 mount
    Given a KV version 1 mount "team"
    And the secret "app/database" with the keys "username, password, host"
    When the agent asks for the metadata of the secret "app/database"
    Then the agent is told of success
    And the agent is told the key names of the secret
    And the agent is shown no value

  @kv.metadata-custom @should @source:VAULT @needs:kv.metadata
  Scenario: the custom metadata
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And the secret "app/database" has the custom metadata "owner"
    When the agent asks for the metadata of the secret "app/database"
    Then the agent is told of success
    And the agent is told the custom metadata

  @kv.metadata-alone @should @source:TUT @needs:kv.metadata @evidence:launch
  Scenario: a token that may read metadata alone is told what it may know, or what it lacks
    Given a KV version 2 mount "team"
    And the secret "app/database" with the keys "username, password"
    And the agent's token may read the metadata of the mount "team" and nothing else
    When the agent asks for the metadata of the secret "app/database"
    Then the agent is told the version that Vault has, or that permission was denied
    And the agent is shown no value
