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
