//! What was likely meant, and where: for mistakes in what people write.

/// How alike two words are at least if one is taken for the other, from 0 to 1.
const ALIKE: f64 = 0.75;

/// The word that is most like the one that was found, if any is like it.
pub(crate) fn closest<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(found, candidate), candidate))
        .filter(|(similarity, _)| *similarity > ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// `; did you mean X?`, or else all that is known.
pub(crate) fn did_you_mean(found: &str, known: &[&str]) -> String {
    closest(found, known.iter().copied()).map_or_else(
        || format!("; known are {}", known.join(", ")),
        |candidate| format!("; did you mean {candidate:?}?"),
    )
}

/// What TOML's reader says, on one line and with what was likely meant.
pub(crate) fn syntax(error: &toml::de::Error) -> String {
    let message = error.message();
    // serde names what it found and what it knows in backticks.
    let mut quoted = message.split('`').skip(1).step_by(2);
    let guess = match quoted.next() {
        Some(found) if message.starts_with("unknown") => {
            did_you_mean(found, &quoted.collect::<Vec<_>>())
        }
        _ => String::new(),
    };
    format!("{}{guess}", message.replace('\n', " "))
}

/// The line of a byte of a text, counted from 1.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}
