//! How a tool gives a list in pages, as far as its arguments and one answer show.

use serde_json::Value;

use super::{
    name::spaced,
    tools::{Form, Kind},
    words::{NEXT_PAGES, PAGES, each, has},
};
use crate::{
    adapter::mapping::{NextPage, ResultShape},
    instance::answer::root,
};

/// Whether an argument of this name selects the page of a list.
pub(crate) fn asks_for_page(name: &str) -> bool {
    has(PAGES, &spaced(name))
}

/// How to ask for the next page; `None` if the tool has no argument for it, or its answer no field.
pub(crate) fn next(form: &Form, shape: &ResultShape, whole: &str) -> Option<NextPage> {
    let is_page = |argument: &&super::tools::Argument| {
        asks_for_page(argument.name())
            && argument.place.len() == 1
            && matches!(argument.kind, Kind::Text | Kind::Number | Kind::Any)
    };
    let argument = form.arguments.iter().find(is_page)?;
    let result: Value = serde_json::from_str(whole).ok()?;
    let root = root(shape, &result).ok().flatten()?;
    let in_answer = root.as_object().into_iter().flatten().map(|(name, _)| name);
    // The last page may lack the field that its schema has.
    let fields: Vec<_> = in_answer.chain(&form.answers).collect();
    let mut found =
        each(NEXT_PAGES).filter_map(|wanted| fields.iter().find(|name| spaced(name) == wanted));
    Some(NextPage {
        argument: argument.name().to_owned(),
        at: format!("/{}", found.next()?),
    })
}
