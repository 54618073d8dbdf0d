//! How much of the specification a run has tested, and what a profile needs to be more than partial.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    adapter::Adapter,
    engines::{Kv, Mounts, Operation, Pki},
    requirement::Requirement,
};

/// How much of the specification a run has tested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Operations that the adapter maps, of all operations.
    pub operations: Share,
    /// Requirements that passed or failed in at least one scenario, of all requirements of the specification.
    pub requirements: Share,
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// The size of the part.
    pub tested: usize,
    /// The size of the whole.
    pub of: usize,
}

impl Share {
    /// The part in percent, rounded down.
    #[must_use]
    pub fn percent(self) -> usize {
        (self.tested * 100).checked_div(self.of).unwrap_or_default()
    }
}

/// `9 of 30`
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.tested, self.of)
    }
}

/// `9 of 30 operations, 140 of 262 requirements (53 %)`
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operations, requirements) = (self.operations, self.requirements);
        let percent = requirements.percent();
        write!(
            f,
            "{operations} operations, {requirements} requirements ({percent} %)"
        )
    }
}

impl Coverage {
    /// The coverage of a run with this adapter, which tested the requirements with these ids.
    #[must_use]
    pub fn of<'r>(
        adapter: &Adapter,
        specification: impl IntoIterator<Item = &'r Requirement>,
        tested: impl IntoIterator<Item = &'r str>,
    ) -> Self {
        let all: HashSet<_> = specification.into_iter().map(|r| r.id.as_str()).collect();
        let tested: HashSet<_> = tested.into_iter().collect();
        Self {
            operations: Share {
                tested: adapter.operations.len(),
                of: Operation::ALL.len(),
            },
            requirements: Share {
                tested: tested.len(),
                of: all.len(),
            },
        }
    }
}

/// The core operations of a profile. An adapter maps at least one of each group, or the profile is partial at best.
fn core_operations(profile: &str) -> &'static [&'static [Operation]] {
    const KV: [&[Operation]; 4] = [
        &[Operation::Kv(Kv::List)],
        &[Operation::Kv(Kv::Read)],
        &[Operation::Kv(Kv::Write), Operation::Kv(Kv::WriteKey)],
        &[Operation::Kv(Kv::Delete), Operation::Kv(Kv::DeleteKey)],
    ];
    match profile {
        "kv" | "policy" | "read_only" | "namespace" | "vault_token" => &KV,
        "mounts" => &[
            &[Operation::Mounts(Mounts::List)],
            &[Operation::Mounts(Mounts::Create)],
            &[Operation::Mounts(Mounts::Delete)],
        ],
        "pki" => &[
            &[Operation::Pki(Pki::CreateRoot)],
            &[Operation::Pki(Pki::CreateRole)],
            &[Operation::Pki(Pki::ReadRole)],
            &[Operation::Pki(Pki::Issue)],
        ],
        _ => &[],
    }
}

/// The core operations that an adapter does not map, by profile: `kv.write or kv.write_key`.
#[derive(Clone, Debug, Default)]
pub struct MissingOperations(BTreeMap<String, Vec<String>>);

impl MissingOperations {
    /// What an adapter lacks for these profiles.
    #[must_use]
    pub fn of<'p>(adapter: &Adapter, profiles: impl IntoIterator<Item = &'p str>) -> Self {
        let lacks = |group: &&&[Operation]| {
            let mut group = group.iter();
            !group.any(|operation| adapter.operations.contains_key(operation))
        };
        let named = |group: &&[Operation]| {
            let names: Vec<_> = group.iter().map(|operation| operation.name()).collect();
            names.join(" or ")
        };
        let missing = |profile: &str| {
            let groups = core_operations(profile).iter();
            groups.filter(lacks).map(named).collect()
        };
        let profiles = profiles.into_iter();
        Self(
            profiles
                .map(|name| (name.to_owned(), missing(name)))
                .collect(),
        )
    }

    /// What is missing for a profile.
    #[must_use]
    pub fn for_profile(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::{Coverage, MissingOperations, Share};
    use crate::{requirement, target::Target};

    #[test]
    fn a_core_operation_may_have_an_alternative() {
        let text = "name = 'x'\nstdio.command = ['x']\n[operations]\n'kv.read'.tool = 'r'\n'kv.write_key'.tool = 'w'";
        let adapter = Target::parse("x.toml", text).unwrap().adapter;
        let missing = MissingOperations::of(&adapter, ["kv", "mcp", "mounts"]);
        assert_eq!(
            missing.for_profile("kv"),
            ["kv.list", "kv.delete or kv.delete_key"]
        );
        assert!(missing.for_profile("mcp").is_empty());
        assert_eq!(missing.for_profile("mounts").len(), 3);
    }

    #[test]
    fn every_profile_with_core_operations_exists_and_the_reference_lacks_none() {
        let all = requirement::all().unwrap();
        let adapter = Target::find("reference").unwrap().adapter;
        let profiles = [
            "kv",
            "policy",
            "read_only",
            "namespace",
            "vault_token",
            "mounts",
            "pki",
        ];
        for profile in profiles {
            assert!(all.iter().any(|r| r.profile == profile), "{profile}");
            assert!(!super::core_operations(profile).is_empty(), "{profile}");
            let missing = MissingOperations::of(&adapter, [profile]);
            assert!(missing.for_profile(profile).is_empty(), "{profile}");
        }
    }

    #[test]
    fn coverage_is_of_the_whole_specification() {
        let all = requirement::all().unwrap();
        let adapter = Target::find("reference").unwrap().adapter;
        let coverage = Coverage::of(&adapter, &all, []);
        assert_eq!(coverage.requirements.tested, 0);
        assert!(coverage.requirements.of > 200, "{coverage}");
        let share = Share { tested: 2, of: 3 };
        assert_eq!(
            (share.to_string(), share.percent()),
            ("2 of 3".to_owned(), 66)
        );
        assert_eq!(Share::default().percent(), 0);
    }
}
