//! Calls with which the suite tries out an adapter, on mounts of its own, before anything is tested.

use std::sync::Arc;

use super::{
    pointers::judge,
    prepared::Prepared,
    samples::{Sample, Samples, grant, remove_own_mounts},
};
use crate::{
    check::{Fault, Trial, mismatches},
    engines::{Operation, kv::Kv},
    instance::{
        answer::{Arguments, ToolCall},
        setup::Setup,
    },
    plan::Spoken,
    scenario::Scenario,
    slot::{Slot, SlotError, Slots},
    transport::{Revision, TransportKind},
    vault::{
        dedicated::DedicatedVaults,
        oracle::{Oracle, OracleError},
        provider::{Vault, VaultProvider},
    },
    verdict::{StepEnd, StepResult},
    vocabulary::{answered, effect, given, stage},
};

impl Prepared {
    /// What proves that the adapter is wrong, one sentence each: an argument that the tool's schema lacks, types
    /// otherwise or requires, or a pointer beside the value that Vault holds. All else is left to the scenarios.
    ///
    /// # Errors
    /// If Vault rejects a request, or a slot cannot be returned.
    pub(super) async fn disproof(
        &self,
        vault: &Vault,
        oracle: &Oracle,
        slots: &Slots,
    ) -> Result<Vec<String>, String> {
        let adapter = &self.target.adapter;
        let Some(&transport) = self.transports.first() else {
            return Ok(Vec::new());
        };
        let slot = match slots.try_out(transport, self.revision).await {
            Ok(slot) => slot,
            // It started before. The scenarios show what happened to it.
            Err(SlotError::Target(_)) => return Ok(Vec::new()),
            Err(problem) => return Err(problem.to_string()),
        };
        let mut proofs = mismatches(adapter, &slot.instance);
        let version = adapter.kv_versions.last().copied().unwrap_or(2);
        let tried = self.try_reads(vault, oracle, &slot, version).await;
        slots.give_back(slot).await?;
        let proven = tried?.into_iter().filter(|trial| trial.is_proof);
        proofs.extend(proven.map(|trial| format!("{}: {}", trial.operation, trial.text)));
        Ok(proofs)
    }

    /// Performs each mapped operation that only reads once, on mounts of the suite's own.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub(super) async fn try_reads(
        &self,
        vault: &Vault,
        oracle: &Oracle,
        slot: &Slot,
        version: u8,
    ) -> Result<Vec<Trial>, String> {
        let mount = match &self.target.adapter.mount {
            None => own_mount(oracle),
            Some(_) if is_somebodys(vault) => return Ok(Vec::new()),
            Some(fixed) => fixed.clone(),
        };
        let in_vault = |error: OracleError| error.to_string();
        remove_own_mounts(oracle, &mount).await.map_err(in_vault)?;
        let tried = self.try_reads_in(oracle, slot, (&mount, version)).await;
        remove_own_mounts(oracle, &mount).await.map_err(in_vault)?;
        tried
    }

    async fn try_reads_in(
        &self,
        oracle: &Oracle,
        slot: &Slot,
        (mount, version): (&str, u8),
    ) -> Result<Vec<Trial>, String> {
        let in_vault = |error: OracleError| error.to_string();
        let is_newest = self.target.adapter.kv_versions.last() == Some(&version);
        grant(oracle, slot, mount).await.map_err(in_vault)?;
        let samples = Samples::make(oracle, mount, version).await;
        let samples = samples.map_err(in_vault)?;
        let mut secrets = slot.secrets();
        secrets.extend(samples.secrets.clone());
        let mut trials = Vec::new();
        for Sample {
            operation,
            parameters,
            expected,
            canary,
        } in samples.all(self.target.adapter.mount.is_some())
        {
            let adapter = &self.target.adapter;
            let is_tried = match operation {
                Operation::Kv(Kv::ReadVersion | Kv::Metadata) => version == 2,
                Operation::Kv(_) => true,
                // They do not depend on the version.
                Operation::Mounts(_) | Operation::Pki(_) => is_newest,
            };
            if !adapter.operations.contains_key(&operation) || !is_tried {
                continue;
            }
            let instance = &slot.instance;
            let call = ToolCall::new(
                adapter,
                instance,
                operation,
                &parameters,
                version,
                Arguments::All,
            );
            let judged = match call {
                Ok(call) => {
                    let (answer, _) = call.make(&instance.connection).await;
                    let has_facts = version == 2 || !matches!(operation, Operation::Kv(_));
                    judge(
                        operation,
                        call.shape(),
                        &answer,
                        (&expected.data, &canary),
                        has_facts,
                    )
                }
                // The findings already contain a missing tool.
                Err(StepEnd::Failed { .. } | StepEnd::NotApplicable { .. }) => continue,
                Err(StepEnd::Blocked { why }) => return Err(why),
            };
            let (lost, text) = match judged {
                Ok(found) => (None, found),
                Err(lost) => {
                    let field = match operation {
                        Operation::Kv(_) if adapter.kv_versions.len() > 1 => {
                            format!("result.v{version}")
                        }
                        _ => "result".to_owned(),
                    };
                    let proposal = lost.proposal.map(|table| {
                        format!("; what Vault holds would be found by {field} = {table}")
                    });
                    let text = lost.text + &proposal.unwrap_or_default();
                    (Some((lost.fault, lost.is_proof)), text)
                }
            };
            trials.push(Trial {
                operation: operation.name(),
                transport: slot.kind.transport.to_string(),
                kv_version: matches!(operation, Operation::Kv(_)).then_some(version),
                found: lost.is_none(),
                fault: lost.map(|(fault, _)| fault),
                is_proof: lost.is_some_and(|(_, is_proof)| is_proof),
                text: secrets.redact(&text),
            });
        }
        Ok(trials)
    }
}

impl Prepared {
    /// Performs each mapped operation that writes once, on mounts of the suite's own, and looks for its effect in
    /// Vault.
    ///
    /// # Errors
    /// If Vault rejects a request, or the server does not start.
    pub(super) async fn try_writes(
        &self,
        vault: &Vault,
        oracle: &Arc<Oracle>,
        slots: &Arc<Slots>,
        (transport, revision): (TransportKind, Revision),
    ) -> Result<Vec<Trial>, String> {
        let adapter = &self.target.adapter;
        let plan = self.plan(&[Spoken::alone(transport, revision)]);
        let Some(planned) = plan.first() else {
            return Ok(Vec::new());
        };
        // The objects of an operation on secrets are made in a mount of version 2.
        let is_closed = adapter.mount.is_some() && is_somebodys(vault);
        let can_be_tried = |operation: &Operation| match operation {
            Operation::Kv(_) => adapter.kv_versions.contains(&2) && !is_closed,
            Operation::Mounts(_) | Operation::Pki(_) => true,
        };
        let writes = adapter.operations.keys().copied();
        let mut writes = writes.filter(|operation| !operation.reads() && can_be_tried(operation));
        let mut left: Vec<_> = writes.by_ref().collect();
        left.reverse();
        let own_vaults = DedicatedVaults::like(vault);
        let mut trials = Vec::new();
        // A call without answer makes a server useless for the others.
        while !left.is_empty() {
            let mut scenario = Scenario::new(
                Arc::clone(planned),
                Arc::clone(&self.target),
                Arc::clone(slots),
                Arc::clone(oracle),
                self.seed,
            );
            scenario.prefix = format!("{}-", own_mount(oracle));
            let tried = try_writes_in(&mut scenario, &mut left, &mut trials).await;
            let removed = oracle.remove_mounts(&scenario.prefix).await;
            let reusable = !scenario.calls.is_unanswered();
            let not_released = scenario.release(&own_vaults, reusable).await;
            tried?;
            removed.map_err(|error| error.to_string())?;
            if !not_released.is_empty() {
                return Err(not_released.join("; "));
            }
        }
        Ok(trials)
    }
}

/// Performs these operations, the last one first, until a call has no answer.
async fn try_writes_in(
    scenario: &mut Scenario,
    left: &mut Vec<Operation>,
    trials: &mut Vec<Trial>,
) -> Result<(), String> {
    if let Err(stop) = scenario.start_server(Setup::default()).await {
        left.clear();
        return match stop {
            StepEnd::Blocked { why } => Err(why),
            StepEnd::Failed { .. } | StepEnd::NotApplicable { .. } => Ok(()),
        };
    }
    let prefix = scenario.prefix.clone();
    while let Some(operation) = left.pop() {
        scenario.prefix = format!("{prefix}{}-", left.len());
        given::forget_mounts(scenario);
        let outcome = try_write(scenario, operation).await;
        scenario.prefix.clone_from(&prefix);
        let (found, text) = match outcome {
            Ok(()) => (
                true,
                "the server reports success, and Vault has the effect".to_owned(),
            ),
            Err(StepEnd::Failed { expected, actual }) => {
                (false, format!("expected {expected}, saw {actual}"))
            }
            Err(StepEnd::NotApplicable { .. }) => continue,
            Err(StepEnd::Blocked { why }) => return Err(why),
        };
        trials.push(Trial {
            operation: operation.name(),
            transport: scenario.planned.transport.to_string(),
            kv_version: matches!(operation, Operation::Kv(_)).then_some(2),
            found,
            fault: (!found).then_some(Fault::Server),
            is_proof: false,
            text,
        });
        if scenario.calls.is_unanswered() {
            break;
        }
    }
    Ok(())
}

async fn try_write(scenario: &mut Scenario, operation: Operation) -> StepResult {
    stage::let_agent_do(scenario, operation).await?;
    answered::expect_success(scenario)?;
    effect::expect_effect(scenario).await
}

/// Whether somebody else runs this Vault. A mount there that the suite did not make can hold secrets.
pub(super) fn is_somebodys(vault: &Vault) -> bool {
    vault.identity().provider == VaultProvider::External
}

/// A new name for a mount.
pub(super) fn own_mount(oracle: &Oracle) -> String {
    let number = rand::random::<u32>();
    format!("{}check-{number:08x}", oracle.prefix())
}
