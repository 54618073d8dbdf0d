//! Which token a server uses: [`requests`] that each carry a token, and the server's [`own`] token, which is read from
//! a file or renewed.

pub(crate) mod own;
pub(crate) mod requests;
mod steps;

use crate::{
    instance::RawConnection, scenario::Scenario, verdict::StepResult, vocabulary::token_use,
};

/// Whose tokens there are besides the servers' own, and what came of them.
#[derive(Default)]
pub(crate) struct VaultToken {
    /// Another client, who brings the last of these tokens.
    other: Option<RawConnection>,
    /// What came of what both asked at once.
    side_by_side: Option<requests::SideBySide>,
    /// The list of tools that each of the two clients received.
    lists: Vec<serde_json::Value>,
}

/// A secret was asked for: that must have been an error, for which the agent's token was not used.
///
/// # Errors
/// When it was none, or that token was used.
pub(crate) fn expect_agents_token_unused(scenario: &Scenario) -> StepResult {
    let told = token_use::expect_not_given(scenario)?;
    let used = token_use::brought_since(scenario, told.passed, Some(&scenario.token()?.secret))?;
    token_use::expect_unused(scenario, used, "no request to Vault with the agent's token")
}
