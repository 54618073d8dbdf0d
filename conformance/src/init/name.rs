//! The words in a name: of a tool, an argument, or a field of an answer, however it is written.

/// The words of a name in snake, kebab, dotted or camel case, or of a sentence: in lower case and singular.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        if !letter.is_alphanumeric() {
            words.push(String::new());
        } else {
            let next_is_small = letters.peek().is_some_and(|next| next.is_lowercase());
            let begins = letter.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit())
                // The last capital of an acronym begins the next word: PKIRole.
                || letter.is_uppercase() && before.is_uppercase() && next_is_small;
            if begins {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(letter.to_lowercase());
            }
        }
        before = letter;
    }
    let words = words.into_iter().filter(|word| !word.is_empty());
    words.map(|word| singular(&word)).collect()
}

/// A word without the ending of a plural.
fn singular(word: &str) -> String {
    let kept = match word {
        _ if word.len() < 4
            || word.ends_with("ss")
            || word.ends_with("us")
            || word.ends_with("is") =>
        {
            word
        }
        _ if word.ends_with("ies") => return format!("{}y", &word[..word.len() - 3]),
        _ if word.ends_with("sses") => &word[..word.len() - 2],
        _ => word.strip_suffix('s').unwrap_or(word),
    };
    kept.to_owned()
}

/// The words of a name, with a blank between them.
pub(crate) fn spaced(name: &str) -> String {
    words(name).join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{spaced, words};

    #[test]
    fn the_words_of_a_name_are_the_same_however_it_is_written() {
        for name in [
            "list_secrets",
            "list-secrets",
            "listSecrets",
            "ListSecrets",
            "list.secrets",
            "LIST SECRETS",
        ] {
            assert_eq!(words(name), ["list", "secret"], "{name}");
        }
        assert_eq!(spaced("createPKIRole"), "create pki role");
        assert_eq!(spaced("kv2_read"), "kv2 read");
        assert_eq!(spaced("policies"), "policy");
        assert_eq!(spaced("status"), "status");
    }

    proptest! {
        #[test]
        fn any_text_has_words(text in "\\PC{0,40}") {
            for word in words(&text) {
                prop_assert!(!word.is_empty());
            }
        }
    }
}
