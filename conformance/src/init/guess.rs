//! Which tools may perform which operation: by the words in their names and descriptions, and by their arguments.

use super::{
    arguments::{Draft, drafts},
    tools::Form,
    words::{Names, OperationWords, flags, has, of},
};
use crate::engines::{Kv, Operation};

/// With fewer points nothing but a successful call shows that a tool performs an operation.
pub(crate) const CLEAR: f64 = 5.0;

/// With fewer points a successful call without the data or the effect shows that a tool does something else.
pub(crate) const SURE: f64 = 8.0;

/// A tool call that may perform an operation.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) form: Form,
    pub(crate) draft: Draft,
    pub(crate) points: f64,
}

impl Candidate {
    /// What speaks for it, for readers.
    pub(crate) fn reason(&self, operation: Operation) -> String {
        let about = of(operation);
        let named = self.form.named.iter().map(String::as_str);
        let known = named
            .filter(|word| is_about(word, &about))
            .collect::<Vec<_>>();
        match known.is_empty() {
            true => "by its description".to_owned(),
            false => format!("by the words {}", known.join(", ")),
        }
    }
}

fn is_about(word: &str, about: &OperationWords) -> bool {
    [about.verbs, about.nouns, about.hints]
        .iter()
        .into_iter()
        .any(|words| has(words, word))
}

/// The tool calls that may perform an operation, the likeliest first.
pub(crate) fn candidates(operation: Operation, forms: &[Form]) -> Vec<Candidate> {
    let about = of(operation);
    let mut found = Vec::new();
    for form in forms {
        let Some(points) = points(operation, form, &about) else {
            continue;
        };
        for (index, draft) in drafts(operation, form, about.needs).into_iter().enumerate() {
            let open = f64::from(u32::try_from(draft.open.len()).unwrap_or(u32::MAX));
            let left = f64::from(u32::try_from(draft.left_over.len()).unwrap_or(u32::MAX));
            // A variant of the same call comes behind it, and before other tools that are less likely.
            let behind = f64::from(u32::try_from(index).unwrap_or(u32::MAX)) / 100.0;
            let points = points + draft.fit - 3.0 * open - left / 4.0 - behind;
            if points > 0.0 {
                found.push(Candidate {
                    form: form.clone(),
                    draft,
                    points,
                });
            }
        }
    }
    found.sort_by(|a, b| b.points.total_cmp(&a.points));
    found
}

/// How likely the words of a tool make an operation; `None` if they rule it out.
fn points(operation: Operation, form: &Form, about: &OperationWords) -> Option<f64> {
    if !operation.reads() && form.only_reads == Some(true) {
        return None;
    }
    let named = |words: Names| count(words, form.named.iter().map(String::as_str));
    let described = |words: Names| count(words, form.described.iter().map(String::as_str));
    let mut points = 0.0;
    points += match (named(about.verbs), described(about.verbs)) {
        (0, 0) => return None,
        (0, _) => 1.5,
        (_, _) => 4.0,
    };
    points += match (named(about.nouns), described(about.nouns)) {
        // Tools for secrets often do not say so.
        (0, 0) if !matches!(operation, Operation::Kv(_)) => return None,
        (0, 0) => 0.0,
        (0, _) => 1.0,
        (_, _) => 3.0,
    };
    points +=
        2.0 * f64::from(named(about.hints).min(2)) + 0.5 * f64::from(described(about.hints).min(2));
    // A flag of the tool is as good as a word.
    points -= 6.0 * f64::from(named(about.against));
    if operation.reads() && form.only_reads == Some(false) {
        points -= 3.0;
    }
    if needs_flag(operation) && named(about.hints) == 0 && described(about.hints) == 0 {
        let flags = flags(operation);
        let has_flag = form
            .arguments
            .iter()
            .any(|argument| flags.iter().any(|(name, _)| *name == argument.named));
        points += if has_flag { 2.0 } else { -4.0 };
    }
    Some(points)
}

/// Whether the operation is a special case of another, so that a tool needs a word or a flag for it.
const fn needs_flag(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Kv(Kv::ListAll | Kv::Purge | Kv::Metadata | Kv::Undelete | Kv::Destroy)
    )
}

fn count<'w>(words: Names, found: impl Iterator<Item = &'w str>) -> u32 {
    let found = found.filter(|word| has(words, word));
    u32::try_from(found.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
