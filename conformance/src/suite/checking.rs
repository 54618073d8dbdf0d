//! Validates an adapter against the running server, with a Vault that runs.

use std::sync::Arc;

use super::{Builder, SuiteError, prepared::Prepared};
use crate::{
    check::Checked,
    slot::{SlotError, Slots},
    vault::{oracle::Oracle, provider::Vault},
};

impl Builder {
    /// Validates the adapter against the running target, with a Vault that is started for this.
    ///
    /// # Errors
    /// As [`Builder::run`].
    pub async fn check(self) -> Result<Checked, SuiteError> {
        let prepared = self.prepare().await?;
        let vault = prepared.start_vault().await?;
        let checked = prepared.check_on(&vault).await;
        let stopped = vault.stop().await;
        stopped.map_err(|error| prepared.unusable(&error))?;
        checked
    }
}

impl Prepared {
    async fn check_on(&self, vault: &Vault) -> Result<Checked, SuiteError> {
        let (oracle, slots) = self.stage(vault)?;
        let work = self.look(vault, &oracle, &slots);
        let looked = self.interrupt.run_until_cancelled(work).await;
        let mut left = slots.close().await;
        left.extend(oracle.clean_up().await);
        match looked {
            None => Err(self.interrupted()),
            Some(Err(problem)) => Err(self.unusable(&problem)),
            Some(Ok(_)) if !left.is_empty() => Err(self.unusable(&left.join("\n"))),
            Some(Ok(checked)) => Ok(checked),
        }
    }

    async fn look(
        &self,
        vault: &Vault,
        oracle: &Arc<Oracle>,
        slots: &Arc<Slots>,
    ) -> Result<Checked, String> {
        let adapter = &self.target.adapter;
        let mut checked = Checked::of(adapter);
        for &transport in &self.transports {
            let slot = match slots.try_out(transport, None).await {
                Ok(slot) => slot,
                // The other transport may have more to say.
                Err(SlotError::Target(problem)) => {
                    checked.note_unusable(transport, &problem.to_string());
                    continue;
                }
                Err(problem) => return Err(problem.to_string()),
            };
            checked.transports.push(transport.to_string());
            checked.hold_against(adapter, &slot.instance.tools);
            for version in adapter.kv_versions.iter().copied() {
                checked.note_trials(self.try_reads(vault, oracle, &slot, version).await?);
            }
            let is_used = checked.note_requests(adapter, &slot);
            checked.note_noise(&slot);
            let way = (transport, slot.instance.server.revision);
            slots.give_back(slot).await?;
            if !is_used {
                continue;
            }
            let tried = self.try_writes(vault, oracle, slots, way).await?;
            checked.note_trials(tried);
        }
        checked.note_limits(adapter);
        checked.note_kv_versions();
        checked.leave_out_consequences();
        match checked.transports.is_empty() {
            true => Err(checked.unusable.join("\n")),
            false => Ok(checked),
        }
    }
}
