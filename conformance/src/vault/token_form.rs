//! The forms of tokens that Vault accepts. Its own service tokens begin with `hvs.`, but a root token can
//! choose the id of a token, and other Vaults and earlier versions make tokens of other forms.

use rand::RngExt as _;
use serde_json::{Value, json};

/// The characters of a random part.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The form of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenForm {
    /// What Vault makes if it is not asked for anything else, of letters and digits behind the prefix. All servers get
    /// such a token, so that whether one accepts its token does not depend on chance.
    #[default]
    Service,
    /// The same, with a dash or an underscore behind the prefix: about half of Vault's tokens have one.
    Dashed,
    /// A token that Vault does not store; it begins with `hvb.`, is longer, and has no accessor.
    Batch,
    /// A UUID, as Vault made them before its tokens had a prefix.
    Uuid,
    /// 12 letters and digits.
    Short,
    /// Words with dashes and underscores.
    Words,
    /// The characters of Base64 besides letters and digits.
    Base64,
    /// 200 letters and digits.
    Long,
}

impl TokenForm {
    /// The form with this name in features.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "a service token with a dash or underscore" => Self::Dashed,
            "a batch token" => Self::Batch,
            "a UUID" => Self::Uuid,
            "12 letters and digits" => Self::Short,
            "words with dashes and underscores" => Self::Words,
            "letters with plus, slash and equals signs" => Self::Base64,
            "200 letters and digits" => Self::Long,
            _ => return None,
        })
    }

    /// What a request for such a token has in addition, and at random where the suite chooses the id. Vault rejects ids
    /// with a dot, and so those with a prefix of its own.
    pub(super) fn demands(self) -> Value {
        let id = match self {
            Self::Service | Self::Dashed => return json!({}),
            Self::Batch => return json!({ "type": "batch" }),
            Self::Uuid => {
                let hex = letters(b"0123456789abcdef", 32);
                let part = |from: usize, to: usize| &hex[from..to];
                [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)]
                    .map(|(from, to)| part(from, to))
                    .join("-")
            }
            Self::Short => letters(LETTERS, 12),
            Self::Words => format!("-team_a--{}__", letters(LETTERS, 16)),
            Self::Base64 => format!("{}+/{}==", letters(LETTERS, 8), letters(LETTERS, 12)),
            Self::Long => letters(LETTERS, 200),
        };
        json!({ "id": id })
    }
}

impl TokenForm {
    /// Whether a token that Vault made has this form. Vault chooses the characters of a service token at random.
    pub(super) fn is_of(self, token: &str) -> bool {
        let is_plain = !token.contains(['-', '_']);
        match self {
            Self::Service => is_plain,
            Self::Dashed => !is_plain,
            Self::Batch | Self::Uuid | Self::Short | Self::Words | Self::Base64 | Self::Long => {
                true
            }
        }
    }
}

fn letters(of: &[u8], count: usize) -> String {
    let mut random = rand::rng();
    let letter = move || char::from(of[random.random_range(0..of.len())]);
    std::iter::repeat_with(letter).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::TokenForm;

    #[test]
    fn a_chosen_id_is_one_that_vault_accepts_and_differs_each_time() {
        for form in [
            TokenForm::Uuid,
            TokenForm::Short,
            TokenForm::Words,
            TokenForm::Base64,
            TokenForm::Long,
        ] {
            let [one, other] =
                [form, form].map(|form| form.demands()["id"].as_str().unwrap().to_owned());
            assert_ne!(one, other);
            assert!(one.bytes().all(|byte| byte.is_ascii_graphic()), "{one}");
            assert!(one.len() >= 12 && !one.contains('.'), "{one}");
        }
        assert_eq!(
            TokenForm::Uuid.demands()["id"].as_str().map(str::len),
            Some(36)
        );
    }

    #[test]
    fn a_form_has_a_name_in_features_and_no_other() {
        assert_eq!(TokenForm::named("a batch token"), Some(TokenForm::Batch));
        assert_eq!(TokenForm::named("a root token"), None);
    }
}
