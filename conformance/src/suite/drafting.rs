//! Finds out which tools of a server perform which operation, by calls on a Vault of the suite's own.

mod reads;
mod writes;

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use self::reads::Drafting;
use super::{Builder, SuiteError, prepared::Prepared, probes::is_somebodys};
use crate::{
    engines::Operation,
    init::{
        draft::TOKEN,
        findings::{Entry, Findings, names},
        guess::candidates,
        tools::forms,
    },
    plan::Spoken,
    rate::Rate,
    slot::{Slots, reach},
    target::Target,
    vault::{
        dedicated::DedicatedVaults,
        oracle::Oracle,
        provider::{Vault, VaultChoice},
    },
};

/// How many calls are tried for one operation.
const MOST_CALLS: usize = 8;
/// The headers in which a server may expect the token, one after the other.
const TOKEN_HEADERS: [(&str, &str); 2] = [
    ("X-Vault-Token", "{vault_token}"),
    ("Authorization", "Bearer {vault_token}"),
];
/// The limits on calls to which the suite keeps if a server rejects calls as too many, one after the other.
const LIMITS: [(u32, u32); 3] = [(5, 10), (2, 4), (1, 1)];

/// How an attempt differs from the draft.
#[derive(Clone, Default)]
struct Attempt {
    headers: BTreeMap<String, String>,
    limit: Option<Rate>,
}

/// The result of an attempt.
enum Attempted {
    Found(Box<Findings>),
    /// The server rejected a call as one too many.
    Limited,
}

impl Builder {
    /// Starts the target, and finds out which of its tools perform which operation.
    ///
    /// # Errors
    /// As [`Builder::check`].
    pub async fn draft(self) -> Result<Findings, SuiteError> {
        let mut prepared = self.prepare().await?;
        let is_remote = prepared.target.adapter.remote.is_some();
        if is_remote && prepared.vault.choice != VaultChoice::External {
            return prepared.list_tools().await;
        }
        let vault = prepared.start_vault().await?;
        let found = prepared.draft_on(&vault).await;
        let stopped = vault.stop().await;
        stopped.map_err(|error| prepared.unusable(&error))?;
        found
    }
}

impl Prepared {
    /// What the names of the tools show, without a call: the Vault of the server is not known.
    async fn list_tools(&self) -> Result<Findings, SuiteError> {
        let transport = self.transports.first().copied();
        let transport = transport.ok_or_else(|| self.unusable(&"the draft has no transport"))?;
        let reached = reach(&self.target.adapter, transport, None, None);
        let reached = self.interrupt.run_until_cancelled(reached).await;
        let slot = match reached {
            None => return Err(self.interrupted()),
            Some(Err(problem)) => return Err(self.unusable(&problem)),
            Some(Ok(slot)) => slot,
        };
        let tools = &slot.instance.tools;
        let forms = forms(tools);
        let guessed = Operation::ALL.into_iter().filter_map(|operation| {
            Entry::unconfirmed(operation, &candidates(operation, &forms), &[])
        });
        Ok(Findings {
            tools: names(tools),
            entries: guessed.collect(),
            untried: Some(
                "the server already runs, with a Vault that is not known: nothing was called"
                    .to_owned(),
            ),
            ..Findings::default()
        })
    }

    async fn draft_on(&mut self, vault: &Vault) -> Result<Findings, SuiteError> {
        let plain = Arc::clone(&self.target);
        let mut attempt = Attempt::default();
        let mut limits = LIMITS.into_iter().filter_map(|(per_second, burst)| {
            let (per_second, burst) = (NonZeroU32::new(per_second)?, NonZeroU32::new(burst)?);
            Some(Rate { per_second, burst })
        });
        let mut headers = TOKEN_HEADERS.iter();
        loop {
            self.target = Arc::new(attempt.apply(&plain));
            let (oracle, slots) = self.stage(vault)?;
            let work = self.attempt(vault, &oracle, &slots);
            let looked = self.interrupt.run_until_cancelled(work).await;
            let mut left = slots.close().await;
            left.extend(oracle.clean_up().await);
            let looked = looked.ok_or_else(|| self.interrupted())?;
            if !left.is_empty() {
                return Err(self.unusable(&left.join("\n")));
            }
            let takes_headers = self.target.adapter.http.is_some();
            let (is_limited, is_refused) = match &looked {
                Ok(Attempted::Limited) => (true, false),
                Ok(Attempted::Found(found)) => {
                    (false, found.uses_token != Some(true) && takes_headers)
                }
                Err(problem) => (
                    false,
                    takes_headers && ["401", "403"].iter().any(|status| problem.contains(status)),
                ),
            };
            if is_limited && let Some(limit) = limits.next() {
                attempt.limit = Some(limit);
                continue;
            }
            if is_refused && let Some((name, value)) = headers.next() {
                attempt.headers = BTreeMap::from([((*name).to_owned(), (*value).to_owned())]);
                continue;
            }
            return match looked {
                Err(problem) => Err(self.unusable(&problem)),
                Ok(Attempted::Limited) => {
                    Err(self.unusable(&"the server rejects even one call a second as too many"))
                }
                Ok(Attempted::Found(mut found)) => {
                    found.limit = attempt.limit;
                    if found.uses_token == Some(true) {
                        found.headers = attempt.headers;
                    }
                    Ok(*found)
                }
            };
        }
    }

    /// Starts the target, lists its tools, and tries them out.
    async fn attempt(
        &self,
        vault: &Vault,
        oracle: &Arc<Oracle>,
        slots: &Arc<Slots>,
    ) -> Result<Attempted, String> {
        let Some(&transport) = self.transports.first() else {
            return Err("the draft has no transport".to_owned());
        };
        let slot = slots.try_out(transport, None).await;
        let slot = slot.map_err(|problem| problem.to_string())?;
        let _step = self.progress.step("trying out the tools".to_owned());
        let tools = slot.instance.tools.clone();
        let forms = forms(&tools);
        let mut drafting = Drafting {
            prepared: self,
            oracle,
            slots,
            forms: &forms,
            mount: None,
            found: Findings {
                tools: names(&tools),
                ..Findings::default()
            },
            is_closed: is_somebodys(vault),
        };
        let revision = slot.kind.revision;
        let outcome = drafting.reads(slot).await?;
        let Some(slot) = outcome else {
            return Ok(Attempted::Limited);
        };
        drafting.found.uses_token = slot.uses_its_token();
        slots.give_back(slot).await?;
        if drafting.is_closed {
            drafting.found.untried =
                Some("somebody else runs this Vault: tools that write were not called".to_owned());
        }
        let plan = self.plan(&[Spoken::alone(transport, revision)]);
        if let Some(planned) = plan.first()
            && !drafting
                .writes(planned, &DedicatedVaults::like(vault))
                .await?
        {
            return Ok(Attempted::Limited);
        }
        let mut found = drafting.found;
        found.mount = drafting.mount;
        found.entries.sort_by_key(|entry| entry.operation);
        Ok(Attempted::Found(Box::new(found)))
    }
}

impl Attempt {
    fn apply(&self, target: &Target) -> Target {
        let mut target = target.clone();
        if let Some(http) = &mut target.adapter.http {
            http.headers.extend(self.headers.clone());
            if !self.headers.is_empty() {
                http.env.retain(|_, value| value != TOKEN);
            }
        }
        target.adapter.limits.session = self.limit;
        target
    }
}
