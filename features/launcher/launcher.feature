@launcher
Feature: Launching a command with a Vault token
  The launcher of the tutorial checks a token, runs a program with it, and revokes it when the program ends.

  @launcher.revoked @must @source:TUT:launch-vs-code-with-vault-environment-variables @mode:launcher @transport:stdio @evidence:launch
  Rule: The launcher MUST revoke the Vault token and exit when the launched command ends for any reason, or when the launcher receives a termination signal

    Scenario Outline: a command is run, and <end>
      When the launcher runs a command in a session, and <end>
      Then Vault no longer has the session's token

      Examples:
        | end                        |
        | it ends                    |
        | it fails                   |
        | it is killed               |
        | the launcher is terminated |

  @launcher.given @must @source:TUT:summary @mode:launcher @transport:stdio @evidence:launch
  Rule: The launcher MUST pass the Vault token to the launched command in an environment variable

    Scenario: a command that succeeds
      When the launcher runs a command in a session, and it ends
      Then the command has the session's token in its environment

  @launcher.unseen @must @source:SEC:token-disclosure @mode:launcher @transport:stdio @evidence:launch
  Rule: When the launched command fails, the output of the launcher MUST NOT contain the Vault token

    Scenario: a command that fails
      When the launcher runs a command in a session, and it fails
      Then the session's output does not contain its token

  @launcher.revoke-failed @must @source:TUT:launch-vs-code-with-vault-environment-variables @mode:launcher @transport:stdio @evidence:launch @evidence:tap
  Rule: When Vault does not revoke the token, the launcher MUST report that the token was not revoked

    Scenario: Vault refuses to revoke the token
      When the launcher runs a command in a session whose token Vault refuses to revoke, and it ends
      Then the session reports that its token was not revoked

  @launcher.exit-code @should @source:SEC:silent-failure @mode:launcher @transport:stdio @evidence:launch
  Rule: When the launched command fails, the launcher SHOULD exit with a status other than zero

    Scenario: a command that fails
      When the launcher runs a command in a session, and it fails
      Then the session fails too

  @launcher.root @should @source:TUT:shared-security-considerations+root-token @source:SEC:excess-privilege @mode:launcher @transport:stdio @evidence:launch
  Rule: The launcher SHOULD NOT run a command with a root token

    Scenario: a root token
      When the launcher is asked to run a command in a session with a root token
      Then the command was not run

  @launcher.policies @should @source:TUT:configure-vs-code-to-use-the-vault-mcp-server @mode:launcher @transport:stdio @evidence:launch
  Rule: The launcher SHOULD report the names of the policies that the Vault token has

    Scenario: a command that succeeds
      When the launcher runs a command in a session, and it ends
      Then the session reports the policies of its token
