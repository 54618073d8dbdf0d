//! What a variable, a header or a flag of a server holds, by its name and by its value.

use super::name::words;

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

/// Whether a name says that what it names is a secret.
pub(super) fn names_secret(name: &str) -> bool {
    const SECRET: [&str; 10] = [
        "token",
        "secret",
        "password",
        "passwd",
        "key",
        "credential",
        "auth",
        "authorization",
        "pw",
        "pass",
    ];
    words(name)
        .iter()
        .any(|word| SECRET.contains(&word.as_str()))
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

/// Whether a text looks random, as keys and passwords that programs make do.
pub(super) fn looks_random(value: &str) -> bool {
    const SHORTEST: usize = 20;
    let has = |is: fn(&char) -> bool| value.chars().any(|letter| is(&letter));
    value.len() >= SHORTEST
        && value
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
        && has(char::is_ascii_digit)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_uppercase)
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

/// Whether a value is surely no secret: a boolean, a number, an address of numbers, one short word in small letters, or
/// a path.
pub(super) fn is_harmless(value: &str) -> bool {
    const LONGEST_WORD: usize = 12;
    const LONGEST_NUMBER: usize = 15;
    const WORDS: [&str; 8] = [
        "TRUE", "FALSE", "True", "False", "INFO", "DEBUG", "WARN", "ERROR",
    ];
    let only = |is: fn(char) -> bool, longest: usize| {
        !value.is_empty() && value.len() <= longest && value.chars().all(is)
    };
    let is_path = ["/", "./", "../", "~/"]
        .iter()
        .any(|root| value.starts_with(root))
        && !value.split(['/', '.', '_', '-']).any(looks_random)
        && value
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "/._-~".contains(letter));
    only(|letter| letter.is_ascii_lowercase(), LONGEST_WORD)
        || only(
            |letter| letter.is_ascii_digit() || ":.,/".contains(letter),
            LONGEST_NUMBER,
        )
        || is_path
        || WORDS.contains(&value)
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
