//! Suggests what was likely meant, and where, for mistakes in what people write.

/// The minimum similarity of two words for a suggestion, from 0 to 1.
const ALIKE: f64 = 0.8;

/// Profiles that were renamed in version 0.2.0; the mode `session` had the name of its profile.
const RENAMED: [(&str, &str); 5] = [
    ("custody", "vault_token"),
    ("mcp.only-agreed", "ambient.only-agreed"),
    ("limits", "rate_limits"),
    ("session", "launcher"),
    ("traces", "audit_trail"),
];

/// The present name of a profile, its mode, or an id or key of the profile.
fn renamed(old: &str) -> Option<String> {
    RENAMED.into_iter().find_map(|(before, now)| {
        let rest = old.strip_prefix(before)?;
        (rest.is_empty() || rest.starts_with('.')).then(|| format!("{now}{rest}"))
    })
}

/// The most similar known word, or the one that replaced it; `None` if none is similar.
pub(crate) fn closest<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let renamed = renamed(found);
    let found = renamed.as_deref().unwrap_or(found);
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(found, candidate), candidate))
        .filter(|(similarity, _)| *similarity > ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// `; did you mean X?`, or otherwise all known words.
pub(crate) fn did_you_mean(found: &str, known: &[&str]) -> String {
    closest(found, known.iter().copied()).map_or_else(
        || format!("; known are {}", known.join(", ")),
        |candidate| format!("; did you mean {candidate:?}?"),
    )
}

/// What is wrong in a TOML file, on one line, in plain words and with what was likely meant.
pub(crate) fn syntax(error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', " ");
    // serde names what it found and what it knows in backticks.
    let quoted: Vec<_> = message.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((found, [])) if message.starts_with("unknown field") => {
            return format!("there is no key {found:?} here");
        }
        Some((found, known)) if message.starts_with("unknown field") => {
            return format!(
                "there is no key {found:?} here{}",
                did_you_mean(found, known)
            );
        }
        Some((found, known)) if message.starts_with("unknown variant") => {
            return format!("{found:?} is not valid here{}", did_you_mean(found, known));
        }
        Some((missing, _)) if message.starts_with("missing field") => {
            return format!("the key {missing:?} is missing");
        }
        _ => {}
    }
    let invalid = ["invalid type: ", "invalid value: "];
    let invalid = invalid
        .into_iter()
        .find_map(|kind| message.strip_prefix(kind));
    match invalid.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((found, expected)) => {
            format!("{} is needed, not {}", kind_of(expected), kind_of(found))
        }
        None => message,
    }
}

/// A kind of value, or a value with its kind, that serde names in words of its own.
fn kind_of(serde: &str) -> String {
    let (kind, rest) = serde.split_once(' ').unwrap_or((serde, ""));
    let value = rest.trim_matches('`');
    match (kind, serde) {
        ("integer", _) | ("floating", _) => {
            format!("the number {}", value.trim_start_matches("point `"))
        }
        ("string", _) => format!("the text {rest}"),
        ("boolean", _) => value.to_owned(),
        ("struct", _) | (_, "map" | "a map") => "a table".to_owned(),
        (_, "sequence" | "a sequence") => "a list".to_owned(),
        (_, "a string") => "a text in quotes".to_owned(),
        (_, "a boolean") => "true or false".to_owned(),
        (_, "u8" | "u16" | "u32" | "u64" | "usize" | "i64") => "a whole number".to_owned(),
        _ => serde.to_owned(),
    }
}

/// The line of a byte of a text, counted from 1.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::{closest, did_you_mean};

    #[test]
    fn an_old_name_leads_to_the_new_one() {
        let ids = [
            "kv.list",
            "rate_limits.fair",
            "launcher.root",
            "vault_token.file",
        ];
        assert_eq!(closest("limits.fair", ids), Some("rate_limits.fair"));
        assert_eq!(closest("session.root", ids), Some("launcher.root"));
        assert_eq!(closest("custody.file", ids), Some("vault_token.file"));
        let modes = ["tls", "launcher", "log_file"];
        assert_eq!(
            did_you_mean("session", &modes),
            "; did you mean \"launcher\"?"
        );
        assert_eq!(closest("sessions", ["tls"]), None);
    }
}
