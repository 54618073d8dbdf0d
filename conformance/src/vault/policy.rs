//! The policies of the sources, adapted to a scenario's own mounts.

use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use regex::{Captures, Regex};

use crate::verdict::{StepEnd, StepResult};

static POLICIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/policies");

#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static PATH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"path "([^"]+)""#).unwrap());

/// A source's policy, verbatim, by its name; `none` grants nothing.
#[must_use]
pub fn named(name: &str) -> Option<&'static str> {
    if name == "none" {
        return Some(NONE);
    }
    POLICIES.get_file(format!("{name}.hcl"))?.contents_utf8()
}

/// Like [`named`], for a scenario, which may only name an existing policy.
///
/// # Errors
/// If it does not exist.
pub fn known(name: &str) -> StepResult<&'static str> {
    named(name).ok_or_else(|| StepEnd::blocked(format!("no policy is called {name:?}")))
}

/// The policy, with each mount renamed to a name of the scenario's own. `secret/data/*` becomes
/// `<prefix>secret/data/*`, `sys/mounts/pki` becomes `sys/mounts/<prefix>pki`, and `sys/mounts/*` becomes
/// `sys/mounts/<prefix>*`. Other rules about `sys/` stay.
#[must_use]
pub fn for_prefix(hcl: &str, prefix: &str) -> String {
    PATH.replace_all(hcl, |found: &Captures<'_>| {
        let path = &found[1];
        match path.strip_prefix("sys/mounts/") {
            Some(mount) => format!("path \"sys/mounts/{prefix}{mount}\""),
            None if path.starts_with("sys/") => format!("path \"{path}\""),
            None => format!("path \"{prefix}{path}\""),
        }
    })
    .into_owned()
}

/// The policy, with each path in this namespace, which is below the one of the policy.
#[must_use]
pub fn in_namespace(hcl: &str, namespace: &str) -> String {
    PATH.replace_all(hcl, |found: &Captures<'_>| {
        format!("path \"{namespace}/{}\"", &found[1])
    })
    .into_owned()
}

/// All rights on a scenario's own mounts and on the table of mounts, and no others.
#[must_use]
pub fn sufficient(prefix: &str) -> String {
    format!(
        r#"path "{prefix}*" {{ capabilities = ["create", "read", "update", "patch", "delete", "list"] }}
path "sys/mounts" {{ capabilities = ["read"] }}
path "sys/mounts/{prefix}*" {{ capabilities = ["create", "read", "update", "delete"] }}
"#
    )
}

/// All rights on the secrets of a KV mount, and no others: not on its description, and not on the table of mounts.
#[must_use]
pub fn secrets_alone(mount: &str, version: u8) -> String {
    const ALL: &str = r#"["create", "read", "update", "patch", "delete", "list"]"#;
    match version {
        2 => format!(
            "path \"{mount}/data/*\" {{ capabilities = {ALL} }}\n\
             path \"{mount}/metadata/*\" {{ capabilities = {ALL} }}\n"
        ),
        _ => format!("path \"{mount}/*\" {{ capabilities = {ALL} }}\n"),
    }
}

/// The rights to create, update and patch the secrets of a KV version 2 mount, and no others.
#[must_use]
pub fn writes_alone(mount: &str) -> String {
    format!("path \"{mount}/data/*\" {{ capabilities = [\"create\", \"update\", \"patch\"] }}\n")
}

/// The right to read and list the metadata of a KV version 2 mount, and no others.
#[must_use]
pub fn metadata_alone(mount: &str) -> String {
    format!("path \"{mount}/metadata/*\" {{ capabilities = [\"read\", \"list\"] }}\n")
}

/// A policy that grants nothing.
pub const NONE: &str = "# grants nothing\n";

#[cfg(test)]
mod tests {
    use super::{for_prefix, named};

    #[test]
    fn a_sources_policy_reaches_the_scenarios_mounts_and_no_others() {
        let policy = for_prefix(named("vault-mcp-developer").unwrap(), "t1-");
        for path in [
            "t1-secret/data/*",
            "t1-secret/+",
            "sys/mounts",
            "sys/mounts/t1-pki/tune",
        ] {
            assert!(policy.contains(&format!("path \"{path}\"")), "{policy}");
        }
        assert!(!policy.contains("path \"secret/"), "{policy}");
        assert!(!policy.contains("path \"pki/"), "{policy}");
    }

    #[test]
    fn a_policy_on_all_mounts_reaches_all_mounts_of_the_scenario() {
        let policy = for_prefix(named("kag-mcp-server").unwrap(), "t1-");
        let paths: Vec<_> = policy
            .split('"')
            .filter(|part| part.contains("t1-"))
            .collect();
        assert_eq!(paths, ["sys/mounts/t1-*", "t1-secret/*", "t1-pki/*"]);
    }

    #[test]
    fn the_second_policy_of_the_blog_is_the_first_one_and_more() {
        let (first, second) = (named("mcp-server").unwrap(), named("blog-pki").unwrap());
        // The first line names the source of each policy.
        let (_, first) = first.split_once('\n').unwrap();
        let more = &second[second.find(first).unwrap() + first.len()..];
        assert!(more.contains("pki-internal/*"), "{more}");
    }

    #[test]
    fn no_policy_grants_nothing() {
        assert!(!named("none").unwrap().contains("path"));
    }
}
