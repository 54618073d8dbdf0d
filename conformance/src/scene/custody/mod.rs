//! Whose token acts: tokens that each request brings in [`requests`], tokens in files and tokens that are
//! renewed in [`own`].

pub mod own;
pub mod requests;

use secrecy::SecretString;

use super::Scene;
use crate::{
    mcp::connection::Said,
    tap::{Exchange, Tap, TokenPrint},
    target::{answer::Answer, instance::Bare},
    vault::oracle::Token,
    verdict::{StepResult, Stop},
};

/// Whose tokens there are besides the servers' own, and what came of them.
#[derive(Default)]
pub struct Custody {
    /// Another client, who brings the last of these tokens.
    other: Option<Bare>,
    /// What came of what both asked at once.
    side_by_side: Option<requests::SideBySide>,
    /// The tools as each of both was told them.
    lists: Vec<serde_json::Value>,
    /// What the other client, or nobody, was told.
    told: Option<Told>,
    /// Why the last server did not start, if it did not.
    pub(super) refusal: Option<String>,
}

/// What came of asking for a secret.
struct Told {
    answer: Asked,
    /// How many requests had passed the tap before.
    passed: usize,
}

enum Asked {
    /// As a client does.
    Plainly(Answer),
    /// As no client does.
    Raw(Said),
}

impl Asked {
    fn is_success(&self) -> bool {
        match self {
            Self::Plainly(answer) => matches!(answer, Answer::Success(_)),
            Self::Raw(said) => said.success().is_some(),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Plainly(answer) => answer.describe(),
            Self::Raw(said) => said.describe(),
        }
    }
}

impl Scene {
    /// The tokens that a server may act with besides its own.
    #[must_use]
    pub fn further_tokens(&self) -> &[Token] {
        &self.further_tokens
    }

    fn passed(&self) -> usize {
        self.tap().map_or(0, Tap::passed)
    }

    /// The requests about the scene's mounts since so many had passed.
    fn asked_since(&self, passed: usize) -> StepResult<Vec<Exchange>> {
        let exchanges = self.tap()?.exchanges().into_iter().skip(passed);
        Ok(exchanges
            .filter(|exchange| exchange.path.contains(&self.prefix))
            .collect())
    }

    /// The first request since so many had passed that brought this token, or any where none is named.
    fn brought_since(
        &self,
        passed: usize,
        token: Option<&SecretString>,
    ) -> StepResult<Option<Exchange>> {
        let wanted = token.map(TokenPrint::of);
        let brought = |exchange: &Exchange| match wanted {
            Some(_) => exchange.token == wanted,
            None => exchange.token.is_some(),
        };
        Ok(self.asked_since(passed)?.into_iter().find(brought))
    }

    /// A secret was asked for: that must have been an error, without a value.
    fn expect_not_given(&self) -> StepResult<&Told> {
        let missing = || Stop::blocked("nobody asked for the secret yet");
        let told = self.state::<Custody>().told.as_ref().ok_or_else(missing)?;
        let seen = told.answer.describe();
        if told.answer.is_success() {
            return Err(self.failed("an error", &seen));
        }
        if let Some(label) = self.all_values().found_in(&seen) {
            return Err(self.failed("an error without a value", &format!("the {label}")));
        }
        Ok(told)
    }

    /// A secret was asked for: that must have been an error, for which no token was used.
    ///
    /// # Errors
    /// When it was none, or one was.
    pub fn expect_no_token_used(&self) -> StepResult {
        let told = self.expect_not_given()?;
        let used = self.brought_since(told.passed, None)?;
        self.expect_unused(used, "no request to Vault with any token")
    }

    /// A secret was asked for: that must have been an error, for which the agent's token was not used.
    ///
    /// # Errors
    /// When it was none, or that token was used.
    pub fn expect_agents_token_unused(&self) -> StepResult {
        let told = self.expect_not_given()?;
        let used = self.brought_since(told.passed, Some(&self.token()?.secret))?;
        self.expect_unused(used, "no request to Vault with the agent's token")
    }

    fn expect_unused(&self, used: Option<Exchange>, expected: &str) -> StepResult {
        match used {
            None => Ok(()),
            Some(Exchange {
                method,
                path,
                status,
                ..
            }) => {
                let seen = format!("{method} {path}, which Vault answered with {status}");
                Err(self.failed(expected, &seen))
            }
        }
    }

    /// The server must not have started, or the agent be told of an error for which no token was used.
    ///
    /// # Errors
    /// When it acts; blocked when the scenario made no such secret.
    pub async fn expect_refusal_or_error(&mut self, path: &str) -> StepResult {
        let act = self.reading(path)?;
        if self.state::<Custody>().refusal.is_some() {
            return Ok(());
        }
        let passed = self.passed();
        self.let_agent(act).await?;
        let answer = Asked::Plainly(self.last()?.answer.clone());
        self.state_mut::<Custody>().told = Some(Told { answer, passed });
        self.expect_no_token_used()
    }
}
