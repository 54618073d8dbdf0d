//! How a tool gives a list in pages, as far as its arguments and one answer show.

use serde_json::Value;

use super::{
    name::spaced,
    tools::{Form, Kind},
    words::{NEXT_PAGES, PAGES},
};
use crate::{
    adapter::mapping::{NextPage, ResultShape},
    instance::answer::root,
};

/// How to ask for the next page; `None` if the tool has no argument for it, or its answer no field.
pub(crate) fn next(form: &Form, shape: &ResultShape, whole: &str) -> Option<NextPage> {
    let is_page = |argument: &&super::tools::Argument| {
        PAGES.contains(&argument.named.as_str())
            && argument.place.len() == 1
            && matches!(argument.kind, Kind::Text | Kind::Number | Kind::Any)
    };
    let argument = form.arguments.iter().find(is_page)?;
    let result: Value = serde_json::from_str(whole).ok()?;
    let root = root(shape, &result).ok().flatten()?;
    let names = NEXT_PAGES.iter();
    let mut found = names.filter_map(|wanted| {
        let (name, _) = root
            .as_object()?
            .iter()
            .find(|(name, _)| spaced(name) == **wanted)?;
        Some(name.clone())
    });
    Some(NextPage {
        argument: argument.name().to_owned(),
        at: format!("/{}", found.next()?),
    })
}
