@faults
Feature: Failures of Vault
  A Vault cluster has one active node. When another node takes over, Vault refuses requests for a moment. A server that
  reports a refused write as made loses data, and one that does not recover has to be restarted by somebody.

  @faults.failover @must @source:SEC:silent-failure @source:SEC:denial-of-service @evidence:launch @evidence:tap @evidence:cluster @own-target @slow @needs:kv.write_key|kv.write
  Rule: When another node of a Vault cluster becomes active, the server MUST report only writes as made that Vault has made, and MUST write again without a restart

    Scenario: the active node steps down while an agent writes secrets
      Given a Vault cluster of two nodes, and a server that uses it
      And a KV version 2 mount "team"
      When the agent writes secrets while the active node steps down and the other node takes over
      Then the server writes secrets again
      And Vault holds every secret that the server reported as written
