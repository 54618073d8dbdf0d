//! Sanitizes text from elsewhere for display: it cannot control a terminal or break XML, and its length is limited.

use std::fmt::Write as _;

/// The number of characters shown of one text; `report.json` has all of it.
const LONGEST: usize = 2_000;

/// Whether a character can be printed as it is.
///
/// Excluded are control characters (U+009B starts a terminal sequence, as U+001B does), characters that change the
/// direction of writing or are invisible, and characters that XML 1.0 does not allow.
pub(in crate::report) fn is_inert(c: char) -> bool {
    !(c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}'
                | '\u{ffff}'
        ))
}

/// The text on one line, with an escape such as `\n` or `\u{1b}` for each character that is not inert.
pub(in crate::report) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if is_inert(c) {
            visible.push(c);
        } else {
            visible.extend(c.escape_default());
        }
    }
    visible
}

/// Like [`visible`], but keeps line breaks.
pub(in crate::report) fn visible_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(visible).collect();
    lines.join("\n")
}

/// The text, or its beginning and a note on how much is missing.
pub(in crate::report) fn cut(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(LONGEST) else {
        return text.to_owned();
    };
    let (head, rest) = text.split_at(end);
    let mut cut = head.to_owned();
    let more = rest.chars().count();
    // Writing to a string cannot fail.
    let _ = write!(cut, " [and {more} more characters, see report.json]");
    cut
}

/// Breaks a line at spaces into parts of at most `width` characters.
///
/// Words are never broken, so that paths and commands can be copied. A line is not broken within its indentation. Each
/// break replaces one space.
pub(super) fn wrap(line: &str, width: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = line;
    while let Some((limit, _)) = rest.char_indices().nth(width) {
        let indent = rest.len() - rest.trim_start_matches(' ').len();
        let space = (rest.char_indices().skip_while(|(at, _)| *at < indent))
            .filter(|(_, c)| *c == ' ')
            .map(|(at, _)| at);
        let Some(space) =
            (space.clone().take_while(|at| *at <= limit).last()).or_else(|| space.clone().next())
        else {
            break;
        };
        parts.push(&rest[..space]);
        rest = &rest[space + 1..];
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST, cut, is_inert, visible, visible_lines, wrap};

    #[test]
    fn an_escape_sequence_is_shown_and_not_obeyed() {
        assert_eq!(
            visible("\u{1b}[2J\u{9b}31m\u{7f}\r\t\u{202e}é"),
            r"\u{1b}[2J\u{9b}31m\u{7f}\r\t\u{202e}é"
        );
    }

    #[test]
    fn a_line_feed_is_kept_only_where_lines_are_wanted() {
        assert_eq!(visible("a\nb"), r"a\nb");
        assert_eq!(visible_lines("a\r\nb\n"), "a\nb");
    }

    #[test]
    fn a_text_of_the_greatest_length_is_whole_and_a_longer_one_is_cut_with_a_note() {
        let whole = "ä".repeat(LONGEST);
        assert_eq!(cut(&whole), whole);
        assert_eq!(
            cut(&(whole.clone() + "xyz")),
            whole + " [and 3 more characters, see report.json]"
        );
    }

    #[test]
    fn a_word_that_is_too_long_is_not_broken() {
        assert_eq!(
            wrap("see /a/very/long/path at once", 8),
            ["see", "/a/very/long/path", "at once"]
        );
    }

    #[test]
    fn an_indented_line_keeps_its_indentation() {
        assert_eq!(wrap("    \"key\": 1", 8), ["    \"key\":", "1"]);
    }

    proptest! {
        #[test]
        fn whatever_is_made_visible_is_inert(text in any::<String>()) {
            prop_assert!(visible(&text).chars().all(is_inert));
            prop_assert!(visible_lines(&text).chars().all(|c| c == '\n' || is_inert(c)));
        }

        #[test]
        fn inert_text_is_left_as_it_is(text in "[ -~äß€🦀]{0,200}") {
            prop_assert_eq!(visible(&text), text);
        }

        #[test]
        fn wrapping_loses_nothing_and_keeps_the_width(text in "[a ä]{0,60}", width in 1_usize..20) {
            let parts = wrap(&text, width);
            for part in &parts {
                let fits = part.chars().count() <= width;
                prop_assert!(fits || !part.trim_start_matches(' ').contains(' '), "{:?}", part);
            }
            prop_assert_eq!(parts.join(" "), text);
        }
    }
}
