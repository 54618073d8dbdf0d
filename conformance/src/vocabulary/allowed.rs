//! What Vault itself allows, checked with the agent's token.

use serde_json::Value;

use crate::{
    act::{Act, Effect},
    engines::pki,
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
    vocabulary::{
        given,
        kv::{KvState, kv},
    },
};

/// The result of an act's requests when the suite made them with the agent's token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DirectAnswer {
    /// Whether Vault allowed all of them.
    pub(crate) allowed: bool,
    /// Whether Vault allowed one that may have changed something.
    pub(crate) touched: bool,
}

/// Makes the requests of an act on Vault with the agent's token.
///
/// # Errors
/// If Vault gives no clear answer.
pub(crate) async fn ask_vault(scenario: &Scenario, act: &Act) -> StepResult<DirectAnswer> {
    let version = scenario
        .state::<KvState>()
        .mount
        .as_ref()
        .map_or(2, |kv| kv.version);
    let mut asked = DirectAnswer {
        allowed: true,
        touched: false,
    };
    let mut before = Value::Null;
    for request in act.operation.requests(&act.parameters, version) {
        let request = pki::continued(request, &before);
        let answer = scenario
            .oracle
            .ask(&scenario.token()?.secret, &request)
            .await;
        let answer = answer.map_err(StepEnd::blocked)?;
        if answer.denied() {
            asked.allowed = false;
            return Ok(asked);
        }
        if !answer.allowed() {
            let why = format!(
                "Vault answered {} to {}: {}",
                answer.status, request.path, answer.body
            );
            return Err(StepEnd::blocked(why));
        }
        asked.touched |= !request.reads();
        before = answer.body;
    }
    Ok(asked)
}

/// Whether Vault allows an act with the agent's token. The suite makes the act's requests, and undoes their changes.
///
/// # Errors
/// If Vault gives no clear answer.
pub(crate) async fn vault_allows(scenario: &mut Scenario, act: &Act) -> StepResult<bool> {
    if !ask_vault(scenario, act).await?.allowed {
        return Ok(false);
    }
    if let Effect::Written { path, .. } | Effect::Deleted { path, .. } = &act.effect {
        match scenario.ledger.holds.get(path).cloned() {
            Some(data) => given::store(scenario, path, data).await?,
            None => {
                let kv = kv(scenario)?;
                let purged = scenario
                    .oracle
                    .purge_secret(&kv.path, kv.version, path)
                    .await;
                purged.map_err(StepEnd::blocked)?;
            }
        }
    }
    Ok(true)
}
