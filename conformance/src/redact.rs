//! The secrets of one scenario: the suite finds them where they must not be, and never writes them out.

use data_encoding::{BASE64_NOPAD, HEXLOWER};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The minimum length, in bytes, of a secret that is searched in encodings. A shorter one could occur by chance.
const SHORTEST_ENCODED: usize = 8;

/// How many bytes of a secret are searched in encodings. This is enough to recognise a longer one.
const MOST_ENCODED: usize = 512;

/// The length of the shortest encoded secret in Base64, whatever surrounds it.
const SHORTEST_BASE64: usize = 8;

/// The length of the shortest encoded secret in hex.
const SHORTEST_HEX: usize = 2 * SHORTEST_ENCODED;

/// One secret and its label.
#[derive(Clone)]
struct Known {
    label: String,
    secret: SecretString,
    /// The secret in Base64, in each alignment.
    base64: Vec<SecretString>,
    /// The secret in lower-case hex.
    hex: Option<SecretString>,
}

impl Known {
    fn new(label: String, secret: SecretString) -> Self {
        let bytes = secret.expose_secret().as_bytes();
        let encodable =
            (bytes.len() >= SHORTEST_ENCODED).then(|| bytes.get(..MOST_ENCODED).unwrap_or(bytes));
        let hex = encodable.map(|bytes| HEXLOWER.encode(bytes).into());
        let base64 = encodable.map(in_base64).unwrap_or_default();
        Self {
            label,
            secret,
            base64,
            hex,
        }
    }

    fn is_in(&self, part: &Part) -> bool {
        let carries = |text: &str, known: &SecretString| text.contains(known.expose_secret());
        carries(&part.plain, &self.secret)
            || self.base64.iter().any(|form| carries(&part.base64, form))
            || self.hex.iter().any(|form| carries(&part.hex, form))
    }
}

/// The secrets of a scenario.
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
    /// Adds a secret; `label` replaces it in output.
    pub fn add(&mut self, label: impl Into<String>, secret: SecretString) {
        if !secret.expose_secret().is_empty() {
            self.known.push(Known::new(label.into(), secret));
        }
    }

    /// Adds other secrets.
    pub fn extend(&mut self, others: Self) {
        self.known.extend(others.known);
    }

    /// The label of the first of these secrets in a text: plain, in Base64 of either alphabet, or in hex.
    #[must_use]
    pub fn found_in(&self, text: &str) -> Option<&str> {
        match self.known.is_empty() {
            true => None,
            false => self.found(&Searchable::new(text)),
        }
    }

    /// Like [`Self::found_in`], for a text in which several sets of secrets are searched.
    #[must_use]
    pub fn found(&self, text: &Searchable) -> Option<&str> {
        self.known
            .iter()
            .find(|known| text.0.iter().any(|part| known.is_in(part)))
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
            Some(label) => format!("[withheld: this line contains the {label} in an encoded form]"),
            None => redacted,
        }
    }
}

/// The text as it appears within a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// A text that is prepared for the search for secrets: the text, and all strings in its JSON at any depth. No way of
/// escaping hides a secret.
pub struct Searchable(Vec<Part>);

impl Searchable {
    /// Prepares a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        /// How many times a string is parsed as JSON in turn.
        const DEPTH: usize = 4;
        let mut texts = vec![text.to_owned()];
        let mut layer = escaped_strings(text);
        // One layer after the other, so that a text cannot make parsers recurse.
        for _ in 0..DEPTH {
            let inner = layer
                .iter()
                .filter(|text| text.trim_start().starts_with(['{', '[', '"']));
            let inner = inner.flat_map(|text| escaped_strings(text)).collect();
            texts.append(&mut std::mem::replace(&mut layer, inner));
        }
        texts.append(&mut layer);
        Self(texts.into_iter().map(Part::new).collect())
    }
}

/// Every escaped string in a JSON text, or in the JSON at the end of a text. All other strings are literally in the
/// text.
fn escaped_strings(text: &str) -> Vec<String> {
    let mut strings = Vec::new();
    if text.contains('\\') {
        // Loggers write words before the JSON.
        let mut begins: Vec<_> = ['{', '[', '"']
            .into_iter()
            .filter_map(|c| text.find(c))
            .collect();
        begins.sort_unstable();
        for begin in begins {
            let mut json = serde_json::Deserializer::from_str(&text[begin..]);
            // If the JSON is invalid, the strings before the error are used.
            if Unescape(&mut strings).deserialize(&mut json).is_ok() {
                break;
            }
        }
    }
    strings
}

/// Walks a JSON value and collects its escaped strings and names.
struct Unescape<'a>(&'a mut Vec<String>);

impl<'de> DeserializeSeed<'de> for Unescape<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unescape<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    /// A string that is literally in the text.
    fn visit_borrowed_str<E>(self, _: &'de str) -> Result<(), E> {
        Ok(())
    }

    /// A string that is escaped in the text.
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push(text.to_owned());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Unescape(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_key_seed(Unescape(self.0))?.is_some() {
            fields.next_value_seed(Unescape(self.0))?;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A text, and the parts of it that may be encoded. There are usually few, so that the search for many encoded secrets
/// is cheap.
struct Part {
    plain: String,
    /// Its runs of Base64, in the standard alphabet.
    base64: String,
    /// Its runs of hex, in lower case.
    hex: String,
}

impl Part {
    fn new(plain: String) -> Self {
        let base64 = long_runs(&plain, SHORTEST_BASE64, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
        });
        // Each run of hex is within one of Base64.
        let hex = long_runs(&base64, SHORTEST_HEX, |byte| byte.is_ascii_hexdigit());
        Self {
            base64: base64.replace('-', "+").replace('_', "/"),
            hex: hex.to_ascii_lowercase(),
            plain,
        }
    }
}

/// The runs of ASCII characters of one kind in a text with at least this length, each followed by a space.
///
/// This reads every byte of a transcript, most of which are in no such run.
fn long_runs(text: &str, shortest: usize, is_one: impl Fn(u8) -> bool) -> String {
    let mut runs = String::new();
    let mut begin = 0;
    for (at, byte) in text.bytes().chain([b' ']).enumerate() {
        if is_one(byte) {
            continue;
        }
        if at - begin >= shortest {
            runs.push_str(text.get(begin..at).unwrap_or_default());
            runs.push(' ');
        }
        begin = at + 1;
    }
    runs
}

/// The secret in Base64 in each of its three alignments, without the characters that depend on the surrounding bytes.
fn in_base64(bytes: &[u8]) -> Vec<SecretString> {
    let aligned = (0..3).filter_map(|skipped| bytes.get(skipped..));
    aligned
        .map(|bytes| {
            let mut encoded = BASE64_NOPAD.encode(bytes);
            // The last character contains bits of the next byte, unless it is complete.
            encoded.truncate(bytes.len() * 8 / 6);
            encoded.into()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use data_encoding::{
        BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER,
    };
    use proptest::prelude::*;
    use serde_json::json;

    use super::Secrets;

    const ENCODINGS: [Encoding; 6] = [
        BASE64,
        BASE64_NOPAD,
        BASE64URL,
        BASE64URL_NOPAD,
        HEXLOWER,
        HEXUPPER,
    ];

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
    fn a_secret_is_found_in_the_url_alphabet_and_in_hex_of_either_case() {
        let secret = "~?~?~?~?~?~?";
        for text in [
            "fj9-P34_fj9-P34_",
            "fj9+P34/fj9+P34/",
            "7e3f7e3f7e3f7e3f7e3f7e3f",
            "7E3F7E3F7E3F7E3F7E3F7E3F",
        ] {
            assert_eq!(knowing(secret).found_in(text), Some("token"), "{text}");
        }
    }

    #[test]
    fn a_secret_is_found_where_words_come_before_the_json_that_escapes_it() {
        let mut secrets = Secrets::default();
        secrets.add("token", "hvs.0123456789".into());
        for text in [
            r#"INFO [main] {"t":"\u0068vs.0123456789"} done"#,
            r#"level=info msg="got \u0068vs.0123456789""#,
        ] {
            assert_eq!(secrets.found_in(text), Some("token"), "{text}");
        }
    }

    #[test]
    fn a_secret_is_found_however_a_text_escapes_it() {
        let nested = |layers: usize| {
            let secret = json!({ "key": "hvs.CAESIG4xyz\n" });
            (0..layers).fold(secret.to_string(), |inner, _| json!(inner).to_string())
        };
        for text in [
            r#"{"key": "\u0068vs.CAESIG4xyz"}"#,
            r#"{"\u0068vs.CAESIG4xyz": "value"}"#,
            r#"{"key": "\u0068vs.CAESIG4xyz", "key": "value"}"#,
            r#"{"key": "\u0068vs.CAESIG4xyz", it breaks off"#,
            r#"{"text": " {\"key\": \"\\u0068vs.CAESIG4xyz\"}"}"#,
            r#"{"text": "aHZzLkNBRVNJRzR4eXo\u003d"}"#,
            &nested(1),
            &nested(4),
        ] {
            assert_eq!(
                knowing("hvs.CAESIG4xyz").found_in(text),
                Some("token"),
                "{text}"
            );
        }
        let slashes = r#"{"text": "fj9+P34\/fj9+P34\/"}"#;
        assert_eq!(knowing("~?~?~?~?~?~?").found_in(slashes), Some("token"));
    }

    #[test]
    fn a_text_of_many_layers_and_brackets_is_searched_to_its_end() {
        let deep =
            |inner: String| format!("{}{}{}", "[".repeat(120), json!(inner), "]".repeat(120));
        let text = (0..5).fold("\u{1}hvs.CAESIG4xyz".to_owned(), |inner, _| deep(inner));
        assert_eq!(knowing("hvs.CAESIG4xyz").found_in(&text), Some("token"));
    }

    #[test]
    fn a_secret_is_not_found_where_it_is_not() {
        for text in [
            "permission denied",
            "aHZzLkNBRVNJRzR4WXo=",
            "6876732e434145534947347879",
        ] {
            assert_eq!(knowing("hvs.CAESIG4xyz").found_in(text), None, "{text}");
        }
    }

    #[test]
    fn a_long_secret_is_known_in_encodings_by_its_beginning() {
        let secret: String = (0..400).map(|number| number.to_string()).collect();
        for encoding in ENCODINGS {
            let text = encoding.encode(secret.as_bytes());
            assert_eq!(knowing(&secret).found_in(&text), Some("token"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_secret_is_found_and_withheld_in_each_encoding_at_each_alignment(
            secret in "[~?a-zA-Z0-9.]{8,40}|\\PC{8,40}",
            before: [u8; 2],
            after in proptest::collection::vec(any::<u8>(), 0..4),
        ) {
            let secrets = knowing(&secret);
            for begin in 0..=before.len() {
                let bytes = [&before[..begin], secret.as_bytes(), &after].concat();
                for encoding in ENCODINGS {
                    let encoded = encoding.encode(&bytes);
                    let line = json!({ "text": format!("it is {encoded}.") }).to_string();
                    for text in [&encoded, &line] {
                        prop_assert_eq!(secrets.found_in(text), Some("token"), "{}", text);
                        prop_assert!(!secrets.redact(text).contains(&encoded));
                    }
                }
            }
        }

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
