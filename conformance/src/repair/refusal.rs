//! Finds Vault's reason why a role does not allow a certificate, in any text that a server puts around it: JSON with
//! escaped quotes, a prefix, several lines, or other letter case.
//!
//! Seen on Vault 1.21.1, each with status 400. The source files are in its `builtin/logical/pki`.
//!
//! | what the role lacks | Vault's words | source file |
//! |---|---|---|
//! | a domain that covers the common name, with the right flag; or the name is a wildcard and the role allows none | `common name X not allowed by this role` | `issuing/issue_common.go` |
//! | the same for another name | `subject alternate name X not allowed by this role` | `issuing/issue_common.go` |
//! | `allow_ip_sans` | `IP Subject Alternative Names are not allowed in this role, but was provided [192.0.2.7]`, or `... some via CSR` | `issuing/issue_common.go` |
//! | the key type of a request | `role requires keys of type ec` | `issuing/sign_cert.go` |
//! | a minimum of bits as low as those of the request's key | `role requires a minimum of a 384-bit key, but CSR's key is 256 bits` | `issuing/sign_cert.go` |
//! | everything: the role does not exist | `unknown role: X` | `path_issue_sign.go` |
//!
//! For a name, Vault checks the domain, subdomains, bare domains and globs, and does not say which of them would permit
//! it. Vault reports one of several faults at a time: first the key, then names, then addresses. A lifetime above the
//! role's maximum is no error: Vault issues a shorter certificate.

use std::sync::LazyLock;

use regex::Regex;

/// How many bytes of an error are examined.
const ENOUGH: usize = 64 * 1024;
/// How many times quotes may have been escaped.
const DEPTH: usize = 4;

/// What a role does not allow, according to Vault's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This name.
    Name(String),
    /// Any IP address.
    Addresses,
    /// Keys that are not of the role's type.
    KeyType,
    /// Keys with fewer bits than the role's.
    KeyBits,
    /// Everything: the role does not exist.
    UnknownRole(String),
}

#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static PHRASES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?ix)
        (?: common\ name | subject\ alternate\ name ) \ ["'`<(\[]* (?<name>[^\s"'`<>()\[\]]+) ["'`>)\]]* \ (?:is\ )? not\ allowed\ by\ this\ role
        | (?<addresses> ip\ subject\ alternative\ names\ are\ not\ allowed\ in\ this\ role )
        | (?<type> role\ requires\ keys\ of\ type )
        | (?<bits> role\ requires\ a\ minimum\ of\ a\ \d+-bit\ key )
        | unknown\ role: \ ? ["'`<(\[]* (?<role>\w[\w.-]*)
        "#,
    )
    .unwrap()
});

impl Refusal {
    /// All refusals in the text of an error, in order.
    #[must_use]
    pub fn all_in(error: &str) -> Vec<Self> {
        let text = plain(error);
        let mut found: Vec<_> = PHRASES
            .captures_iter(&text)
            .filter_map(|captures| {
                let word = |group: &str| Some(captures.name(group)?.as_str().to_owned());
                let named = captures.iter().skip(1).flatten().next()?;
                Some(match (word("name"), word("role")) {
                    (Some(name), _) => Self::Name(name),
                    // A sentence may end here; the name of a role does not end with a dot or dash.
                    (_, Some(role)) => {
                        Self::UnknownRole(role.trim_end_matches(['.', '-']).to_owned())
                    }
                    _ if captures.name("addresses") == Some(named) => Self::Addresses,
                    _ if captures.name("type") == Some(named) => Self::KeyType,
                    _ => Self::KeyBits,
                })
            })
            .collect();
        found.dedup();
        found
    }
}

/// The text with escapes undone, and one space for any white space.
fn plain(text: &str) -> String {
    let end = (0..=text.len().min(ENOUGH))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    let mut text = text[..end.unwrap_or_default()].to_owned();
    for _ in 0..DEPTH {
        if !text.contains('\\') {
            break;
        }
        text = unescaped(&text);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text with one level of escapes undone, as in JSON and most languages.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.push_str(before);
        let mut after = escape.chars();
        match after.next() {
            Some('n' | 't' | 'r') => plain.push(' '),
            Some('u') => {
                let code = escape.get(1..5).unwrap_or_default();
                let code = u32::from_str_radix(code, 16).ok();
                if let Some(written) = code.and_then(char::from_u32) {
                    plain.push(written);
                    after = escape[5..].chars();
                } else {
                    plain.push('u');
                }
            }
            Some(other) => plain.push(other),
            None => {}
        }
        rest = after.as_str();
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::Refusal;

    const NAME: &str = "prod-inventory-service.prod.inventory.internal";

    fn phrases() -> Vec<(String, Refusal)> {
        let name = Refusal::Name(NAME.to_owned());
        vec![
            (
                format!("common name {NAME} not allowed by this role"),
                name.clone(),
            ),
            (
                format!("subject alternate name {NAME} not allowed by this role"),
                name,
            ),
            (
                "common name *.inventory.internal not allowed by this role".to_owned(),
                Refusal::Name("*.inventory.internal".to_owned()),
            ),
            (
                "IP Subject Alternative Names are not allowed in this role, but was provided [192.0.2.7]".to_owned(),
                Refusal::Addresses,
            ),
            (
                "IP Subject Alternative Names are not allowed in this role, but was provided some via CSR".to_owned(),
                Refusal::Addresses,
            ),
            ("role requires keys of type ec".to_owned(), Refusal::KeyType),
            (
                "role requires a minimum of a 384-bit key, but CSR's key is 256 bits".to_owned(),
                Refusal::KeyBits,
            ),
            (
                "unknown role: inventory".to_owned(),
                Refusal::UnknownRole("inventory".to_owned()),
            ),
        ]
    }

    /// Texts that servers put around Vault's message.
    fn wrapped(phrase: &str) -> Vec<String> {
        let body = json!({ "errors": [phrase] }).to_string();
        let inner = json!({ "error": { "kind": "refused", "vault": body } }).to_string();
        vec![
            phrase.to_owned(),
            format!(
                "failed to write to path 'pki/issue/inventory': Error making API request.\n\nURL: PUT http://127.0.0.1:8200/v1/pki/issue/inventory\nCode: 400. Errors:\n\n* {phrase}"
            ),
            format!("1 error occurred:\n\t* {phrase}\n\n"),
            body.clone(),
            inner.clone(),
            json!([inner]).to_string(),
            json!({ "message": phrase, "vault_messages": [phrase], "status": 400 }).to_string(),
            format!("Vault says \"{phrase}\"."),
            phrase.to_uppercase().replace(' ', "  \n "),
            phrase.replace(NAME, &format!("\"{NAME}\"")),
            phrase.replace(NAME, &format!("`{NAME}` is")),
        ]
    }

    fn lower(refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::Name(name) => Refusal::Name(name.to_lowercase()),
            Refusal::UnknownRole(role) => Refusal::UnknownRole(role.to_lowercase()),
            other => other,
        }
    }

    #[test]
    fn vaults_words_are_found_whatever_is_around_them() {
        for (phrase, refusal) in phrases() {
            for text in wrapped(&phrase) {
                let found: Vec<_> = Refusal::all_in(&text).into_iter().map(lower).collect();
                assert_eq!(found, std::slice::from_ref(&refusal), "{text}");
            }
        }
    }

    #[test]
    fn other_words_are_no_refusal_of_a_role() {
        for text in [
            "",
            "permission denied",
            "the certificate cannot be issued",
            "the name is not allowed by this role",
            "common name not allowed by this role",
            "cannot satisfy request, as TTL would result in notAfter of 2027",
            "email address a@b.example not allowed by this role",
        ] {
            assert_eq!(Refusal::all_in(text), [], "{text}");
        }
    }

    #[test]
    fn several_refusals_are_found_in_their_order_and_once() {
        let text = "common name a.b.c not allowed by this role (common name a.b.c not allowed by this role); role requires keys of type rsa";
        let name = Refusal::Name("a.b.c".to_owned());
        assert_eq!(Refusal::all_in(text), [name, Refusal::KeyType]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\PC|\\\\|\\\\u[0-9a-f]{0,4}|common name |not allowed by this role|unknown role: |\n){0,40}") {
            drop(Refusal::all_in(&text));
        }

        #[test]
        fn a_phrase_is_found_in_any_text_of_json(before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let phrase = format!("common name {NAME} not allowed by this role");
            let text = format!("{} {phrase} {}", before.replace('\\', ""), after.replace('\\', ""));
            let name = Refusal::Name(NAME.to_owned());
            for text in [json!({ "error": text }).to_string(), text] {
                prop_assert_eq!(Refusal::all_in(&text), std::slice::from_ref(&name));
            }
        }
    }
}
