@pki
Feature: Roles with similar or unusual names
  In the name of a PKI role, Vault accepts letters, digits, dots, hyphens and underscores, and it distinguishes upper and
  lower case. It rejects all other names. A server that cuts such a name uses another role.

  @pki.name-read @must @source:SEC:misleading-result @source:RFC:3986#2.2 @needs:pki.read_role
  Rule: When asked for a PKI role, the server MUST return the role with exactly this name or an error

    Scenario Outline: the role <role>, next to <other>
      Given a PKI mount "certs" with a root CA
      And the role "<role>" that allows the domains "shop.example"
      And the role "<other>" that allows the domains "elsewhere.example"
      When the agent reads the role "<role>"
      Then the call had exactly the requested effect, or the server reports an error and changes nothing

      Examples:
        | role   | other |
        | Web    | web   |
        | web.v1 | web   |
        | web_1  | web1  |

    Scenario Outline: the name <impossible>, which no role can have
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows the domains "shop.example"
      When the agent reads the role "<impossible>"
      Then the server reports an error

      Examples:
        | impossible |
        | web#old    |
        | web?old    |
        | web%2Fold  |
        | web old    |
        | web/old    |

  @pki.name-create @must @source:SEC:write-outside-scope @source:RFC:3986#2.2 @needs:pki.create_role
  Rule: When asked to create a PKI role, the server MUST create it under exactly the given name or return an error, and MUST NOT change anything else

    Scenario Outline: the role <role>, next to <other>
      Given a PKI mount "certs" with a root CA
      And the role "<other>" that allows the domains "elsewhere.example"
      When the agent creates the role "<role>" that allows the domains "shop.example"
      Then the call had exactly the requested effect, or the server reports an error and changes nothing
      And nothing else in Vault has changed

      Examples:
        | role   | other |
        | Web    | web   |
        | web.v1 | web   |
        | web_1  | web1  |

    Scenario Outline: the name <impossible>, which no role can have
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows the domains "elsewhere.example"
      When the agent creates the role "<impossible>" that allows the domains "shop.example"
      Then the server reports an error
      And nothing in Vault has changed

      Examples:
        | impossible |
        | web#old    |
        | web?old    |
        | web%2Fold  |
        | web old    |
        | web/old    |

  @pki.name-delete @must @source:SEC:write-outside-scope @source:RFC:3986#2.2 @needs:pki.delete_role
  Rule: When asked to delete a PKI role, the server MUST delete the role with exactly this name or return an error, and MUST NOT change anything else

    Scenario Outline: the role <role>, next to <other>
      Given a PKI mount "certs" with a root CA
      And the role "<role>" that allows the domains "shop.example"
      And the role "<other>" that allows the domains "elsewhere.example"
      When the agent deletes the role "<role>"
      Then the call had exactly the requested effect, or the server reports an error and changes nothing
      And nothing else in Vault has changed

      Examples:
        | role   | other |
        | Web    | web   |
        | web.v1 | web   |
        | web_1  | web1  |

    Scenario Outline: the name <impossible>, which no role can have
      Given a PKI mount "certs" with a root CA
      And the role "web" that allows the domains "shop.example"
      When the agent deletes the role "<impossible>"
      Then the server reports an error or that it does not exist
      And nothing in Vault has changed

      Examples:
        | impossible |
        | web#old    |
        | web?old    |
        | web%2Fold  |
        | web old    |
        | web/old    |
