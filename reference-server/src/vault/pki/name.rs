//! Names in a PKI engine: [`Name`] for roles and issuers, [`Serial`] for certificates.

use thiserror::Error;

/// Maximum length of a name, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// Maximum length of a serial number, in bytes of text; RFC 5280 allows 20 bytes.
const MAX_SERIAL_BYTES: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// Vault does not accept the name.
    #[error(
        "is not a name that Vault accepts: letters, digits and `_`, and between them also `-` and `.`"
    )]
    Character,
    /// More than 256 bytes.
    #[error("is longer than {MAX_NAME_BYTES} bytes")]
    TooLong,
}

/// The name of a role or an issuer, or the id of an issuer or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Vault's name for the current default issuer.
    pub const DEFAULT_ISSUER: &'static str = "default";

    /// Parses a name by the rule of Vault's paths, `\w(([\w-.]+)?\w)?` (`GenericNameRegex` of its SDK). Other names
    /// do not reach an endpoint.
    ///
    /// # Errors
    /// [`NameError`] if the text is invalid.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong);
        }
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let is_inner = |character: char| is_word(character) || "-.".contains(character);
        let good =
            text.starts_with(is_word) && text.ends_with(is_word) && text.chars().all(is_inner);
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Character)
        }
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "is not a serial number: write it as Vault does, in pairs of hex digits such as `1f:b3:35:2b`"
)]
pub struct SerialError;

/// The serial number of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial(String);

impl Serial {
    /// Parses pairs of hex digits separated by `:` or `-`. Vault finds no certificate by any other form.
    ///
    /// # Errors
    /// [`SerialError`] for any other text.
    pub fn parse(text: &str) -> Result<Self, SerialError> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let pairs: Vec<&str> = text.split(separator).collect();
        let is_pair =
            |pair: &&str| pair.len() == 2 && pair.bytes().all(|it| it.is_ascii_hexdigit());
        if pairs.len() > MAX_SERIAL_BYTES || !pairs.iter().all(is_pair) {
            return Err(SerialError);
        }
        let serial = pairs.join(":").to_ascii_lowercase();
        // For this one Vault's endpoint for certificates returns the certificate of the CA.
        if serial == "ca" {
            return Err(SerialError);
        }
        Ok(Self(serial))
    }

    /// The number in Vault's form, such as `1f:b3:35:2b`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_what_a_path_of_vault_takes() {
        for text in [
            "a",
            "web",
            "web-server.prod_2",
            "_",
            "3c59d4f9-bae6-9163-6f21-c3a6127d85cf",
        ] {
            assert_eq!(Name::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "", "a/b", "../a", "a b", "-a", "a-", ".a", "a.", "é", "a\0", "a%2fb", "a?b", "*",
        ] {
            assert_eq!(Name::parse(text), Err(NameError::Character), "{text:?}");
        }
        assert_eq!(Name::parse(&"a".repeat(257)), Err(NameError::TooLong));
    }

    #[test]
    fn a_serial_number_is_written_as_vault_writes_it() {
        for text in ["1f:b3:05", "1F:B3:05", "1f-b3-05"] {
            assert_eq!(Serial::parse(text).unwrap().as_str(), "1f:b3:05");
        }
        for text in [
            "",
            "1f:b",
            "1fb305",
            "1f:b3:",
            ":1f",
            "1f:b3-05",
            "1f:zz",
            "1f b3",
            "1",
            "ca",
            "CA",
            "crl",
            "../1f",
            "0x1f",
            "1f:b3:05/raw",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert_eq!(Serial::parse(text), Err(SerialError), "{text:?}");
        }
        assert_eq!(Serial::parse(&vec!["00"; 65].join(":")), Err(SerialError));
    }

    proptest! {
        /// One byte could be `ca`, which is rejected.
        #[test]
        fn every_number_of_several_bytes_is_read_back(bytes in prop::collection::vec(any::<u8>(), 2..=20)) {
            let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let text = pairs.join(":");
            let parsed = Serial::parse(&text.to_ascii_uppercase().replace(':', "-")).unwrap();
            prop_assert_eq!(parsed.as_str(), text);
        }

        #[test]
        fn what_is_parsed_is_one_segment(text in any::<String>()) {
            for parsed in [Name::parse(&text).map(|it| it.0).ok(), Serial::parse(&text).map(|it| it.0).ok()] {
                prop_assert!(parsed.is_none_or(|it| !it.is_empty() && !it.contains(['/', '%', '?', '#'])));
            }
        }
    }
}
