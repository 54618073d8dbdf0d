//! Updates the text of a baseline and keeps what people wrote in it.

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TomlError, value};

use super::TODO;

/// The beginning of a new file.
pub(super) fn beginning(target: &str) -> String {
    format!(
        "# Failures that are known and accepted, each with its reason.\ntarget = {}\n",
        value(target).to_string().trim()
    )
}

/// The text without the `removed` keys and with the `added` ones; all keys of one slice share a reason. Other comments
/// and the order stay the same. A comment directly above a removed entry is removed with it.
pub(super) fn edited<'a>(
    text: &str,
    removed: &[String],
    added: impl IntoIterator<Item = &'a Vec<&'a str>>,
) -> Result<String, TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let known = document.remove("known").unwrap_or_default();
    let mut kept = ArrayOfTables::new();
    let mut orphaned = String::new();
    for mut table in known.into_array_of_tables().unwrap_or_default() {
        let prefix = table.decor().prefix().and_then(|prefix| prefix.as_str());
        let prefix = prefix.unwrap_or_default().to_owned();
        if without(&mut table, removed) {
            table
                .decor_mut()
                .set_prefix(std::mem::take(&mut orphaned) + &prefix);
            kept.push(table);
        } else {
            // A comment that is separated from the entry, such as a heading, is not only about this entry.
            let apart = prefix.rfind("\n\n").map_or(0, |at| at + 1);
            orphaned += &prefix[..apart];
        }
    }
    for keys in added {
        let mut table = entry(keys);
        table
            .decor_mut()
            .set_prefix(std::mem::take(&mut orphaned) + "\n");
        kept.push(table);
    }
    if !kept.is_empty() {
        document.insert("known", Item::ArrayOfTables(kept));
    }
    if !orphaned.is_empty() {
        let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
        document.set_trailing(orphaned + &trailing);
    }
    Ok(document.to_string())
}

/// Removes keys from an entry; returns whether any key is left.
fn without(table: &mut Table, removed: &[String]) -> bool {
    let is_kept = |key: Option<&str>| key.is_some_and(|key| !removed.iter().any(|r| r == key));
    if let Some(keys) = table.get_mut("keys").and_then(Item::as_array_mut) {
        let first = keys.get(0).map(|key| key.decor().clone());
        keys.retain(|key| is_kept(key.as_str()));
        let Some(key) = keys.get_mut(0) else {
            return false;
        };
        // Otherwise the first key would keep the space before it.
        if let Some(first) = first {
            *key.decor_mut() = first;
        }
        return true;
    }
    is_kept(table.get("key").and_then(Item::as_str))
}

fn entry(keys: &[&str]) -> Table {
    let mut table = Table::new();
    match keys {
        [key] => table.insert("key", value(*key)),
        keys => {
            let mut array: Array = keys.iter().copied().collect();
            for key in array.iter_mut() {
                key.decor_mut().set_prefix("\n    ");
            }
            array.set_trailing("\n");
            array.set_trailing_comma(true);
            table.insert("keys", value(array))
        }
    };
    let reason = format!("{TODO}: say why this failure is accepted");
    table.insert("reason", value(reason));
    table
}

#[cfg(test)]
mod tests {
    use super::{beginning, edited};

    const TEXT: &str = r#"# What we live with.
target = "mine"

# The heading of a group.

# About a.
[[known]]
key = "a"   # at the end
reason = "ra"

# About b and c.
[[known]]
keys = ["b", "c"]
reason = 'rb'
"#;

    fn removing(removed: &[&str]) -> String {
        let removed: Vec<_> = removed.iter().map(|key| (*key).to_owned()).collect();
        edited(TEXT, &removed, []).unwrap()
    }

    #[test]
    fn nothing_to_change_changes_nothing() {
        assert_eq!(removing(&[]), TEXT);
    }

    #[test]
    fn a_removed_entry_takes_the_comment_right_above_it_along() {
        let text = removing(&["a"]);
        assert!(!text.contains("About a") && !text.contains("ra"), "{text}");
        assert!(text.contains("# The heading of a group.\n"), "{text}");
        assert!(
            text.ends_with("# About b and c.\n[[known]]\nkeys = [\"b\", \"c\"]\nreason = 'rb'\n"),
            "{text}"
        );
    }

    #[test]
    fn one_of_several_keys_is_removed_and_the_reason_stays() {
        assert_eq!(removing(&["b"]), TEXT.replace("\"b\", \"c\"", "\"c\""));
    }

    #[test]
    fn a_file_that_lists_nothing_any_more_keeps_what_it_says_of_itself() {
        let text = removing(&["a", "b", "c"]);
        assert!(
            text.starts_with("# What we live with.\ntarget = \"mine\"\n"),
            "{text}"
        );
        assert!(
            text.contains("# The heading of a group.") && !text.contains("known"),
            "{text}"
        );
    }

    #[test]
    fn what_is_added_stands_at_the_end_with_a_reason_to_be_written() {
        let added = [vec!["d"], vec!["e", "f"]];
        let text = edited(TEXT, &[], &added).unwrap();
        let new = text.strip_prefix(TEXT).unwrap();
        assert_eq!(
            new,
            "\n[[known]]\nkey = \"d\"\nreason = \"TODO: say why this failure is accepted\"\n\
             \n[[known]]\nkeys = [\n    \"e\",\n    \"f\",\n]\nreason = \"TODO: say why this failure is accepted\"\n"
        );
    }

    #[test]
    fn a_new_file_names_its_target() {
        let text = edited(&beginning("mine"), &[], &[vec!["d"]]).unwrap();
        assert!(
            text.contains("\ntarget = \"mine\"\n\n[[known]]\nkey = \"d\"\n"),
            "{text}"
        );
    }

    #[test]
    fn entries_that_are_written_inline_are_edited_too() {
        let text = "known = [{ key = \"a\", reason = \"ra\" }, { key = \"b\", reason = \"rb\" }]\n";
        let text = edited(text, &["a".to_owned()], []).unwrap();
        let read: toml::Table = text.parse().unwrap();
        assert_eq!(read["known"].as_array().unwrap().len(), 1, "{text}");
        assert!(text.contains("rb") && !text.contains("ra"), "{text}");
    }
}
