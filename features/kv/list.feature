@kv
Feature: A list of secrets shows one level, as it is in Vault

  @kv.list-level @must @source:TUT @needs:kv.list
  Scenario Outline: the <place>, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secrets "top", "app/database", "app/integrations/payment-gateway"
    When the agent lists the <place>
    Then the agent is given exactly the names that Vault lists, folders marked
    And the agent is shown no value
    And nothing in Vault has changed

    Examples:
      | version | place        |
      | 1       | whole mount  |
      | 2       | whole mount  |
      | 1       | folder "app" |
      | 2       | folder "app" |

  @kv.list-tree @must @source:TUT @needs:kv.list_all
  Scenario Outline: everything below the <place>, in a KV version <version> mount
    Given a KV version <version> mount "team"
    And the secrets "top", "myapp/database", "myapp/integrations/payment-gateway", "other/database"
    When the agent lists everything below the <place>
    Then the agent is given exactly the secrets that Vault holds there
    And the agent is shown no value
    And nothing in Vault has changed

    Examples:
      | version | place          |
      | 1       | whole mount    |
      | 2       | whole mount    |
      | 1       | folder "myapp" |
      | 2       | folder "myapp" |

  @kv.list-many @must @source:TUT @needs:kv.list_all @slow
  Scenario: 5,000 secrets in 200 folders are all listed
    Given a KV version 2 mount "team"
    And 5000 secrets in 200 folders
    When the agent lists everything below the whole mount
    Then the agent is given exactly the secrets that Vault holds there

  @kv.list-empty @should @source:VAULT @needs:kv.list
  Scenario: a mount without secrets and a mount that does not exist are told apart
    Given a KV version 2 mount "team"
    When the agent lists the whole mount
    Then the agent is told of success
    And the agent is given exactly the names that Vault lists, folders marked
    When the agent lists a mount that does not exist
    Then the agent is told of an error
