@launcher
Feature: A token lives as long as the command that was given it
  The tutorial's launcher: it checks a token, runs a program with it, and revokes it when the program ends.

  @launcher.revoked @must @source:TUT @mode:launcher @transport:stdio @evidence:launch
  Scenario Outline: the token is gone once <end>
    When a command is run in a session, and <end>
    Then Vault has the token of the session no more

    Examples:
      | end                         |
      | it ends                     |
      | it fails                    |
      | it is killed                |
      | the session is told to end  |

  @launcher.given @must @source:TUT @mode:launcher @transport:stdio @evidence:launch
  Scenario: the command is given the token
    When a command is run in a session, and it ends
    Then the command was given the token of the session

  @launcher.unseen @must @source:SEC @mode:launcher @transport:stdio @evidence:launch
  Scenario: the token is not shown
    When a command is run in a session, and it fails
    Then the session has not said its token

  @launcher.revoke-failed @must @source:TUT @mode:launcher @transport:stdio @evidence:launch @evidence:tap
  Scenario: a token that could not be revoked is told
    When a command is run in a session that Vault does not let end, and it ends
    Then the session says that its token was not revoked

  @launcher.exit-code @should @source:TUT @mode:launcher @transport:stdio @evidence:launch
  Scenario: a command that fails is not told as one that succeeds
    When a command is run in a session, and it fails
    Then the session fails too

  @launcher.root @should @source:SEC @mode:launcher @transport:stdio @evidence:launch
  Scenario: a token that may do everything is not taken
    When a command is to be run in a session with a root token
    Then the command was not run

  @launcher.policies @should @source:TUT @mode:launcher @transport:stdio @evidence:launch
  Scenario: what the token may do is told
    When a command is run in a session, and it ends
    Then the session has told the policies of its token
