//! Which token a server uses: [`requests`] that each carry a token, and the server's [`own`] token, which is read from
//! a file or renewed.

pub(crate) mod own;
pub(crate) mod requests;
mod steps;

use crate::{
    instance::RawConnection, scenario::Scenario, verdict::StepResult, vocabulary::token_use,
};

/// Tokens other than the servers' own, and the results of their use.
#[derive(Default)]
pub(crate) struct VaultToken {
    /// The other client, which sends the last of these tokens.
    other: Option<RawConnection>,
    /// The results of concurrent calls of both clients.
    side_by_side: Option<requests::SideBySide>,
    /// The list of tools that each of the two clients received.
    lists: Vec<serde_json::Value>,
}

/// The request for a secret must have returned an error, and the agent's token must not have been used for it.
///
/// # Errors
/// If it returned no error, or that token was used.
pub(crate) fn expect_agents_token_unused(scenario: &Scenario) -> StepResult {
    let told = token_use::expect_not_given(scenario)?;
    let used = token_use::brought_since(scenario, told.passed, Some(&scenario.token()?.secret))?;
    token_use::expect_unused(scenario, used, "no request to Vault with the agent's token")
}
