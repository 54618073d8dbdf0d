//! What a mutant or variant is: data, in `fixtures/mutants/*.toml`.

use std::collections::BTreeMap;

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

/// One way of changing a conforming target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// Its name: the file's.
    #[serde(skip)]
    pub name: String,
    /// What it does to the target, in words.
    pub does: String,
    /// The requirements that must catch it; none for a variant, which must pass.
    #[serde(default)]
    pub killed_by: Vec<String>,
    /// The requirements in whose scenarios something ambient shows; in any, unless some are named.
    #[serde(default)]
    pub shows_in: Vec<String>,
    /// The SHOULDs that a variant does not keep, though it conforms.
    #[serde(default)]
    pub warned_by: Vec<String>,
    /// What a variant does not have, of all that the unchanged target has.
    #[serde(default)]
    pub drops: Drops,
    /// The transports that it acts on.
    #[serde(default = "all_transports")]
    pub transports: Vec<TransportKind>,
    /// The mode that a target must be started in for it to act; without one it acts on all.
    #[serde(default, deserialize_with = "mode")]
    pub mode: Option<Mode>,
    /// Put before the target's command: how it is started.
    #[serde(default)]
    pub started_by: Vec<String>,
    /// Between suite and target, on the way to it.
    #[serde(default)]
    pub message: Vec<MessageRule>,
    /// The same, for the headers of HTTP.
    #[serde(default)]
    pub http_request: Vec<HeaderRule>,
    /// Agrees to handshakes of whatever TLS version.
    #[serde(default)]
    pub any_tls: bool,
    /// Variables that the target is started with, in place of those of its adapter and its mode; one that
    /// names a placeholder only where that has a value.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Takes whatever certificate Vault shows for the right one; `env` has to name an authority for it.
    #[serde(default)]
    pub any_vault_certificate: bool,
    /// Between target and suite.
    #[serde(default)]
    pub answer: Vec<AnswerRule>,
    /// The same, for what HTTP says besides messages.
    #[serde(default)]
    pub http_answer: Vec<HttpRule>,
    /// Between target and tap, on the way to Vault.
    #[serde(default)]
    pub vault_request: Vec<RequestRule>,
    /// Between tap and target, on the way back.
    #[serde(default)]
    pub vault_response: Vec<ResponseRule>,
}

/// What a variant does not have: it is tested on everything else that the unchanged target has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drops {
    /// Revisions that it does not speak.
    #[serde(default, deserialize_with = "revisions")]
    pub revisions: Vec<Revision>,
    /// Ids of requirements that do not apply to it.
    #[serde(default)]
    pub requirements: Vec<String>,
}

impl Drops {
    /// What is left of what a target speaks, on these transports.
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
    /// Whether it is a variant: different, and conforming.
    #[must_use]
    pub fn is_variant(&self) -> bool {
        self.killed_by.is_empty()
    }
}

/// Changes what the suite says to the target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageRule {
    /// Only messages that contain this.
    pub contains: String,
    /// Pairs of texts: what is there, and what comes in its place.
    pub replace: Vec<(String, String)>,
}

/// Changes a header of a request over HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderRule {
    /// Which header.
    pub header: String,
    /// Only values that match this expression: they become something else, or are left out.
    #[serde(default, deserialize_with = "optional_expression")]
    pub value: Option<Regex>,
    /// What such a value becomes.
    pub becomes: Option<String>,
    /// Goes out as in the first request that had it: of the server, or of the session.
    pub first_of: Option<Whose>,
    /// Has the value that is in the query, which is taken away.
    #[serde(default)]
    pub from_query: bool,
}

/// What keeps a header.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// The server, for all requests.
    Server,
    /// Each session, for those that name it.
    Session,
}

/// Changes what HTTP answers to requests that the suite words itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// Only answers to this HTTP method.
    pub method: Option<String>,
    /// Only where a header or the body of the request contains this.
    pub asked: Option<String>,
    /// Only with this status.
    pub status: Option<u16>,
    /// Gets this status.
    pub becomes: Option<u16>,
    /// Gets this header, if it has one of that name: name and value.
    pub header: Option<(String, String)>,
    /// Gets these headers, in place of those of the same name; `{origin}` is the origin of the request.
    #[serde(default)]
    pub add: BTreeMap<String, String>,
    /// Loses these headers.
    #[serde(default)]
    pub leave_out: Vec<String>,
    /// Never comes.
    #[serde(default)]
    pub hangs: bool,
}

/// Changes an answer of the target to the suite.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerRule {
    /// Only answers to this method; else to tool calls. Empty for what asked for no method.
    pub method: Option<String>,
    /// Only answers to this operation's tool; else to every tool call.
    #[serde(default, deserialize_with = "operation")]
    pub operation: Option<Operation>,
    /// Only where what was asked contains this.
    pub asked: Option<String>,
    /// Only where what was asked does not contain this.
    pub asked_without: Option<String>,
    /// Only from this one on of all that it would change, counted from 1.
    #[serde(default)]
    pub from: usize,
    /// Only errors (`true`) or only successes (`false`).
    pub error: Option<bool>,
    /// Only where the message contains this.
    pub contains: Option<String>,
    /// Becomes a success with this text.
    pub succeed_with: Option<String>,
    /// Becomes an error with this text.
    pub fail_with: Option<String>,
    /// Is added to each text; `{vault_token}`, `{last_value}` (the last value of a secret that
    /// passed the tap) and `{last_key}` (the last private key that did) are filled in.
    pub append_text: Option<String>,
    /// Pairs of words in the result: what is there, and what comes in its place.
    #[serde(default)]
    pub replace: Vec<(String, String)>,
    /// Fields of JSON, in structured results and in texts that are JSON, that are left out
    /// wherever they are.
    #[serde(default)]
    pub leave_out: Vec<String>,
    /// Takes structured results and their schemas away.
    #[serde(default)]
    pub text_only: bool,
    /// Removes the part of the message that this JSON pointer names.
    pub remove: Option<String>,
    /// Parts of the message, by JSON pointer with `*` for every item of a list, that become
    /// something else; in texts is filled in what `append_text` fills in.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// Never comes.
    #[serde(default)]
    pub lost: bool,
    /// Comes as a line of its own before the message.
    pub noise: Option<String>,
    /// Comes with the result of the call before it.
    #[serde(default)]
    pub result_of_the_last: bool,
}

/// Changes a request of the target to Vault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRule {
    /// Only these HTTP methods.
    pub method: Vec<String>,
    /// Only paths that match this expression.
    #[serde(deserialize_with = "expression")]
    pub path: Regex,
    /// Is added to the path.
    pub append_to_path: Option<String>,
    /// What is in the path, and what comes in its place.
    pub replace_in_path: Option<(String, String)>,
    /// Is made twice.
    #[serde(default)]
    pub twice: bool,
    /// Parts of the body, by JSON pointer, that become something else.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// Keeps only this many keys of the secret.
    pub max_keys: Option<usize>,
    /// Takes the query away.
    #[serde(default)]
    pub strip_query: bool,
    /// Alters the values of the secret.
    pub values: Option<ValueChange>,
    /// Takes one key out of a secret that has several.
    #[serde(default)]
    pub drop_key: bool,
    /// Headers, where it has them, that get another value; an empty one takes them away.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A header that gets what it was in the request before.
    pub header_of_the_last: Option<String>,
    /// Is made with Vault's root token instead of the target's own.
    #[serde(default)]
    pub as_root: bool,
    /// Is answered so in Vault's place.
    pub answer: Option<CannedAnswer>,
}

/// Changes an answer of Vault to the target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseRule {
    /// Only to these HTTP methods.
    pub method: Vec<String>,
    /// Only for paths that match this expression.
    #[serde(deserialize_with = "expression")]
    pub path: Regex,
    /// Only with this status.
    pub status: Option<u16>,
    /// Alters the values of the secret.
    pub values: Option<ValueChange>,
    /// Takes one name out of a list that has several.
    #[serde(default)]
    pub drop_name: bool,
    /// Keeps only this many names of a list.
    pub max_names: Option<usize>,
    /// Parts of the body, by JSON pointer, that become something else.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// Takes the mark from the folders of a list.
    #[serde(default)]
    pub unmark_folders: bool,
    /// Gives the first answer to a path again and again.
    #[serde(default)]
    pub repeat_first: bool,
    /// Comes in its place.
    pub answer: Option<CannedAnswer>,
}

/// How values of a secret are altered.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueChange {
    /// A character is added.
    Append,
    /// What is beyond 1,000 characters is cut off.
    CutLong,
    /// White space at both ends is cut off.
    Trim,
    /// Characters outside ASCII become question marks.
    AsciiOnly,
    /// What is no text becomes one.
    ToText,
}

/// An answer that Vault did not give.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CannedAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    #[serde(default)]
    pub body: String,
}

/// A mutant's file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("mutant {name}: {problem}")]
pub struct MutationError {
    name: String,
    problem: String,
}

/// All mutants and variants that come with the suite, by name.
///
/// # Errors
/// When a file is wrong.
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

/// The mutants and variants of these names, all where none is given.
///
/// # Errors
/// When there is none of a name, or a file is wrong.
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
