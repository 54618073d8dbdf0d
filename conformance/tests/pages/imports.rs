//! The imports between the suite's modules follow the list in docs/architecture.md.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::{page, root, rows};

/// A module's path in the crate; empty for the crate itself.
pub(super) type Module = Vec<String>;

/// Which modules a module imports.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

fn shown(module: &[String]) -> String {
    module.join("::")
}

/// The modules in a folder, with their sources.
pub(super) fn sources(folder: &Path, above: &[String], found: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut module = above.to_vec();
        if path.is_dir() {
            module.push(name);
            sources(&path, &module, found);
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        if !["mod", "lib"].contains(&name.as_str()) {
            module.push(name);
        }
        found.insert(module, fs::read_to_string(&path).unwrap());
    }
}

/// The paths in a source that begin at the crate, at the module or at a parent module, with braces expanded. Code for
/// tests only is left out.
fn paths(tokens: TokenStream, found: &mut Vec<Vec<String>>) {
    let tokens = without_tests(tokens);
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if begins_path(&word.to_string(), &tokens[..at]) => {
                at = follow(&tokens, at, Vec::new(), found);
            }
            TokenTree::Group(group) => {
                paths(group.stream(), found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// The tokens, without the items that are compiled for tests alone.
pub(super) fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_for_tests(&tokens[at..]) {
            at = end_of_item(&tokens, at + 2);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Whether `#[cfg(test)]` stands here.
fn is_for_tests(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] = tokens else {
        return false;
    };
    hash.as_char() == '#' && attribute.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// The end of the item that begins here.
fn end_of_item(tokens: &[TokenTree], begin: usize) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    };
    let length = tokens[begin..].iter().position(ends);
    length.map_or(tokens.len(), |length| begin + length + 1)
}

/// Whether a path of this crate begins with this word.
fn begins_path(word: &str, before: &[TokenTree]) -> bool {
    let is_colon = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ':');
    ["crate", "self", "super"].contains(&word) && !before.last().is_some_and(is_colon)
}

/// Follows a path from one of its words; returns its end.
fn follow(
    tokens: &[TokenTree],
    mut at: usize,
    mut path: Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> usize {
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                let mut begin = 0;
                while begin < inner.len() {
                    begin = follow(&inner, begin, path.clone(), found) + 1;
                }
                return at + 1;
            }
            // A glob, or generic arguments.
            _ => {
                found.push(path);
                return at;
            }
        }
        at += 1;
        let is_colon =
            |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
        if !(is_colon(at) && is_colon(at + 1)) {
            // A single word is `self`, or part of `pub(super)`.
            if path.len() > 1 {
                found.push(path);
            }
            // `as` and a name.
            let rest = tokens[at..].iter();
            let named = matches!(tokens.get(at), Some(TokenTree::Ident(word)) if *word == "as");
            return at + if named { rest.take(2).count() } else { 0 };
        }
        at += 2;
    }
}

/// The module that a path in a source leads to.
fn resolved(module: &Module, path: &[String], known: &BTreeMap<Module, String>) -> Module {
    let mut words = path.iter();
    let mut base = match path.first().map(String::as_str) {
        Some("crate") => Vec::new(),
        _ => module.clone(),
    };
    let mut reached = Vec::new();
    for word in &mut words {
        match word.as_str() {
            "crate" | "self" => {}
            "super" => drop(base.pop()),
            name => {
                reached.push(name.to_owned());
                let mut next = base.clone();
                next.extend(reached.iter().cloned());
                if !known.contains_key(&next) {
                    reached.pop();
                    break;
                }
            }
        }
    }
    base.extend(reached);
    base
}

/// The imports of the suite's library.
fn imports() -> Imports {
    let mut known = BTreeMap::new();
    sources(&root().join("conformance/src"), &[], &mut known);
    let mut imports = Imports::new();
    for (module, source) in &known {
        let mut found = Vec::new();
        paths(source.parse().unwrap(), &mut found);
        let reached = found.iter().map(|path| resolved(module, path, &known));
        let others = reached.filter(|other| other != module && !other.is_empty());
        imports.insert(module.clone(), others.collect());
    }
    imports
}

/// The list of modules, from top to bottom.
fn list() -> Vec<Module> {
    let page = page("docs/architecture.md");
    let of_suite = rows(&page)
        .into_iter()
        .filter(|row| row.sources == "conformance/src");
    let names = of_suite.flat_map(|row| row.modules);
    names
        .map(|name| name.split("::").map(str::to_owned).collect())
        .collect()
}

/// The position of a module on the list: its own, or that of the nearest parent module.
fn place(list: &[Module], module: &[String]) -> Option<usize> {
    let within =
        |(at, listed): (usize, &Module)| module.starts_with(listed).then_some((listed.len(), at));
    let best = list
        .iter()
        .enumerate()
        .filter_map(within)
        .max_by_key(|(length, _)| *length);
    best.map(|(_, at)| at)
}

#[test]
fn every_module_is_on_the_list() {
    let list = list();
    let imports = imports();
    let missing = imports
        .keys()
        .filter(|module| !module.is_empty() && place(&list, module).is_none());
    let missing: Vec<_> = missing.map(|module| shown(module)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn imports_run_down_the_list() {
    let list = list();
    let mut upwards = Vec::new();
    for (module, others) in imports() {
        for other in others {
            // A module and its submodules count as one.
            let is_one = module.starts_with(&other) || other.starts_with(&module);
            let (from, to) = (place(&list, &module), place(&list, &other));
            if !is_one && from > to {
                upwards.push(format!("{} -> {}", shown(&module), shown(&other)));
            }
        }
    }
    assert!(upwards.is_empty(), "{upwards:#?}");
}

#[test]
fn no_profile_imports_another() {
    let profile = |module: &Module| match module.as_slice() {
        [first, profile, ..] if first == "profiles" => Some(profile.clone()),
        _ => None,
    };
    let mut found = Vec::new();
    for (module, others) in imports() {
        for other in others {
            if let (Some(one), Some(another)) = (profile(&module), profile(&other))
                && one != another
            {
                found.push(format!("{} -> {}", shown(&module), shown(&other)));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn protocol_and_vault_do_not_import_each_other() {
    let of = |name: &str, module: &Module| module.first().is_some_and(|first| first == name);
    for (module, others) in imports() {
        for other in &others {
            for (one, another) in [("mcp", "vault"), ("vault", "mcp")] {
                let (from, to) = (shown(&module), shown(other));
                assert!(!(of(one, &module) && of(another, other)), "{from} -> {to}");
            }
        }
    }
}

#[test]
fn every_folder_of_features_has_a_twin_among_the_profiles() {
    let folders = |path: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(root().join(path)).unwrap();
        let folders = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir());
        folders
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    };
    assert_eq!(folders("features"), folders("conformance/src/profiles"));
}

/// The groups of modules that import one another in a circle, as large as possible.
fn cycles(imports: &Imports) -> BTreeSet<BTreeSet<Module>> {
    let reached = |from: &Module| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from.clone()];
        while let Some(module) = open.pop() {
            for other in imports.get(&module).into_iter().flatten() {
                if reached.insert(other.clone()) {
                    open.push(other.clone());
                }
            }
        }
        reached
    };
    let reach: BTreeMap<_, _> = imports
        .keys()
        .map(|module| (module.clone(), reached(module)))
        .collect();
    let meets =
        |one: &Module, other: &Module| reach.get(other).is_some_and(|back| back.contains(one));
    let circle = |module: &Module| -> BTreeSet<Module> {
        reach[module]
            .iter()
            .filter(|other| meets(module, other))
            .cloned()
            .collect()
    };
    imports
        .keys()
        .map(circle)
        .filter(|circle| !circle.is_empty())
        .collect()
}

#[test]
fn no_cycle_of_imports_has_more_than_three_files() {
    let large: Vec<_> = cycles(&imports())
        .into_iter()
        .filter(|cycle| cycle.len() > 3)
        .collect();
    assert!(large.is_empty(), "{large:#?}");
}

#[test]
fn imports_are_found_in_braces_in_macros_and_inline_and_not_in_tests_or_texts() {
    let source = r#"
        use crate::{a::{self, b::C as D}, e};
        #[cfg(test)]
        mod tests { use crate::unseen::X; }
        fn f() { let _ = format!("{} crate::text", crate::g::H::<u8>::new()); super::i::<u8>(); }
    "#;
    let mut found = Vec::new();
    paths(source.parse().unwrap(), &mut found);
    let found: Vec<_> = found.iter().map(|path| shown(path)).collect();
    assert_eq!(
        found,
        [
            "crate::a::self",
            "crate::a::b::C",
            "crate::e",
            "crate::g::H",
            "super::i"
        ]
    );
}

#[test]
fn a_cycle_is_found_whole() {
    let name = |text: &str| vec![text.to_owned()];
    let imports: Imports = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"), ("e", "a")]
        .into_iter()
        .map(|(one, other)| (name(one), BTreeSet::from([name(other)])))
        .collect();
    let found = cycles(&imports);
    assert_eq!(
        found,
        BTreeSet::from([["a", "b", "c", "d"].map(name).into()])
    );
}
