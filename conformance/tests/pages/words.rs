//! Features, documents, help and messages use the words that engineers search for.

use std::{collections::BTreeMap, fs, path::Path};

use proc_macro2::{TokenStream, TokenTree};

use super::{
    documents::{documents, help_of},
    imports::{sources, without_tests},
    page, root,
};

/// Words that nobody searches for. Each has a plain one in its place: "returns", "checks", "fixes", "any client".
const LITERARY: [&str; 18] = [
    "be had",
    "bites",
    "for the sake of",
    "front hashicorp",
    "had on this machine",
    "held against",
    "hold an adapter",
    "holds the file",
    "is told",
    "it is none",
    "judge",
    "looked at",
    "made of each",
    "of no use",
    "tells",
    " the stories",
    "whoever",
    "witness",
];

fn literary(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    LITERARY.into_iter().find(|words| text.contains(words))
}

/// The string literals of a source. Doc comments, and what is compiled for tests alone, are left out.
fn literals(tokens: TokenStream, found: &mut Vec<String>) {
    for token in without_tests(tokens) {
        match token {
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                found.extend(text.contains('"').then_some(text));
            }
            TokenTree::Group(group) if !is_comment(group.stream()) => {
                literals(group.stream(), found);
            }
            _ => {}
        }
    }
}

/// Whether the tokens of an attribute are those of a doc comment.
fn is_comment(attribute: TokenStream) -> bool {
    let mut tokens = attribute.into_iter();
    let first = tokens.next();
    let is_doc = matches!(first, Some(TokenTree::Ident(word)) if word == "doc");
    is_doc && matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=')
}

#[test]
fn the_help_uses_plain_words() {
    let commands = [
        "run",
        "init",
        "check",
        "mutants",
        "explain",
        "requirements",
        "targets",
        "doctor",
        "clean",
        "vault",
    ];
    assert_eq!(literary(&help_of(&[]).unwrap()), None);
    for command in commands {
        assert_eq!(literary(&help_of(&[command]).unwrap()), None, "{command}");
    }
}

#[test]
fn messages_and_findings_use_plain_words() {
    let mut seen = 0;
    let mut bad = Vec::new();
    for folder in ["conformance/src", "reference-server/src"] {
        let mut all = BTreeMap::new();
        sources(&root().join(folder), &[], &mut all);
        for (module, source) in all {
            let mut texts = Vec::new();
            literals(source.parse().unwrap(), &mut texts);
            seen += texts.len();
            let found = texts.into_iter().filter(|text| literary(text).is_some());
            bad.extend(found.map(|text| format!("{folder} {}: {text}", module.join("::"))));
        }
    }
    assert!(seen > 1000, "{seen}");
    assert!(bad.is_empty(), "{bad:#?}");
}

/// The texts of all features, by their paths.
fn features(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => features(&path, found),
            false => found.push((
                path.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            )),
        }
    }
}

#[test]
fn features_and_documents_use_plain_words() {
    let mut texts = documents();
    texts.push(("CHANGELOG.md".to_owned(), page("CHANGELOG.md")));
    features(&root().join("features"), &mut texts);
    assert!(texts.len() > 50, "{}", texts.len());
    for (name, text) in texts {
        for line in text.lines() {
            assert_eq!(literary(line), None, "{name}: {line}");
        }
    }
}

#[test]
fn literals_of_comments_and_tests_do_not_count() {
    let source = r#"
        /// "tells" is a word.
        fn shown() { say("one"); }
        #[cfg(test)]
        mod tests { const TEXT: &str = "two"; }
        #[error("three")]
        struct Failed;
    "#;
    let mut found = Vec::new();
    literals(source.parse().unwrap(), &mut found);
    assert_eq!(found, [r#""one""#, r#""three""#]);
}
