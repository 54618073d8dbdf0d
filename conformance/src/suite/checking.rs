//! Checking an adapter on a Vault that is up.

use serde_json::{Value, json};

use super::{Builder, SuiteError, prepared::Prepared};
use crate::{
    check::{Checked, Trial},
    redact::Secrets,
    slot::{Slot, Slots},
    target::{
        answer::{Answer, Data, perform},
        operation::{Operation, Parameters},
    },
    vault::{
        oracle::Oracle,
        policy,
        provider::{self, Vault},
    },
    verdict::Stop,
};

/// The secret that is read.
const SECRET: &str = "app/check";
/// The folder that it lies in, and its name there.
const FOLDER: &str = "app";
const NAME: &str = "check";
const KEY: &str = "password";

impl Builder {
    /// Holds the target's adapter against the target, on a Vault that is started for it.
    ///
    /// # Errors
    /// As [`Builder::run`].
    pub async fn check(self) -> Result<Checked, SuiteError> {
        let prepared = self.prepare().await?;
        prepared.check_vault()?;
        let interrupt = prepared.interrupt.clone();
        let started = provider::start(&prepared.vault, &prepared.progress);
        let vault = match interrupt.run_until_cancelled(started).await {
            Some(Ok(vault)) => vault,
            Some(Err(error)) => return Err(prepared.unusable(&error)),
            None => return Err(prepared.interrupted()),
        };
        let checked = prepared.check_on(&vault).await;
        let stopped = vault.stop().await;
        stopped.map_err(|error| prepared.unusable(&error))?;
        checked
    }
}

impl Prepared {
    async fn check_on(&self, vault: &Vault) -> Result<Checked, SuiteError> {
        let (oracle, slots) = self.stage(vault)?;
        let work = self.look(&oracle, &slots);
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

    async fn look(&self, oracle: &Oracle, slots: &Slots) -> Result<Checked, String> {
        let adapter = &self.target.adapter;
        let mut checked = Checked::of(adapter);
        for &transport in &self.transports {
            let slot = slots.lease(transport).await?;
            checked.transports.push(transport.to_string());
            checked.hold_against(adapter, &slot.instance.tools);
            let number = rand::random::<u32>();
            let mount = format!("{}check-{number:08x}-{transport}", oracle.prefix());
            let tried = self.try_reads(oracle, &slot, &mount).await;
            oracle
                .remove_mounts(&mount)
                .await
                .map_err(|error| error.to_string())?;
            checked.trials.extend(tried?);
            slots.give_back(slot);
        }
        Ok(checked)
    }

    /// Carries out each reading operation that is mapped once.
    async fn try_reads(
        &self,
        oracle: &Oracle,
        slot: &Slot,
        mount: &str,
    ) -> Result<Vec<Trial>, String> {
        let in_vault = |error: crate::vault::oracle::OracleError| error.to_string();
        if let Some(token) = &slot.token {
            let hcl = policy::sufficient(mount);
            oracle
                .write_policy(&token.policy, &hcl)
                .await
                .map_err(in_vault)?;
        }
        let value = format!("{:016x}", rand::random::<u64>());
        let secret = json!({ KEY: value });
        oracle.make_kv_mount(mount, 2).await.map_err(in_vault)?;
        let data = secret.as_object().cloned().unwrap_or_default();
        oracle
            .write_secret(mount, 2, SECRET, &data)
            .await
            .map_err(in_vault)?;
        let mut secrets = Secrets::default();
        secrets.add(format!("value of {KEY}"), value.clone().into());
        if let Some(token) = &slot.token {
            secrets.add("server's Vault token", token.secret.clone());
        }
        for credential in &slot.instance.credentials {
            secrets.add("client's credential", credential.clone());
        }
        let mut trials = Vec::new();
        for (operation, path, expected) in [
            (Operation::MountsList, "", json!([format!("{mount}/")])),
            (Operation::KvList, FOLDER, json!([NAME])),
            (Operation::KvListAll, "", json!([SECRET])),
            (Operation::KvRead, SECRET, secret.clone()),
            (Operation::KvReadVersion, SECRET, secret),
            (Operation::KvMetadata, SECRET, Value::Null),
        ] {
            let adapter = &self.target.adapter;
            if !adapter.operations.contains_key(&operation) {
                continue;
            }
            let mut parameters = Parameters::new();
            for name in operation.parameters() {
                let parameter = match *name {
                    "mount" => json!(mount),
                    "path" => json!(path),
                    _ => json!(1),
                };
                parameters.insert((*name).to_owned(), parameter);
            }
            let answer = perform(
                adapter,
                &slot.instance.tool_names,
                &slot.instance.connection,
                operation,
                &parameters,
            )
            .await;
            let judged = match answer {
                Ok(answer) => judge(operation, &answer, &expected),
                // A tool that is missing is among the findings already.
                Err(Stop::Failed { .. } | Stop::NotApplicable { .. }) => continue,
                Err(Stop::Blocked { why }) => return Err(why),
            };
            let (found, text) = judged;
            trials.push(Trial {
                operation: operation.name(),
                transport: slot.transport.to_string(),
                found,
                text: secrets.redact(&text),
            });
        }
        Ok(trials)
    }
}

/// Whether an answer has what is expected, and what to say of it.
fn judge(operation: Operation, answer: &Answer, expected: &Value) -> (bool, String) {
    let Answer::Success(success) = answer else {
        return (false, format!("the server gave {}", answer.describe()));
    };
    if expected.is_null() {
        return facts(operation, answer);
    }
    let right = match &success.data {
        Data::Json(Value::Array(names)) if operation.lists() => {
            let bare = |name: &Value| name.as_str().map(|name| name.trim_matches('/').to_owned());
            let wanted = expected.get(0).and_then(bare);
            names.iter().any(|name| bare(name) == wanted)
        }
        Data::Json(data) => data == expected,
        Data::Prose(text) => expected
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::values)
            .chain(expected.as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .all(|value| text.contains(value.trim_end_matches('/'))),
        Data::Unusable(why) => return (false, clip(&format!("the adapter finds nothing: {why}"))),
    };
    let (what, whole) = (clip(&answer.describe()), clip(&success.whole));
    match right {
        true => (true, "the adapter finds the data".to_owned()),
        false => (
            false,
            format!(
                "the adapter finds {what} where Vault holds {expected}; the whole result is {whole}"
            ),
        ),
    }
}

/// As much of a text as helps.
fn clip(text: &str) -> String {
    const ENOUGH: usize = 600;
    match text.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Which of the facts that the adapter points to are there.
fn facts(operation: Operation, answer: &Answer) -> (bool, String) {
    let Answer::Success(success) = answer else {
        return (false, answer.describe());
    };
    if let Data::Unusable(why) = &success.data {
        return (false, why.clone());
    }
    let found: Vec<_> = success.facts.keys().map(String::as_str).collect();
    let known = operation.facts().join(", ");
    match found.as_slice() {
        [] => (
            false,
            format!(
                "the adapter finds none of its facts ({known}); the whole result is {}",
                clip(&success.whole)
            ),
        ),
        found => (
            true,
            format!("the adapter finds the facts {}", found.join(", ")),
        ),
    }
}
