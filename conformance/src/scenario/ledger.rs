//! Which secret values exist in a scenario, and who may know them.

use secrecy::ExposeSecret as _;

use crate::{
    certificate::{Certificate, private_keys_in, secret_lines},
    scenario::Scenario,
    target::answer::Answer,
};

/// Keys in what was said, with the certificates that they are for, are secrets: no later
/// answer and no log may have them.
pub(crate) fn remember_keys(scenario: &mut Scenario, said: &str, known_to_agent: bool) {
    let certificates = Certificate::all_in(said);
    for key in private_keys_in(said) {
        for line in secret_lines(&key, &certificates) {
            scenario.remember("private key", line.expose_secret(), known_to_agent);
        }
    }
}

/// Remembers what the agent was just given.
pub(crate) fn take_note(scenario: &mut Scenario, answer: &Answer) {
    if let Answer::Success(success) = answer {
        let whole = success.whole.clone();
        remember_keys(scenario, &whole, true);
    }
}
