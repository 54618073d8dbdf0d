//! Tag expressions with the syntax of cucumber: `@must and not @source:BLOG`.

use std::{iter, str::FromStr};

use cucumber::tag::Ext as _;
use gherkin::tagexpr::TagOperation;

use crate::{requirement::Requirement, suggest};

/// An expression that the tags of a scenario must match.
///
/// The operators are `and`, `or`, `not` and parentheses. A scenario also has the tags of its rule and its feature. A
/// tag for a place in a source (`@source:TUT:create-a-policy`) implies the tag of the source (`@source:TUT`).
#[derive(Clone, Debug)]
pub struct Tags {
    text: String,
    expression: TagOperation,
}

/// A text that is not a valid tag expression.
#[derive(Debug, thiserror::Error)]
#[error(
    "{text:?} is not a valid tag expression: {problem}; an example is \"@must and not (@kv or @source:BLOG)\""
)]
pub struct TagsError {
    text: String,
    problem: String,
}

impl FromStr for Tags {
    type Err = TagsError;

    fn from_str(text: &str) -> Result<Self, TagsError> {
        let wrong = |problem: String| TagsError {
            text: text.to_owned(),
            problem,
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        let expression = trimmed.parse::<TagOperation>().map_err(|error| {
            let rest: String = trimmed.chars().skip(error.location.column - 1).collect();
            let count = |paren| trimmed.matches(paren).count();
            wrong(if count('(') != count(')') {
                "its parentheses do not match".to_owned()
            } else if rest.is_empty() {
                "something is missing at its end".to_owned()
            } else if rest.starts_with(|c: char| c.is_alphanumeric()) {
                format!("{rest:?} is neither and, or nor not, and a tag begins with @")
            } else {
                format!("{rest:?} was not expected there")
            })
        })?;
        Ok(Self {
            text: trimmed.to_owned(),
            expression,
        })
    }
}

impl Tags {
    /// Whether the tags of a requirement's scenario match.
    #[must_use]
    pub fn match_of(&self, requirement: &Requirement) -> bool {
        self.expression.eval(tags(requirement))
    }

    /// Why none of these requirements matches, as far as that is known.
    pub(crate) fn unmatched<'a>(
        &self,
        requirements: impl IntoIterator<Item = &'a Requirement>,
    ) -> String {
        let known: Vec<_> = requirements.into_iter().flat_map(tags).collect();
        let unknown = named(&self.expression)
            .into_iter()
            .find(|tag| !known.contains(tag));
        let why = unknown.map(|tag| match suggest::closest(tag, known.iter().copied()) {
            Some(closest) => format!("; no scenario has the tag @{tag}; did you mean @{closest}?"),
            None => format!("; no scenario has the tag @{tag}"),
        });
        format!(
            "no scenario has tags that match {:?}{}",
            self.text,
            why.unwrap_or_default()
        )
    }
}

fn tags(requirement: &Requirement) -> impl Iterator<Item = &str> + Clone {
    let feature = requirement.feature.tags.iter();
    feature
        .chain(&requirement.scenario.tags)
        .flat_map(|tag| iter::once(tag.as_str()).chain(whole_source(tag)))
}

/// `source:TUT` of `source:TUT:create-a-policy`.
fn whole_source(tag: &str) -> Option<&str> {
    let (name, _) = tag.strip_prefix("source:")?.split_once(':')?;
    Some(&tag[.."source:".len() + name.len()])
}

/// The tags in an expression.
fn named(expression: &TagOperation) -> Vec<&str> {
    match expression {
        TagOperation::And(one, other) | TagOperation::Or(one, other) => {
            [named(one), named(other)].concat()
        }
        TagOperation::Not(one) => named(one),
        TagOperation::Tag(tag) => vec![tag],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Tags;
    use crate::requirement;

    #[test]
    fn what_is_no_expression_is_refused_with_what_is_wrong() {
        for (text, told) in [
            ("", "it is empty"),
            ("@a and", "missing at its end"),
            ("must", "\"must\" is neither and, or nor not"),
            ("@a not @b", "\"not @b\""),
            ("@a and (@b or @c", "parentheses do not match"),
            ("@a)", "parentheses do not match"),
        ] {
            let error = text.parse::<Tags>().unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn a_tag_that_is_misspelt_is_told_with_what_was_meant() {
        let requirements = requirement::all().unwrap();
        let tags: Tags = " @source:BLGO and @must ".parse().unwrap();
        assert!(!requirements.iter().any(|r| tags.match_of(r)));
        let why = tags.unmatched(&requirements);
        assert!(
            why.contains("@source:BLGO; did you mean @source:BLOG?"),
            "{why}"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[@a-z.: ()]{0,40}", any in "\\PC{0,40}") {
            let _ = text.parse::<Tags>();
            let _ = any.parse::<Tags>();
            let _ = format!("@must and ({text}) or not {any}").parse::<Tags>();
        }
    }
}
