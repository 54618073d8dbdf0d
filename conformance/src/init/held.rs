//! What a variable, a header or a flag of a server holds, by its name and by its value.

use super::{launch::names_secret, name::words};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// The address of Vault.
    Address,
    /// The Vault token.
    Token,
    /// A file with the token.
    TokenFile,
    /// The namespace of Vault.
    Namespace,
    /// A file with the authority of Vault's certificate.
    Authority,
    /// A switch that accepts any certificate of Vault.
    Unverified,
    /// Something else.
    Other,
}

/// What a variable or a flag holds.
pub(super) fn of_variable(name: &str, value: &str) -> Held {
    // A reference says what it holds by the name of what it refers to.
    let referred = reference(value).map(words).unwrap_or_default();
    let own = words(name);
    let has = |words: &[String], wanted: &[&str]| {
        words.iter().any(|word| wanted.contains(&word.as_str()))
    };
    let is_vault = |words: &[String]| has(words, &["vault", "vlt", "hashicorp"]);
    let is_about = |wanted: &[&str]| has(&own, wanted) || has(&referred, wanted);
    let vault = is_vault(&own) || is_vault(&referred);
    match () {
        () if is_about(&["token"])
            && is_about(&["file", "path"])
            && (vault || name.starts_with('-')) =>
        {
            Held::TokenFile
        }
        () if is_about(&["skip"]) && is_about(&["verify", "tl"]) || is_about(&["insecure"]) => {
            Held::Unverified
        }
        () if vault && is_about(&["cacert", "ca", "capath"]) => Held::Authority,
        () if is_about(&["token"])
            && (vault
                || is_token(value)
                || ["token", "-token", "--token"].contains(&name.to_lowercase().as_str())) =>
        {
            Held::Token
        }
        () if is_token(value) => Held::Token,
        () if is_about(&["namespace"]) && (vault || name.starts_with('-')) => Held::Namespace,
        () if (vault || name.starts_with('-') && is_url(value))
            && is_about(&[
                "addr", "address", "url", "uri", "endpoint", "server", "host",
            ]) =>
        {
            Held::Address
        }
        () if is_url(value) && is_vaults(value) => Held::Address,
        () => Held::Other,
    }
}

/// The name in `${env:NAME}`, `${input:NAME}` or `${NAME}`, if a value is such a reference.
fn reference(value: &str) -> Option<&str> {
    let inner = value.trim().strip_prefix("${")?.strip_suffix('}')?;
    Some(inner.split_once(':').map_or(inner, |(_, name)| name))
}

/// Whether a text has the form of a Vault token.
pub(super) fn is_token(value: &str) -> bool {
    let value = value.trim();
    let forms = ["hvs.", "hvb.", "hvr.", "s.", "b."];
    let rest = forms.iter().find_map(|form| value.strip_prefix(form));
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    rest.is_some_and(|rest| rest.len() >= 16 && rest.chars().all(allowed))
}

fn is_url(value: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| value.starts_with(scheme))
}

/// Whether an address looks like Vault's.
fn is_vaults(value: &str) -> bool {
    value.trim_end_matches('/').ends_with(":8200") || value.to_lowercase().contains("vault")
}

/// Whether a value is surely no secret: a boolean, a number, or one short word in small letters.
pub(super) fn is_harmless(value: &str) -> bool {
    const LONGEST: usize = 12;
    let is_word = !value.is_empty()
        && value.len() <= LONGEST
        && value.chars().all(|letter| letter.is_ascii_lowercase());
    let is_number = value.len() <= 6 && value.parse::<f64>().is_ok();
    is_word
        || is_number
        || [
            "TRUE", "FALSE", "True", "False", "INFO", "DEBUG", "WARN", "ERROR",
        ]
        .contains(&value)
}

/// A header as the draft has it, and what a reader should know: a value that may be a secret is taken from the
/// environment.
pub(super) fn header(name: &str, value: &str) -> (String, Option<String>) {
    if is_harmless(value) && !names_secret(name) || value == "application/json" {
        return (value.to_owned(), None);
    }
    let (scheme, rest) = match value.split_once(' ') {
        Some((scheme, rest)) if ["bearer", "basic"].contains(&scheme.to_lowercase().as_str()) => {
            (format!("{scheme} "), rest)
        }
        _ => (String::new(), value),
    };
    let referred = reference(rest).filter(|_| rest.starts_with("${env:"));
    let variable = match referred {
        Some(variable) => variable.to_owned(),
        None => {
            let own: Vec<_> = words(name).iter().map(|word| word.to_uppercase()).collect();
            format!("MCP_HEADER_{}", own.join("_"))
        }
    };
    let is_variable = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let variable: String = variable
        .chars()
        .map(|letter| if is_variable(letter) { letter } else { '_' })
        .collect();
    let note = format!(
        "The header {name} is taken from the variable {variable} of the suite's environment: set it to what your client sends."
    );
    (format!("{scheme}{{env:{variable}}}"), Some(note))
}
