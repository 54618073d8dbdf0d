//! What a mutant or variant is: data, in `fixtures/mutants/*.toml`.

use std::collections::{BTreeMap, BTreeSet};

use include_dir::{Dir, include_dir};
use regex::Regex;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::{
    adapter::launch::Mode,
    engines::Operation,
    plan::Spoken,
    suggest::did_you_mean,
    transport::{Revision, TransportKind},
};

static MUTANTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/mutants");

/// One change to a conforming target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// The name of its file.
    #[serde(skip)]
    pub name: String,
    /// A description of what it does to the target.
    pub does: String,
    /// The requirements that must fail on it; empty for a variant, which must pass.
    #[serde(default)]
    pub killed_by: Vec<String>,
    /// The requirements in whose scenarios an ambient violation appears; empty means any.
    #[serde(default)]
    pub shows_in: Vec<String>,
    /// The SHOULDs that a variant does not follow, although it conforms.
    #[serde(default)]
    pub warned_by: Vec<String>,
    /// What a variant lacks, compared with the unchanged target.
    #[serde(default)]
    pub drops: Drops,
    /// The transports on which it acts.
    #[serde(default = "all_transports")]
    pub transports: Vec<TransportKind>,
    /// The mode in which a target must be started for it to act; without one, it acts always.
    #[serde(default, deserialize_with = "mode")]
    pub mode: Option<Mode>,
    /// The versions of the KV engine that its adapter claims, if they differ.
    pub kv_versions: Option<BTreeSet<u8>>,
    /// A command that is put before the target's command.
    #[serde(default)]
    pub started_by: Vec<String>,
    /// Changes to messages from the suite to the target.
    #[serde(default)]
    pub message: Vec<MessageRule>,
    /// Changes to the HTTP headers of requests.
    #[serde(default)]
    pub http_request: Vec<HeaderRule>,
    /// Accepts handshakes of any TLS version.
    #[serde(default)]
    pub any_tls: bool,
    /// Variables for the target, which replace those of its adapter and its mode. A variable with a placeholder is only
    /// set if the placeholder has a value.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Makes the target accept any certificate of Vault; `env` has to name a CA for it.
    #[serde(default)]
    pub any_vault_certificate: bool,
    /// Changes to answers from the target to the suite.
    #[serde(default)]
    pub answer: Vec<AnswerRule>,
    /// Changes to HTTP responses, except the messages in them.
    #[serde(default)]
    pub http_answer: Vec<HttpRule>,
    /// Changes to requests from the target to Vault.
    #[serde(default)]
    pub vault_request: Vec<RequestRule>,
    /// Changes to answers from Vault to the target.
    #[serde(default)]
    pub vault_response: Vec<ResponseRule>,
}

/// What a variant lacks. It is tested on everything else that the unchanged target has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drops {
    /// Revisions that it does not support.
    #[serde(default, deserialize_with = "revisions")]
    pub revisions: Vec<Revision>,
    /// Requirements that do not apply to it, by id.
    #[serde(default)]
    pub requirements: Vec<String>,
}

impl Drops {
    /// What a target still speaks on these transports.
    #[must_use]
    pub fn keeps_of(&self, spoken: &[Spoken], transports: &[TransportKind]) -> Vec<Spoken> {
        let on = (spoken.iter()).filter(|spoken| transports.contains(&spoken.transport));
        on.filter_map(|spoken| spoken.without(&self.revisions))
            .collect()
    }
}

fn all_transports() -> Vec<TransportKind> {
    TransportKind::ALL.to_vec()
}

impl Mutation {
    /// Whether it is a variant, which differs and conforms.
    #[must_use]
    pub fn is_variant(&self) -> bool {
        self.killed_by.is_empty()
    }
}

/// Changes a message from the suite to the target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageRule {
    /// Applies only to messages that contain this.
    pub contains: String,
    /// Pairs of texts: the old one, and its replacement.
    pub replace: Vec<(String, String)>,
}

/// Changes a header of an HTTP request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderRule {
    /// The name of the header.
    pub header: String,
    /// Applies only to values that match this expression; they are replaced or omitted.
    #[serde(default, deserialize_with = "optional_expression")]
    pub value: Option<Regex>,
    /// The replacement of the value.
    pub becomes: Option<String>,
    /// Sends the value of the first request that had the header: of the server, or of the session.
    pub first_of: Option<Whose>,
    /// Takes the value from the query, and removes it there.
    #[serde(default)]
    pub from_query: bool,
}

/// The scope in which a header's first value is kept.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// One value for all requests of the server.
    Server,
    /// One value for each session.
    Session,
}

/// Changes HTTP responses to requests that the suite builds itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// Applies only to responses to this HTTP method.
    pub method: Option<String>,
    /// Applies only if a header or the body of the request contains this.
    pub asked: Option<String>,
    /// Applies only to this status.
    pub status: Option<u16>,
    /// Sets this status.
    pub becomes: Option<u16>,
    /// Replaces this header, if it exists: name and value.
    pub header: Option<(String, String)>,
    /// Sets these headers; `{origin}` is the origin of the request.
    #[serde(default)]
    pub add: BTreeMap<String, String>,
    /// Removes these headers.
    #[serde(default)]
    pub leave_out: Vec<String>,
    /// Sends no response.
    #[serde(default)]
    pub hangs: bool,
}

/// Changes an answer from the target to the suite.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerRule {
    /// Applies only to answers to this method; by default to tool calls. Empty for messages without a method.
    pub method: Option<String>,
    /// Applies only to this operation's tool; by default to every tool call.
    #[serde(default, deserialize_with = "operation")]
    pub operation: Option<Operation>,
    /// Applies only if the request contains this.
    pub asked: Option<String>,
    /// Applies only if the request does not contain this.
    pub asked_without: Option<String>,
    /// Applies only from this matching answer on, counted from 1.
    #[serde(default)]
    pub from: usize,
    /// Applies only to errors (`true`) or only to successes (`false`).
    pub error: Option<bool>,
    /// Applies only if the message contains this.
    pub contains: Option<String>,
    /// Replaces the answer by a success with this text.
    pub succeed_with: Option<String>,
    /// Replaces the answer by an error with this text.
    pub fail_with: Option<String>,
    /// Appends this to each text. The placeholders are `{vault_token}`, `{last_value}` (the last value of a secret that
    /// passed the tap) and `{last_key}` (the last private key that did).
    pub append_text: Option<String>,
    /// Pairs of words in the result: the old one, and its replacement.
    #[serde(default)]
    pub replace: Vec<(String, String)>,
    /// Fields that are removed from JSON at any depth, in structured results and in texts that are JSON.
    #[serde(default)]
    pub leave_out: Vec<String>,
    /// Removes structured results and their schemas.
    #[serde(default)]
    pub text_only: bool,
    /// Removes the part of the message at this JSON pointer.
    pub remove: Option<String>,
    /// New values for parts of the message, by JSON pointer, with `*` for every item of a list. Texts can have the
    /// placeholders of `append_text`.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// Sends no answer.
    #[serde(default)]
    pub lost: bool,
    /// Prints this line before the message.
    pub noise: Option<String>,
    /// Sends the result of the last call before that succeeded.
    #[serde(default)]
    pub result_of_the_last: bool,
}

/// Changes a request from the target to Vault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRule {
    /// Applies only to these HTTP methods.
    pub method: Vec<String>,
    /// Applies only to paths that match this expression.
    #[serde(deserialize_with = "expression")]
    pub path: Regex,
    /// Applies only if the last tool call before the request is one of this operation's tool.
    #[serde(default, deserialize_with = "operation")]
    pub operation: Option<Operation>,
    /// Appends this to the path.
    pub append_to_path: Option<String>,
    /// A text in the path, and its replacement.
    pub replace_in_path: Option<(String, String)>,
    /// Sends the request twice.
    #[serde(default)]
    pub twice: bool,
    /// New values for parts of the body, by JSON pointer.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// Keeps only this many keys of the secret.
    pub max_keys: Option<usize>,
    /// Removes the query.
    #[serde(default)]
    pub strip_query: bool,
    /// Changes the values of the secret.
    pub values: Option<ValueChange>,
    /// Removes one key of a secret that has several.
    #[serde(default)]
    pub drop_key: bool,
    /// New values for existing headers; an empty value removes the header.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A header that gets its value from the previous request.
    pub header_of_the_last: Option<String>,
    /// Uses Vault's root token instead of the target's own.
    #[serde(default)]
    pub as_root: bool,
    /// Sends this answer instead of Vault's.
    pub answer: Option<CannedAnswer>,
}

/// Changes an answer from Vault to the target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseRule {
    /// Applies only to these HTTP methods.
    pub method: Vec<String>,
    /// Applies only to paths that match this expression.
    #[serde(deserialize_with = "expression")]
    pub path: Regex,
    /// Applies only to this status.
    pub status: Option<u16>,
    /// Changes the values of the secret.
    pub values: Option<ValueChange>,
    /// Removes one name from a list that has several.
    #[serde(default)]
    pub drop_name: bool,
    /// Keeps only this many names of a list.
    pub max_names: Option<usize>,
    /// New values for parts of the body, by JSON pointer.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// Removes the trailing slash of folders in a list.
    #[serde(default)]
    pub unmark_folders: bool,
    /// Repeats the first answer to a path.
    #[serde(default)]
    pub repeat_first: bool,
    /// Sends this answer instead.
    pub answer: Option<CannedAnswer>,
}

/// A change to the values of a secret.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueChange {
    /// Appends a character.
    Append,
    /// Cuts after 1,000 characters.
    CutLong,
    /// Removes white space at both ends.
    Trim,
    /// Replaces characters outside ASCII with question marks.
    AsciiOnly,
    /// Turns values that are not text into text.
    ToText,
}

/// An answer that does not come from Vault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CannedAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    #[serde(default)]
    pub body: String,
}

/// Why a mutant's file is invalid.
#[derive(Debug, thiserror::Error)]
#[error("mutant {name}: {problem}")]
pub struct MutationError {
    name: String,
    problem: String,
}

/// All mutants and variants that come with the suite, by name.
///
/// # Errors
/// If a file is invalid.
pub fn all() -> Result<Vec<Mutation>, MutationError> {
    let mut mutations = MUTANTS
        .files()
        .map(|file| {
            let name = file.path().with_extension("").display().to_string();
            let text = file.contents_utf8().unwrap_or_default();
            parse(&name, text)
        })
        .collect::<Result<Vec<_>, _>>()?;
    mutations.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutations)
}

/// The mutants and variants with these names; all if no name is given.
///
/// # Errors
/// If a name does not exist, or a file is invalid.
pub fn named(names: &[String]) -> Result<Vec<Mutation>, MutationError> {
    let mut mutations = all()?;
    if let Some(name) = names
        .iter()
        .find(|name| !mutations.iter().any(|mutation| mutation.name == **name))
    {
        let known: Vec<_> = mutations
            .iter()
            .map(|mutation| mutation.name.as_str())
            .collect();
        return Err(MutationError {
            name: name.clone(),
            problem: format!("there is none with this name{}", did_you_mean(name, &known)),
        });
    }
    mutations.retain(|mutation| names.is_empty() || names.contains(&mutation.name));
    Ok(mutations)
}

fn parse(name: &str, text: &str) -> Result<Mutation, MutationError> {
    let mut mutation: Mutation = toml::from_str(text).map_err(|error| MutationError {
        name: name.to_owned(),
        problem: error.to_string(),
    })?;
    name.clone_into(&mut mutation.name);
    Ok(mutation)
}

fn operation<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Operation>, D::Error> {
    let name = String::deserialize(from)?;
    let known = Operation::named(&name);
    known
        .map(Some)
        .ok_or_else(|| D::Error::custom(format!("no operation {name:?}")))
}

fn revisions<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Revision>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let revision = |name: &String| {
        Revision::named(name).ok_or_else(|| D::Error::custom(format!("no revision {name:?}")))
    };
    names.iter().map(revision).collect()
}

fn mode<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Mode>, D::Error> {
    let name = String::deserialize(from)?;
    let known = Mode::named(&name);
    known
        .map(Some)
        .ok_or_else(|| D::Error::custom(format!("no mode {name:?}")))
}

fn optional_expression<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Regex>, D::Error> {
    expression(from).map(Some)
}

fn expression<'de, D: Deserializer<'de>>(from: D) -> Result<Regex, D::Error> {
    Regex::new(&String::deserialize(from)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{all, named};
    use crate::{requirement, verdict::Level};

    #[test]
    fn every_mutant_names_requirements_that_exist() {
        let ids: BTreeSet<_> = requirement::all()
            .unwrap()
            .into_iter()
            .map(|r| r.id)
            .collect();
        for mutation in all().unwrap() {
            let named = [
                &mutation.killed_by,
                &mutation.shows_in,
                &mutation.drops.requirements,
            ];
            for id in named.into_iter().flatten() {
                assert!(ids.contains(id), "{} names {id}", mutation.name);
            }
        }
    }

    #[test]
    fn what_a_variant_may_not_keep_is_a_should() {
        let requirements = requirement::all().unwrap();
        for mutation in all().unwrap() {
            for id in &mutation.warned_by {
                let mut about = requirements.iter().filter(|r| r.id == *id);
                assert!(mutation.is_variant(), "{}", mutation.name);
                assert!(
                    about.next().is_some_and(|r| r.level == Level::Should),
                    "{id}"
                );
            }
        }
    }

    #[test]
    fn every_requirement_has_a_mutant_that_it_kills() {
        let killers: BTreeSet<_> = all()
            .unwrap()
            .into_iter()
            .flat_map(|m| m.killed_by)
            .collect();
        for requirement in requirement::all().unwrap() {
            assert!(
                killers.contains(&requirement.id),
                "{} kills nothing",
                requirement.id
            );
        }
    }

    #[test]
    fn mutants_are_found_by_name_and_a_wrong_name_is_told_with_the_right_one() {
        let names = |wanted: &[&str]| {
            let wanted: Vec<_> = wanted.iter().map(|name| (*name).to_owned()).collect();
            let found = named(&wanted).map_err(|error| error.to_string())?;
            Ok::<_, String>(found.into_iter().map(|m| m.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["write-swallowed"]).unwrap(), ["write-swallowed"]);
        assert_eq!(names(&[]).unwrap().len(), all().unwrap().len());
        let error = names(&["write-swalowed"]).unwrap_err();
        assert!(
            error.contains("did you mean \"write-swallowed\"?"),
            "{error}"
        );
    }

    #[test]
    fn there_are_mutants_and_variants() {
        let mutations = all().unwrap();
        assert!(mutations.iter().filter(|m| m.is_variant()).count() >= 2);
        assert!(mutations.iter().filter(|m| !m.is_variant()).count() >= 5);
    }
}
