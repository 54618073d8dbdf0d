//! The server's own token: read from a file, or renewed before it expires.

use std::{sync::LazyLock, time::Duration};

use regex::Regex;
use tokio::time::{Instant, sleep};

use crate::{
    act::Act,
    adapter::launch::Mode,
    instance::{answer::Answer, setup::Setup, token_file::TokenFileState},
    mcp::transcript::Speaker,
    scenario::Scenario,
    tap::TokenPrint,
    vault::{
        oracle::{OracleError, VaultRequest},
        token_form::TokenForm,
    },
    verdict::{StepEnd, StepResult},
    vocabulary::{about::contradiction, answered, token_use},
};

/// How long a server may take to use the new token in its token file.
const SOON: Duration = Duration::from_secs(10);
/// How long after the start a warning may appear.
const WARNED: Duration = Duration::from_secs(10);
/// How long after its expiry Vault may take to remove a token.
const LATE: Duration = Duration::from_secs(10);
/// The interval between two looks.
const GLANCE: Duration = Duration::from_millis(200);
/// The part of a token's TTL that one look may take. On a slower machine, no server can renew the token in time.
const SWIFT: u32 = 5;

/// Words that mean that others can read a file.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static EXPOSED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)permission|chmod|readable|read by|others|expos|insecure|\bmode\b|0?644|too open",
    )
    .unwrap()
});

/// The TTL of the server's token must be as a step says; without a TTL, the token is valid as long as the run.
fn expect_lifetime(said: Duration, own: Option<Duration>) -> StepResult {
    if own == Some(said) {
        return Ok(());
    }
    let own = own.map_or("as long as the run".to_owned(), |own| format!("{own:?}"));
    let scenario = format!("the server's token lasts {own}");
    Err(contradiction(
        format!("a token that lasts {said:?}"),
        scenario,
    ))
}

/// Whether a line says that others can read the token file.
fn warns(line: &str) -> bool {
    line.to_lowercase().contains("token") && EXPOSED.is_match(line)
}

/// Starts a server whose token is in a file.
///
/// # Errors
/// If it does not start.
pub(crate) async fn start_with_token_file(scenario: &mut Scenario) -> StepResult {
    scenario.end_servers().await?;
    scenario.start_server(Setup::of(Mode::TokenFile)).await
}

/// Starts a server with a token of the form that a feature names.
///
/// # Errors
/// If it does not start, although it starts with another token. Not applicable if Vault makes no such token. Blocked if
/// Vault does not accept the token, or if the feature's words are unknown.
pub(crate) async fn start_with_token_of(scenario: &mut Scenario, words: &str) -> StepResult {
    let unknown = || StepEnd::blocked(format!("the step does not support {words:?}"));
    let token_form = TokenForm::named(words).ok_or_else(unknown)?;
    expect_accepted_by_vault(scenario, token_form).await?;
    scenario.end_servers().await?;
    let setup = Setup {
        token_form,
        ..Setup::default()
    };
    let Some(refusal) = scenario.try_to_start_server(setup).await? else {
        return Ok(());
    };
    if let Some(control) = scenario.try_to_start_server(Setup::default()).await? {
        return Err(StepEnd::blocked(format!(
            "the server does not start with another token, either: {control}"
        )));
    }
    let demanded = format!("the server starts with a token that is {words}");
    Err(scenario.failed(demanded, &refusal.to_string()))
}

/// Vault must make tokens of this form, and accept them.
async fn expect_accepted_by_vault(scenario: &mut Scenario, form: TokenForm) -> StepResult {
    let policy = scenario.path_of("probe");
    let token = match scenario.oracle.make_token_of(form, &policy).await {
        Ok(token) => token,
        Err(
            refused @ OracleError::Refused {
                status: 400 | 403, ..
            },
        ) => return Err(StepEnd::no_evidence(refused.to_string())),
        Err(error) => return Err(StepEnd::blocked(error)),
    };
    // The scenario knows the token from here on, so that it is always redacted.
    scenario.agents.further_tokens.push(token.clone());
    let lookup = VaultRequest::new("GET", "auth/token/lookup-self");
    let answer = scenario.oracle.ask(&token.secret, &lookup).await;
    match answer.map_err(StepEnd::blocked)?.status {
        200 => Ok(()),
        status => Err(StepEnd::blocked(format!(
            "Vault answers {status} to a token that it has made"
        ))),
    }
}

/// Starts a server with a token file in the state that a feature names.
///
/// # Errors
/// Blocked if the feature's words are unknown.
pub(crate) async fn start_with_odd_token_file(scenario: &mut Scenario, words: &str) -> StepResult {
    let state = match words {
        "is empty" => TokenFileState::Empty,
        "is not there" => TokenFileState::Missing,
        "others can read" => TokenFileState::Exposed,
        _ => return Err(StepEnd::blocked(format!("no token file {words}"))),
    };
    scenario.end_servers().await?;
    let mut setup = Setup::of(Mode::TokenFile);
    setup.token_file = state;
    let refusal = scenario.try_to_start_server(setup).await?;
    token_use::note_refusal(scenario, refusal);
    Ok(())
}

/// Writes another token to the file, and revokes the previous one.
///
/// # Errors
/// If Vault rejects a request, or the file cannot be written.
pub(crate) async fn change_token_file(scenario: &mut Scenario) -> StepResult {
    let old = scenario.token()?.clone();
    let new = scenario.oracle.make_token(&old.policy).await;
    let new = new.map_err(StepEnd::blocked)?;
    // The scenario knows the token from here on, so that it is always redacted.
    scenario.agents.further_tokens.push(new.clone());
    let changed = scenario.instance()?.change_token_file(&new.secret).await;
    changed.map_err(StepEnd::blocked)?;
    let revoked = scenario.oracle.revoke_token(&old).await;
    revoked.map_err(StepEnd::blocked)
}

/// The agent must soon receive the secret, read with the new token in the file.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_soon_given(scenario: &mut Scenario, path: &str) -> StepResult {
    let act = Act::read(scenario.mount()?, path);
    let missing = || StepEnd::blocked("the token file was not changed");
    let token = scenario.agents.further_tokens.last().ok_or_else(missing)?;
    let token = TokenPrint::of(&token.secret);
    let deadline = Instant::now() + SOON;
    loop {
        let passed = token_use::passed(scenario);
        scenario.let_agent(act.clone()).await?;
        if matches!(scenario.last()?.answer, Answer::Success(_)) {
            let asked = token_use::asked_since(scenario, passed)?;
            if asked.iter().all(|exchange| exchange.token == Some(token)) {
                return answered::expect_given(scenario);
            }
        }
        if Instant::now() > deadline {
            let expected = format!(
                "the secret, with the token that the file has now, within {} s",
                SOON.as_secs()
            );
            return Err(scenario.failed(expected, &scenario.last()?.answer.describe()));
        }
        sleep(GLANCE).await;
    }
}

/// The server's output outside the protocol, or why it did not start.
fn logged(scenario: &Scenario) -> StepResult<Vec<String>> {
    if let Some(why) = token_use::refusal(scenario) {
        return Ok(why.lines().map(str::to_owned).collect());
    }
    let lines = scenario.connection()?.transcript().lines();
    let logs = lines.into_iter();
    let logs = logs.filter(|line| matches!(line.speaker, Speaker::Log | Speaker::Noise));
    Ok(logs.map(|line| line.text).collect())
}

/// The server must have warned that others can read its token file, and must not warn about a file that they cannot
/// read.
///
/// # Errors
/// If it has not, or warns about every file.
pub(crate) async fn expect_exposure_told(scenario: &mut Scenario) -> StepResult {
    let begun = Instant::now();
    while !logged(scenario)?.iter().any(|line| warns(line)) {
        if begun.elapsed() > WARNED {
            let said = logged(scenario)?;
            let last = said.last().map_or("it said nothing", String::as_str);
            return Err(scenario.failed("a warning that others can read its token file", last));
        }
        sleep(GLANCE).await;
    }
    let took = begun.elapsed();
    token_use::note_refusal(scenario, None);
    start_with_token_file(scenario).await?;
    // Another warning would not take longer than the previous one.
    sleep(took.max(GLANCE)).await;
    match logged(scenario)?.iter().find(|line| warns(line)) {
        None => Ok(()),
        Some(line) => {
            let expected = "no such warning about a file that only its owner can read";
            Err(scenario.failed(expected, line))
        }
    }
}

/// Waits until Vault has removed a token that has the same TTL as the server's, is newer, and is not renewed.
///
/// # Errors
/// Blocked if the TTL of the server's token differs, or if Vault does not remove the token in time. Also blocked if
/// Vault has removed the server's token on a machine that is too busy for any server to renew it in time.
pub(crate) async fn outlive_token(scenario: &mut Scenario, ttl: Duration) -> StepResult {
    expect_lifetime(ttl, scenario.slot()?.kind.setup.token_ttl)?;
    let policy = scenario.token()?.policy.clone();
    let twin = scenario.oracle.make_renewable_token(&policy, ttl).await;
    let twin = twin.map_err(StepEnd::blocked)?;
    let deadline = Instant::now() + ttl + LATE;
    let lookup = VaultRequest::new("GET", "auth/token/lookup-self");
    let mut slowest = Duration::ZERO;
    loop {
        let begun = Instant::now();
        let answer = scenario.oracle.ask(&twin.secret, &lookup).await;
        if answer.map_err(StepEnd::blocked)?.denied() {
            break;
        }
        if Instant::now() > deadline {
            return Err(StepEnd::blocked(
                "Vault does not end a token that is not renewed",
            ));
        }
        sleep(GLANCE).await;
        slowest = slowest.max(begun.elapsed());
    }
    let has_token = scenario.oracle.has_token(scenario.token()?).await;
    if slowest > ttl / SWIFT && !has_token.map_err(StepEnd::blocked)? {
        return Err(StepEnd::blocked(format!(
            "this machine is too busy: a request to Vault took {:.1} s, so no server could renew a token of {} s in time",
            slowest.as_secs_f64(),
            ttl.as_secs()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{expect_lifetime, warns};
    use crate::verdict::StepEnd;

    #[test]
    fn a_token_of_another_lifetime_than_the_servers_is_a_contradiction() {
        let [one, five] = [1, 5].map(Duration::from_secs);
        assert_eq!(expect_lifetime(five, Some(five)), Ok(()));
        let contradiction = |own: &str| {
            let why = format!("the step is about a token that lasts 1s, but {own}");
            Err(StepEnd::blocked(why))
        };
        let other = contradiction("the server's token lasts 5s");
        assert_eq!(expect_lifetime(one, Some(five)), other);
        let none = contradiction("the server's token lasts as long as the run");
        assert_eq!(expect_lifetime(one, None), none);
    }

    #[test]
    fn a_warning_names_the_token_and_who_can_read_it() {
        for line in [
            "WARN the token file /t can be read by others than its owner: chmod 600 /t",
            "token file has insecure permissions 0644, expected 0600",
            "VAULT_TOKEN_FILE is world-readable",
        ] {
            assert!(warns(line), "{line}");
        }
        for line in [
            "reading the token from /t",
            "others can read /etc/hosts",
            "",
        ] {
            assert!(!warns(line), "{line}");
        }
    }
}
