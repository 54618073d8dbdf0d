//! Validates an adapter against the running server, with a Vault that runs.

use serde_json::{Value, json};

use super::{Builder, SuiteError, prepared::Prepared};
use crate::{
    adapter::mapping::ResultShape,
    check::{Checked, Trial},
    engines::{Operation, Parameters, Pki, kv::Kv, mounts::Mounts},
    instance::answer::{Answer, Arguments, Data, Success, ToolCall, root},
    redact::Secrets,
    slot::{Slot, SlotError, Slots},
    vault::{
        oracle::{Oracle, OracleError},
        policy,
        provider::Vault,
    },
    verdict::StepEnd,
};

/// The secret that the check reads.
const SECRET: &str = "app/check";
/// The folder of the secret, and the secret's name in it.
const FOLDER: &str = "app";
const NAME: &str = "check";
const KEY: &str = "password";
/// The issuer and the role of the PKI mount that the check reads.
const ISSUER: &str = "check-ca";
const ROLE: &str = "check-role";

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
            let number = rand::random::<u32>();
            let mount = format!("{}check-{number:08x}-{transport}", oracle.prefix());
            let tried = self.try_reads(oracle, &slot, &mount).await;
            oracle
                .remove_mounts(&mount)
                .await
                .map_err(|error| error.to_string())?;
            checked.trials.extend(tried?);
            slots.give_back(slot).await?;
        }
        match checked.transports.is_empty() {
            true => Err(checked.unusable.join("\n")),
            false => Ok(checked),
        }
    }

    /// Performs each mapped operation that only reads once.
    async fn try_reads(
        &self,
        oracle: &Oracle,
        slot: &Slot,
        mount: &str,
    ) -> Result<Vec<Trial>, String> {
        let in_vault = |error: OracleError| error.to_string();
        if let Some(token) = &slot.token {
            let hcl = policy::sufficient(mount);
            oracle
                .write_policy(&token.policy, &hcl)
                .await
                .map_err(in_vault)?;
        }
        let versions = &self.target.adapter.kv_versions;
        let version = versions.last().copied().unwrap_or(2);
        oracle
            .make_kv_mount(mount, version)
            .await
            .map_err(in_vault)?;
        let mut secrets = Secrets::default();
        // There are two versions, so that a target that reads the latest instead of the first is detected.
        let first = format!("{:016x}", rand::random::<u64>());
        let latest = format!("{:016x}", rand::random::<u64>());
        for (value, label) in [
            (&first, format!("value of {KEY} in version 1")),
            (&latest, format!("value of {KEY}")),
        ] {
            let data = Parameters::from_iter([(KEY.to_owned(), json!(value))]);
            oracle
                .write_secret(mount, version, SECRET, &data)
                .await
                .map_err(in_vault)?;
            secrets.add(label, value.clone().into());
        }
        let custom = json!({ "made-by": "vault-mcp-conformance" });
        if version == 2 {
            oracle
                .set_custom_metadata(mount, SECRET, &custom)
                .await
                .map_err(in_vault)?;
        }
        if let Some(token) = &slot.token {
            secrets.add("server's Vault token", token.secret.clone());
        }
        for credential in &slot.instance.credentials {
            secrets.add("client's credential", credential.clone());
        }
        let pki = format!("{mount}-pki");
        let (issuer, serial) = make_certificate(oracle, &pki, &mut secrets)
            .await
            .map_err(in_vault)?;
        let mut trials = Vec::new();
        for (operation, path, expected) in [
            (
                Operation::Mounts(Mounts::List),
                "",
                json!([format!("{mount}/")]),
            ),
            (Operation::Kv(Kv::List), FOLDER, json!([NAME])),
            (Operation::Kv(Kv::ListAll), "", json!([SECRET])),
            (Operation::Kv(Kv::Read), SECRET, json!({ KEY: latest })),
            (
                Operation::Kv(Kv::ReadVersion),
                SECRET,
                json!({ KEY: first }),
            ),
            (Operation::Kv(Kv::Metadata), SECRET, Value::Null),
            (
                Operation::Pki(Pki::ListIssuers),
                "",
                json!([issuer, ISSUER]),
            ),
            (Operation::Pki(Pki::ReadIssuer), "", Value::Null),
            (Operation::Pki(Pki::ListRoles), "", json!([ROLE])),
            (Operation::Pki(Pki::ReadRole), "", Value::Null),
            (Operation::Pki(Pki::ListCerts), "", json!([serial])),
            (Operation::Pki(Pki::ReadCert), "", Value::Null),
        ] {
            let adapter = &self.target.adapter;
            let has_versions = version == 2 || operation != Operation::Kv(Kv::ReadVersion);
            if !adapter.operations.contains_key(&operation) || !has_versions {
                continue;
            }
            let mut parameters = Parameters::new();
            for name in operation.parameters() {
                let parameter = match *name {
                    "mount" if matches!(operation, Operation::Pki(_)) => json!(pki),
                    "mount" => json!(mount),
                    "path" => json!(path),
                    "issuer" => json!(ISSUER),
                    "role" => json!(ROLE),
                    "serial" => json!(serial),
                    _ => json!(1),
                };
                parameters.insert((*name).to_owned(), parameter);
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
                    judge(operation, call.shape(), &answer, &expected)
                }
                // The findings already contain a missing tool.
                Err(StepEnd::Failed { .. } | StepEnd::NotApplicable { .. }) => continue,
                Err(StepEnd::Blocked { why }) => return Err(why),
            };
            let (found, text) = match judged {
                Ok(found) => (true, found),
                Err(problem) => (false, problem),
            };
            trials.push(Trial {
                operation: operation.name(),
                transport: slot.kind.transport.to_string(),
                found,
                text: secrets.redact(&text),
            });
        }
        Ok(trials)
    }
}

/// Makes a PKI mount with an issuer, a role and a certificate; returns the issuer's id and the
/// certificate's serial number.
async fn make_certificate(
    oracle: &Oracle,
    mount: &str,
    secrets: &mut Secrets,
) -> Result<(String, String), OracleError> {
    oracle.make_pki_mount(mount, Some("87600h")).await?;
    oracle.make_root(mount, ISSUER, "87600h").await?;
    let settings = Parameters::from_iter([
        ("allow_any_name".to_owned(), json!(true)),
        ("key_type".to_owned(), json!("ec")),
    ]);
    oracle.make_role(mount, ROLE, &settings).await?;
    let issued = oracle.issue(mount, ROLE, "check.example").await?;
    let text = |name: &str| issued[name].as_str().unwrap_or_default().to_owned();
    secrets.add("private key".to_owned(), text("private_key").into());
    let issuers = oracle.issuers(mount).await?;
    let issuer = issuers.first().map(|issuer| issuer.id.clone());
    Ok((issuer.unwrap_or_default(), text("serial_number")))
}

/// Describes what an adapter finds in an answer.
///
/// # Errors
/// If the data or one of the facts is not found: what is in its place, and what was likely meant.
fn judge(
    operation: Operation,
    shape: &ResultShape,
    answer: &Answer,
    expected: &Value,
) -> Result<String, String> {
    let Answer::Success(success) = answer else {
        return Err(format!("the server returned {}", answer.describe()));
    };
    let result = serde_json::from_str(&success.whole).unwrap_or_default();
    let root = root(shape, &result).ok().flatten();
    let within = root.as_ref().filter(|_| shape.json_at.is_none());
    let advice = within
        .and_then(|root| json_within(root, ""))
        .map(|pointer| {
            format!("; the text at {pointer:?} is JSON itself: set json_at = {pointer:?}")
        });
    let lost = |problem: String| format!("{problem}{}", advice.as_deref().unwrap_or_default());
    find_data(operation, success, expected).map_err(&lost)?;
    let known = facts(success, expected);
    if let Some((name, pointer)) = shape.facts.iter().find(|(name, _)| !known.contains(name)) {
        let whole = root.map_or_else(|| success.whole.clone(), |root| root.to_string());
        let whole = clip(&whole);
        return Err(lost(format!(
            "the fact {name:?} points to {pointer:?}, where there is nothing in {whole}"
        )));
    }
    let data = operation.has_data().then(|| "the data".to_owned());
    let noun = if known.len() == 1 { "fact" } else { "facts" };
    let listed: Vec<_> = known.iter().map(|name| name.as_str()).collect();
    let facts = (!known.is_empty()).then(|| format!("the {noun} {}", listed.join(", ")));
    let prose = matches!(success.data, Data::Prose(_)).then(|| "a text".to_owned());
    match data.or(prose).into_iter().chain(facts).collect::<Vec<_>>() {
        found if found.is_empty() && matches!(operation, Operation::Pki(_)) => {
            Ok("the whole result is searched: the adapter points to no fact".to_owned())
        }
        found if found.is_empty() => {
            let known = operation.facts().join(", ");
            let whole = clip(&success.whole);
            let problem = format!(
                "the adapter points to none of its facts ({known}); the whole result is {whole}"
            );
            Err(lost(problem))
        }
        found => Ok(format!("the adapter finds {}", found.join(" and "))),
    }
}

/// Checks that the data of an answer equals what Vault holds, if the operation has data.
fn find_data(operation: Operation, success: &Success, expected: &Value) -> Result<(), String> {
    let right = match &success.data {
        Data::Unusable(why) => return Err(clip(&format!("the adapter finds nothing: {why}"))),
        _ if !operation.has_data() => true,
        Data::Json(Value::Array(names)) if operation.lists() => {
            names.iter().any(|name| is_expected(bare(name), expected))
        }
        Data::Prose(text) if operation.lists() => {
            let mut names = expected.as_array().into_iter().flatten();
            names.any(|name| bare(name).is_some_and(|name| text.contains(name)))
        }
        Data::Json(data) => data == expected,
        Data::Prose(text) => expected
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::values)
            .filter_map(Value::as_str)
            .all(|value| text.contains(value)),
    };
    if right {
        return Ok(());
    }
    let found = clip(&Answer::Success(success.clone()).describe());
    let whole = clip(&success.whole);
    Err(format!(
        "the adapter finds {found} where Vault holds {expected}; the whole result is {whole}"
    ))
}

/// The names of the facts that were found. In a list these are the facts of the expected item.
fn facts<'a>(success: &'a Success, expected: &Value) -> Vec<&'a String> {
    let item = success
        .items
        .iter()
        .find(|item| is_expected(Some(item.name.trim_matches('/')), expected));
    item.map_or(&success.facts, |item| &item.facts)
        .keys()
        .collect()
}

/// Whether a name is one of the expected names in a list.
fn is_expected(name: Option<&str>, expected: &Value) -> bool {
    let names = expected.as_array().into_iter().flatten();
    name.is_some() && names.into_iter().any(|expected| bare(expected) == name)
}

/// A name without the slashes of a folder or a mount.
fn bare(name: &Value) -> Option<&str> {
    Some(name.as_str()?.trim_matches('/'))
}

/// The pointer to a text that is itself a JSON object or list.
fn json_within(value: &Value, pointer: &str) -> Option<String> {
    match value {
        Value::String(text) => {
            let inner: Value = serde_json::from_str(text).ok()?;
            (inner.is_object() || inner.is_array()).then(|| pointer.to_owned())
        }
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            json_within(field, &format!("{pointer}/{name}"))
        }),
        _ => None,
    }
}

/// The beginning of a long text.
fn clip(text: &str) -> String {
    const ENOUGH: usize = 600;
    match text.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::engines::{kv::Kv, mounts::Mounts};
    use serde_json::{Value, json};

    use super::judge;
    use crate::{
        adapter::mapping::ResultShape, engines::Operation, instance::answer::read,
        mcp::inbox::Reply,
    };

    fn judged(operation: Operation, shape: Value, text: &Value) -> Result<String, String> {
        let shape: ResultShape = serde_json::from_value(shape).unwrap();
        let result = json!({ "content": [{ "type": "text", "text": text.to_string() }] });
        let answer = read(operation, &shape, &Reply::Result(result));
        let expected = match operation {
            Operation::Mounts(Mounts::List) => json!(["team/"]),
            Operation::Kv(Kv::Read) => json!({ "k": "x" }),
            _ => Value::Null,
        };
        judge(operation, &shape, &answer, &expected)
    }

    #[test]
    fn what_is_found_is_told_with_its_facts() {
        let shape = json!({ "at": "/data", "facts": { "version": "/v" } });
        let found = judged(
            Operation::Kv(Kv::Read),
            shape,
            &json!({ "data": { "k": "x" }, "v": 3 }),
        );
        assert_eq!(
            found.unwrap(),
            "the adapter finds the data and the fact version"
        );
        let shape = json!({ "facts": { "keys": "/k", "version": "/v" } });
        let found = judged(
            Operation::Kv(Kv::Metadata),
            shape,
            &json!({ "k": ["a"], "v": 3 }),
        );
        assert_eq!(found.unwrap(), "the adapter finds the facts keys, version");
    }

    #[test]
    fn a_fact_that_is_not_where_the_adapter_says_is_an_error() {
        let shape = json!({ "at": "/data", "facts": { "version": "/zz" } });
        let lost = judged(
            Operation::Kv(Kv::Read),
            shape,
            &json!({ "data": { "k": "x" }, "v": 3 }),
        );
        assert_eq!(
            lost.unwrap_err(),
            r#"the fact "version" points to "/zz", where there is nothing in {"data":{"k":"x"},"v":3}"#
        );
    }

    #[test]
    fn a_fact_of_a_list_is_looked_for_in_the_item_that_is_known() {
        let shape = json!({ "each": "/name", "facts": { "type": "/kind" } });
        let list = json!([{ "name": "team", "kind": "kv" }, { "name": "other" }]);
        let found = judged(Operation::Mounts(Mounts::List), shape.clone(), &list);
        assert_eq!(
            found.unwrap(),
            "the adapter finds the data and the fact type"
        );
        let list = json!([{ "name": "team" }, { "name": "other", "kind": "kv" }]);
        let lost = judged(Operation::Mounts(Mounts::List), shape, &list).unwrap_err();
        assert!(
            lost.starts_with("the fact \"type\" points to \"/kind\""),
            "{lost}"
        );
    }

    #[test]
    fn json_within_a_text_is_told_with_what_finds_it() {
        let text = json!({ "result": json!({ "data": { "k": "x" } }).to_string() });
        let advice = "; the text at \"/result\" is JSON itself: set json_at = \"/result\"";
        for shape in [json!({ "at": "/data" }), json!({})] {
            let lost = judged(Operation::Kv(Kv::Read), shape, &text).unwrap_err();
            assert!(lost.ends_with(advice), "{lost}");
        }
        let shape = json!({ "facts": { "version": "/v" } });
        let lost = judged(Operation::Kv(Kv::Metadata), shape, &text).unwrap_err();
        assert!(lost.ends_with(advice), "{lost}");
    }
}
