//! Secrets of one scenario: known, so that they are found where they must not be, and
//! never written out.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// One secret and what to call it where it must not be shown.
#[derive(Clone)]
struct Known {
    label: String,
    secret: SecretString,
}

/// The secrets that a scenario knows of.
#[derive(Clone, Default)]
pub struct Secrets {
    known: Vec<Known>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.known.iter().map(|known| &known.label))
            .finish()
    }
}

impl Secrets {
    /// Adds a secret; `label` is what stands in its place.
    pub fn add(&mut self, label: impl Into<String>, secret: SecretString) {
        if !secret.expose_secret().is_empty() {
            let label = label.into();
            self.known.push(Known { label, secret });
        }
    }

    /// Adds the secrets of others.
    pub fn extend(&mut self, others: Self) {
        self.known.extend(others.known);
    }

    /// The label of the first of these secrets that a text carries, plainly, in Base64 or in hex.
    #[must_use]
    pub fn found_in(&self, text: &str) -> Option<&str> {
        let spoken = spoken(text);
        let carries = |needle: &str| spoken.iter().any(|part| part.contains(needle));
        self.known
            .iter()
            .find(|known| {
                let secret = known.secret.expose_secret();
                carries(secret) || disguises(secret).iter().any(|d| carries(d))
            })
            .map(|known| known.label.as_str())
    }

    /// The text with these secrets replaced by their labels.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut redacted = text.to_owned();
        for known in &self.known {
            let once = escaped(known.secret.expose_secret());
            let twice = escaped(&once);
            for form in [twice.as_str(), once.as_str(), known.secret.expose_secret()] {
                if redacted.contains(form) {
                    redacted = redacted.replace(form, &format!("[{}]", known.label));
                }
            }
        }
        match self.found_in(&redacted) {
            Some(label) => format!("[withheld: this line carries the {label} in a disguise]"),
            None => redacted,
        }
    }
}

/// The text as it would stand within a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// All that a text says: itself, and where it is JSON every string in it, to any depth,
/// so that no way of escaping hides anything.
fn spoken(text: &str) -> Vec<String> {
    const DEPTH: usize = 4;
    fn collect(value: &Value, depth: usize, into: &mut Vec<String>) {
        match value {
            Value::String(text) => {
                if depth > 0
                    && text.starts_with(['{', '[', '"'])
                    && let Ok(inner) = serde_json::from_str(text)
                {
                    collect(&inner, depth - 1, into);
                }
                into.push(text.clone());
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, depth, into)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    into.push(name.clone());
                    collect(field, depth, into);
                }
            }
            _ => {}
        }
    }
    let mut parts = vec![text.to_owned()];
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        collect(&value, DEPTH, &mut parts);
    }
    parts
}

/// Base64 at each of its three alignments (without the characters that depend on what
/// surrounds the secret), and hex.
fn disguises(secret: &str) -> Vec<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = secret.as_bytes();
    if bytes.len() < 8 || bytes.len() > 512 {
        return Vec::new();
    }
    let mut forms = vec![bytes.iter().map(|byte| format!("{byte:02x}")).collect()];
    for skip in 0..3 {
        let aligned = bytes.get(skip..).unwrap_or_default();
        let base64: String = aligned
            .chunks_exact(3)
            .flat_map(|three| {
                let group =
                    u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
                [18, 12, 6, 0].map(|shift| ALPHABET[(group >> shift & 63) as usize] as char)
            })
            .collect();
        forms.push(base64);
    }
    forms
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::Secrets;

    fn knowing(secret: &str) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add("token", secret.into());
        secrets
    }

    #[test]
    fn a_secret_is_found_in_base64_wherever_it_begins() {
        // "hvs.CAESIG4xyz" encoded alone, after one byte and after two
        for text in [
            "aHZzLkNBRVNJRzR4eXo=",
            "Omh2cy5DQUVTSUc0eHl6",
            "dDpodnMuQ0FFU0lHNHh5eg==",
        ] {
            assert_eq!(knowing("hvs.CAESIG4xyz").found_in(text), Some("token"));
        }
    }

    #[test]
    fn a_secret_is_not_found_where_it_is_not() {
        assert_eq!(
            knowing("hvs.CAESIG4xyz").found_in("permission denied"),
            None
        );
    }

    proptest! {
        #[test]
        fn a_secret_is_found_and_redacted_however_json_wraps_it(secret in "\\PC{8,40}") {
            let secrets = knowing(&secret);
            let inner = json!({ "data": { "key": secret } }).to_string();
            let line = json!({ "content": [{ "text": inner }], "note": secret }).to_string();
            for text in [&secret, &inner, &line] {
                prop_assert_eq!(secrets.found_in(text), Some("token"));
                let redacted = secrets.redact(text);
                prop_assert_eq!(secrets.found_in(&redacted), None, "{}", redacted);
            }
        }
    }
}
