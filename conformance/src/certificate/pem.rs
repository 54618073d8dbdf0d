//! Finds PEM blocks (RFC 7468) in any text: prose, logs, or JSON in which each line break is escaped, once or several
//! times.

use std::str::Chars;

use data_encoding::BASE64;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The content between `-----BEGIN label-----` and its end. It does not implement `Debug`, because it may be a private
/// key.
pub(super) struct Block<'t> {
    pub(super) label: &'t str,
    pub(super) der: Vec<u8>,
}

impl Block<'_> {
    pub(super) fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }
}

/// The blocks in a text whose labels match and whose content is Base64.
pub(super) fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    text.split(BEGIN).skip(1).filter_map(block)
}

/// One block in lines of 64 characters, as Vault writes it.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let mut pem = format!("{BEGIN}{label}{DASHES}\n");
    for line in der.chunks(48) {
        BASE64.encode_append(line, &mut pem);
        pem.push('\n');
    }
    pem + END + label + DASHES + "\n"
}

/// The block whose `BEGIN` directly precedes this text.
fn block(text: &str) -> Option<Block<'_>> {
    let (label, rest) = text.split_once(DASHES)?;
    let (body, end) = rest.split_once(END)?;
    end.strip_prefix(label)?.strip_prefix(DASHES)?;
    let der = BASE64.decode(unescaped(body)?.as_bytes()).ok()?;
    Some(Block { label, der })
}

/// A text without white space, plain or escaped as in JSON. `None` if there are other escapes than those for Base64
/// characters (`\/`, `\u002b`). Repeated escaping adds backslashes; Base64 has none, so their number does not matter.
fn unescaped(body: &str) -> Option<String> {
    let mut plain = String::with_capacity(body.len());
    let mut rest = body.chars();
    while let Some(next) = rest.next() {
        let character = match next {
            '\\' => escape(&mut rest)?,
            plain => plain,
        };
        if !character.is_whitespace() {
            plain.push(character);
        }
    }
    Some(plain)
}

/// The character of an escape whose first backslash has been read.
fn escape(rest: &mut Chars<'_>) -> Option<char> {
    match rest.find(|&character| character != '\\')? {
        'n' | 'r' | 't' => Some(' '),
        'u' => {
            let digits: String = rest.take(4).collect();
            char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
        }
        itself @ '/' => Some(itself),
        line_break if line_break.is_whitespace() => Some(line_break),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{blocks, encode};

    fn found(text: &str) -> Vec<(String, Vec<u8>)> {
        blocks(text)
            .map(|block| (block.label.to_owned(), block.der))
            .collect()
    }

    #[test]
    fn a_block_is_found_in_json_that_was_escaped_over_and_over() {
        let der: Vec<u8> = (0..=255).collect();
        let mut text = format!("here it is:\n{}and so on", encode("CERTIFICATE", &der));
        for _ in 0..4 {
            assert_eq!(found(&text), [("CERTIFICATE".to_owned(), der.clone())]);
            text = serde_json::json!({ "text": text }).to_string();
        }
    }

    #[test]
    fn a_block_is_found_however_its_lines_end() {
        let der: Vec<u8> = (0..200).collect();
        let pem = encode("X509 CRL", &der);
        let expected = [("X509 CRL".to_owned(), der)];
        for line_break in ["\r\n", "\n    ", " ", "", "\\r\\n", "\\\n"] {
            assert_eq!(found(&pem.replace('\n', line_break)), expected);
        }
    }

    #[test]
    fn the_characters_of_base64_may_be_escaped() {
        let der = [0xfb, 0xff, 0xbf, 0xff, 0xfe];
        let pem = encode("CERTIFICATE", &der);
        let escaped = pem.replace('/', "\\/").replace('+', "\\u002B");
        assert_ne!(escaped, pem);
        assert_eq!(found(&escaped), [("CERTIFICATE".to_owned(), der.to_vec())]);
    }

    #[test]
    fn a_block_without_its_end_does_not_hide_the_next() {
        let whole = encode("B", b"whole");
        for broken in [
            "-----BEGIN A-----\nAAAA\n",
            "-----BEGIN A-----\nA!\n-----END A-----",
            "-----BEGIN A-----\nAAAA\n-----END C-----",
        ] {
            let text = format!("{broken}\n{whole}");
            assert_eq!(
                found(&text),
                [("B".to_owned(), b"whole".to_vec())],
                "{broken}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_found(der in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(found(&encode("X", &der)), [("X".to_owned(), der)]);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "([-\\\\un/ A=]|BEGIN|END|-----|\\PC){0,60}") {
            let _ = found(&text);
            let _ = found(&format!("-----BEGIN A-----{text}-----END A-----"));
        }
    }
}
