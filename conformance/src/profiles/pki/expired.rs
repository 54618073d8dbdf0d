//! Certificates that have expired. Vault answers their revocation with success and a warning, and puts nothing on its
//! revocation list.

use std::{sync::LazyLock, time::Duration};

use regex::Regex;
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};

use crate::{
    instance::answer::Answer,
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
    vocabulary::pki::pki,
};

/// How long the suite waits at most for a certificate that is valid for a second.
const LONGEST: Duration = Duration::from_secs(10);
/// The interval between two looks at the clock.
const GLANCE: Duration = Duration::from_millis(50);

/// What says that a certificate was not revoked, or why.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static NOT_REVOKED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
            r#"(?i)\bexpired\b|(?:not|n't|cannot)\b[^.]*\brevoked|refus|no longer valid|"revoked": ?false"#,
        )
        .unwrap()
});

/// What says that a certificate was revoked.
#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static REVOKED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)revoked|revocation (?:was|is|has) ").unwrap());

/// Waits until the scenario's certificate has expired.
///
/// # Errors
/// Blocked if it does not expire.
pub(super) async fn wait_for_end(scenario: &Scenario) -> StepResult {
    let certificate = pki(scenario)?.earlier.as_ref();
    let missing = || StepEnd::blocked("the scenario made no certificate");
    let end = certificate.ok_or_else(missing)?.not_after();
    let expires = async {
        while OffsetDateTime::now_utc() <= end {
            sleep(GLANCE).await;
        }
    };
    let waited = timeout(LONGEST, expires).await;
    waited.map_err(|_| StepEnd::blocked(format!("the certificate is valid until {end}")))
}

/// The agent must not have learned that a certificate was revoked. An error, an answer that does not say so, and one that
/// gives the reason will do.
///
/// # Errors
/// If a success says that the certificate was revoked.
pub(super) fn expect_not_told_as_revoked(scenario: &Scenario) -> StepResult {
    let answer = &scenario.last()?.answer;
    let Answer::Success(success) = answer else {
        return Ok(());
    };
    let said = &success.whole;
    match REVOKED.is_match(said) && !NOT_REVOKED.is_match(said) {
        false => Ok(()),
        true => Err(scenario.failed(
            "an error, or a note that the certificate had expired",
            &answer.describe(),
        )),
    }
}
