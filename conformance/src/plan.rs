//! The plan: which scenarios run, on which transport and revision.

pub mod tags;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use self::tags::Tags;
use crate::{
    adapter::Adapter,
    evidence::Evidence,
    invariants::Binding,
    requirement::Requirement,
    transport::{Revision, TransportKind},
    verdict::NotApplicable,
};

/// What was selected.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Profiles; empty means all.
    pub profiles: Vec<String>,
    /// Ids of requirements and keys of scenarios; empty means all.
    pub scenarios: Vec<String>,
    /// The expression that the tags must match.
    pub tags: Option<Tags>,
    /// Of the requirements that are slow or need a Vault of their own, only these are selected; `None` means all.
    pub costly: Option<Vec<String>>,
    /// In which of the spoken revisions a requirement is checked that may depend on the revision.
    pub revisions: Revisions,
    /// Transports, and the revisions that are spoken on each.
    pub spoken: Vec<Spoken>,
    /// The available evidence.
    pub evidence: BTreeSet<Evidence>,
}

/// In which of the revisions that a target speaks a requirement is checked that may depend on the revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revisions {
    /// In each revision.
    Each,
    /// In one revision: the first requirement in the first, the next in the second, and so on, so that each revision
    /// gets its share.
    InTurn,
    /// In the main revision.
    Main,
}

impl Revisions {
    /// Keeps those in which the requirement at this position is checked.
    fn choose<T>(self, place: usize, spoken: &mut Vec<T>) {
        match self {
            Self::Each => {}
            Self::InTurn => {
                let turn = place % spoken.len().max(1);
                *spoken = spoken.drain(..).skip(turn).take(1).collect();
            }
            Self::Main => spoken.truncate(1),
        }
    }
}

impl Selection {
    /// Whether the selection leaves out any scenario of its transports.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        !self.profiles.is_empty() || !self.scenarios.is_empty() || self.tags.is_some()
    }
}

/// The revisions in which a target is tested on one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The transport.
    pub transport: TransportKind,
    /// The revision for everything that does not depend on the revision.
    pub main: Revision,
    /// The other revisions that the target speaks.
    pub others: Vec<Revision>,
    /// Revisions that the target does not speak, with what shows that.
    pub not_spoken: Vec<(Revision, String)>,
}

impl Spoken {
    /// A transport on which the target speaks one revision.
    #[must_use]
    pub const fn alone(transport: TransportKind, main: Revision) -> Self {
        Self {
            transport,
            main,
            others: Vec::new(),
            not_spoken: Vec::new(),
        }
    }

    /// Whether the target speaks this revision here.
    #[must_use]
    pub fn speaks(&self, revision: Revision) -> bool {
        self.main == revision || self.others.contains(&revision)
    }

    /// The rest without these revisions; `None` if nothing is left.
    #[must_use]
    pub fn without(&self, dropped: &[Revision]) -> Option<Self> {
        let mut left = (std::iter::once(self.main).chain(self.others.iter().copied()))
            .filter(|revision| !dropped.contains(revision));
        let main = left.next()?;
        Some(Self {
            others: left.collect(),
            not_spoken: self.not_spoken.clone(),
            ..Self::alone(self.transport, main)
        })
    }

    /// The revisions in which a requirement is checked. If it cannot be checked in one, the reason is given.
    fn revisions_for(&self, requirement: &Requirement) -> Vec<(Revision, Option<&str>)> {
        let of_era = |revision: Revision| requirement.era.is_none_or(|era| era == revision.era());
        if requirement.era.is_none() && !requirement.every_revision {
            return vec![(self.main, None)];
        }
        let spoken: Vec<_> = std::iter::once(self.main)
            .chain(self.others.iter().copied())
            .filter(|revision| of_era(*revision))
            .map(|revision| (revision, None))
            .collect();
        if !spoken.is_empty() {
            return spoken;
        }
        // Reported once, for the newest revision of an era that is not spoken at all.
        let mut not_spoken = self.not_spoken.iter().rev();
        let newest = not_spoken.find(|(revision, _)| of_era(*revision));
        let newest = newest.map(|(revision, why)| (*revision, Some(why.as_str())));
        newest.into_iter().collect()
    }
}

/// One scenario on one transport and revision.
#[derive(Clone, Debug)]
pub struct Planned {
    /// `id@transport@revision#row`
    pub key: String,
    /// The requirement that it checks.
    pub requirement: Arc<Requirement>,
    /// The transport.
    pub transport: TransportKind,
    /// The revision.
    pub revision: Revision,
    /// Why it does not apply, if that is known in advance.
    pub not_applicable: Option<String>,
}

impl Planned {
    fn new(
        requirement: &Arc<Requirement>,
        transport: TransportKind,
        (revision, not_spoken): (Revision, Option<&str>),
        adapter: &Adapter,
        evidence: &BTreeSet<Evidence>,
    ) -> Self {
        let not_claimed = |what: String| format!("{}: {what}", NotApplicable::NotClaimed);
        let not_spoken = not_spoken.map(|why| {
            not_claimed(format!(
                "the server does not support {revision} on {transport}: {why}"
            ))
        });
        let mut modes = requirement.modes.iter();
        let no_mode = modes.find(|mode| !adapter.modes.contains_key(mode));
        let no_mode =
            no_mode.map(|mode| not_claimed(format!("the adapter describes no mode {mode}")));
        let mapped = |operation: &_| adapter.operations.contains_key(operation);
        let mut needs = requirement.needs.iter();
        let unmapped = needs.find(|need| !need.is_met(mapped));
        let unmapped =
            unmapped.map(|need| not_claimed(format!("the adapter maps no tool to {need}")));
        let mut versions = requirement.kv_versions.iter();
        let unsupported = versions.find(|version| !adapter.kv_versions.contains(version));
        let unsupported = unsupported.map(|version| {
            not_claimed(format!(
                "the adapter's kv_versions do not contain {version}"
            ))
        });
        // Each scenario needs the mount for itself.
        let own_vault = (adapter.mount.is_some() && requirement.can_have_kv_mount())
            .then_some(&Evidence::DedicatedVault);
        let mut needed = requirement.evidence.iter().chain(own_vault);
        let missing = needed.find(|e| !evidence.contains(e));
        let missing =
            missing.map(|missing| format!("{}: {}", NotApplicable::NoEvidence, missing.missing()));
        Self {
            key: key(requirement, transport, revision),
            requirement: Arc::clone(requirement),
            transport,
            revision,
            not_applicable: (not_spoken.or(no_mode))
                .or(unmapped)
                .or(unsupported)
                .or(missing),
        }
    }

    /// The transport and revision.
    #[must_use]
    pub const fn way(&self) -> Binding {
        (self.transport, self.revision)
    }

    /// Whether it is checked with what was seen in all other scenarios.
    #[must_use]
    pub fn is_ambient(&self) -> bool {
        self.requirement.is_ambient()
    }

    /// Whether it does nothing itself, and is checked after the others have ended.
    #[must_use]
    pub fn is_judged_last(&self) -> bool {
        self.requirement.is_judged_last()
    }
}

fn key(requirement: &Requirement, transport: TransportKind, revision: Revision) -> String {
    let row = requirement.row.as_ref().map(|row| format!("#{row}"));
    let row = row.unwrap_or_default();
    format!("{}@{transport}@{revision}{row}", requirement.id)
}

/// The keys of all scenarios that can apply to a target with these transports, whatever revision it speaks.
#[must_use]
pub fn keys(requirements: &[Arc<Requirement>], transports: &[TransportKind]) -> Vec<String> {
    let mut keys = Vec::new();
    for &transport in transports {
        for revision in Revision::ALL {
            let about = |r: &&Arc<Requirement>| r.transport.is_none_or(|only| only == transport);
            let requirements = requirements.iter().filter(about);
            keys.extend(requirements.map(|requirement| key(requirement, transport, revision)));
        }
    }
    keys
}

/// Makes the plan. Ambient requirements run along with whatever else is selected.
#[must_use]
pub fn plan(
    requirements: &[Arc<Requirement>],
    adapter: &Adapter,
    selection: &Selection,
) -> Vec<Planned> {
    let mut plan: Vec<Planned> = Vec::new();
    for spoken in &selection.spoken {
        for (place, requirement) in requirements.iter().enumerate() {
            let transport = spoken.transport;
            if requirement.transport.is_some_and(|only| only != transport) {
                continue;
            }
            let mut revisions = spoken.revisions_for(requirement);
            if !requirement.is_ambient() {
                selection.revisions.choose(place, &mut revisions);
            }
            for asked in revisions {
                let planned = |requirement: &Arc<Requirement>| {
                    Planned::new(requirement, transport, asked, adapter, &selection.evidence)
                };
                // Requirements that are checked with what this scenario shows need it.
                let judged_by_it = |other: &&Arc<Requirement>| {
                    other.seen_in.as_ref() == Some(&requirement.id)
                        && selected(&planned(other), selection)
                };
                let wanted = planned(requirement);
                if wanted.is_ambient()
                    || selected(&wanted, selection)
                    || requirements.iter().any(|other| judged_by_it(&other))
                {
                    plan.push(wanted);
                }
            }
        }
    }
    let acting: HashSet<_> = (plan.iter())
        .filter(|planned| !planned.is_ambient())
        .map(|planned| (planned.transport, planned.revision))
        .collect();
    plan.retain(|planned| acting.contains(&(planned.transport, planned.revision)));
    plan
}

/// The revisions, besides the main one, that are needed if the target speaks them.
#[must_use]
pub fn further_revisions(
    requirements: &[Arc<Requirement>],
    adapter: &Adapter,
    selection: &Selection,
    transport: TransportKind,
    main: Revision,
) -> Vec<Revision> {
    let all = Spoken {
        others: (Revision::ALL.into_iter())
            .filter(|revision| *revision != main)
            .collect(),
        ..Spoken::alone(transport, main)
    };
    let selection = Selection {
        spoken: vec![all.clone()],
        ..selection.clone()
    };
    let plan = plan(requirements, adapter, &selection);
    let is_planned = |revision: &Revision| plan.iter().any(|p| p.revision == *revision);
    all.others.into_iter().filter(is_planned).collect()
}

fn selected(planned: &Planned, selection: &Selection) -> bool {
    let requirement = &planned.requirement;
    let profile =
        selection.profiles.is_empty() || selection.profiles.contains(&requirement.profile);
    let scenario = selection.scenarios.is_empty()
        || selection
            .scenarios
            .iter()
            .any(|wanted| *wanted == requirement.id || *wanted == planned.key);
    let tags = selection.tags.as_ref();
    let costly = requirement.slow || requirement.has_own_vault();
    let wanted_costly = selection.costly.as_ref().filter(|_| costly);
    profile
        && scenario
        && tags.is_none_or(|tags| tags.match_of(requirement))
        && wanted_costly.is_none_or(|wanted| wanted.contains(&requirement.id))
}

#[cfg(test)]
impl Selection {
    /// Everything, in the main revision of each transport, with all evidence available.
    pub(crate) fn of_all(spoken: Vec<Spoken>) -> Self {
        Self {
            profiles: Vec::new(),
            scenarios: Vec::new(),
            tags: None,
            costly: None,
            revisions: Revisions::Main,
            spoken,
            evidence: Evidence::ALL.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use super::{Planned, Revisions, Selection, Spoken, keys, plan};
    use crate::{
        adapter::launch::Mode,
        engines::{Kv, Operation},
        evidence::Evidence,
        requirement::{self, Requirement},
        target::Target,
        transport::{Era, Revision, TransportKind},
    };

    fn requirements() -> Vec<Arc<Requirement>> {
        let all = requirement::all().unwrap();
        all.into_iter().map(Arc::new).collect()
    }

    fn planned(target: &str, choose: impl Fn(&mut Selection)) -> Vec<Planned> {
        let requirements = requirements();
        let spoken =
            TransportKind::ALL.map(|kind| Spoken::alone(kind, Revision::NEWEST_OF_SESSIONS));
        let mut selection = Selection::of_all(spoken.to_vec());
        selection.revisions = Revisions::Each;
        choose(&mut selection);
        plan(
            &requirements,
            &Target::find(target).unwrap().adapter,
            &selection,
        )
    }

    fn acting(plan: &[Planned]) -> Vec<&str> {
        let acting = plan.iter().filter(|planned| !planned.is_ambient());
        acting.map(|planned| planned.key.as_str()).collect()
    }

    #[test]
    fn every_key_stands_for_one_scenario() {
        let plan = planned("reference", |_| {});
        let mut keys: Vec<_> = plan.iter().map(|planned| &planned.key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), plan.len());
    }

    #[test]
    fn a_scenario_is_chosen_by_its_id_or_by_its_key() {
        let by_id = planned("reference", |s| {
            s.scenarios = vec!["kv.write-exact".to_owned()]
        });
        assert_eq!(acting(&by_id).len(), 4);
        let key = "kv.write-exact@http@2025-11-25#2-d4735e";
        let by_key = planned("reference", |s| s.scenarios = vec![key.to_owned()]);
        assert_eq!(acting(&by_key), [key]);
    }

    #[test]
    fn several_scenarios_are_chosen_together() {
        let wanted = ["kv.read-exact@stdio@2025-11-25#1-6b86b2", "kv.read-latest"];
        let plan = planned("reference", |s| {
            s.scenarios = wanted.map(str::to_owned).to_vec()
        });
        assert_eq!(
            acting(&plan),
            [
                "kv.read-exact@stdio@2025-11-25#1-6b86b2",
                "kv.read-latest@stdio@2025-11-25",
                "kv.read-latest@http@2025-11-25"
            ]
        );
    }

    #[test]
    fn scenarios_are_chosen_by_their_tags_and_those_of_their_feature() {
        let chosen = planned("reference", |s| {
            s.tags = Some("@kv and @source:GUIDE or @kv.read-latest".parse().unwrap());
        });
        let ids = acting(&chosen)
            .into_iter()
            .filter_map(|key| key.strip_suffix("@stdio@2025-11-25"));
        assert_eq!(
            ids.collect::<Vec<_>>(),
            ["kv.read-latest", "kv.read-at-once"]
        );
    }

    #[test]
    fn every_planned_key_is_in_the_catalogue() {
        let requirements = requirements();
        let catalogue = keys(&requirements, &TransportKind::ALL);
        for planned in planned("hashicorp", |_| {}) {
            assert!(catalogue.contains(&planned.key), "{}", planned.key);
        }
    }

    #[test]
    fn what_is_ambient_comes_along_but_is_no_plan_by_itself() {
        let kv = planned("reference", |s| s.profiles = vec!["kv".to_owned()]);
        assert!(kv.iter().any(Planned::is_ambient));
        for alone in ["ambient.alive", "kv.no-such-thing"] {
            assert!(planned("reference", |s| s.scenarios = vec![alone.to_owned()]).is_empty());
        }
    }

    #[test]
    fn what_is_judged_by_other_scenarios_brings_them_along() {
        let plan = planned("reference", |s| {
            s.scenarios = vec!["policy.nothing-more@http@2025-11-25".to_owned()]
        });
        let acting: Vec<_> = plan.iter().filter(|p| !p.is_ambient()).collect();
        let (last, rows): (Vec<_>, Vec<_>) = acting.iter().partition(|p| p.is_judged_last());
        assert_eq!((last.len(), rows.len()), (1, Operation::ALL.len()));
        let http = |planned: &&&Planned| planned.transport == TransportKind::Http;
        assert!(rows.iter().all(|planned| http(&planned)));
    }

    #[test]
    fn what_the_adapter_does_not_map_is_known_not_to_apply() {
        let plan = planned("hashicorp", |s| {
            s.scenarios = vec!["kv.read-version".to_owned()]
        });
        let reason = plan
            .iter()
            .find_map(|planned| planned.not_applicable.as_deref());
        assert_eq!(
            reason,
            Some("not_claimed: the adapter maps no tool to kv.read_version")
        );
    }

    #[test]
    fn writing_a_whole_secret_stands_in_for_writing_a_key_except_where_other_keys_stay() {
        let mut adapter = Target::find("reference").unwrap().adapter;
        adapter.operations.remove(&Operation::Kv(Kv::WriteKey));
        let spoken = Spoken::alone(TransportKind::Http, Revision::NEWEST_OF_SESSIONS);
        let planned = plan(
            &requirements(),
            &adapter,
            &Selection::of_all(vec![spoken.clone()]),
        );
        let left_out = |planned: &[Planned]| -> BTreeSet<String> {
            let left_out = planned.iter().filter(|p| p.not_applicable.is_some());
            left_out.map(|p| p.requirement.id.clone()).collect()
        };
        let merging = [
            "kv.write-at-once",
            "kv.write-between",
            "kv.write-cas-required",
            "kv.write-key-ended",
            "kv.write-key-renews",
            "kv.write-merges",
            "kv.write-overwrites",
            "kv.write-unread",
            "workflows.leaked-credential",
            "workflows.leaked-credential-gone",
            "workflows.payments-credentials",
        ];
        // Rows that name the operation.
        let rows = [
            "audit_trail.no-value",
            "kv.unsupported-version",
            "namespace.sent",
            "policy.matrix",
            "read_only.no-write",
            "read_only.plain",
        ];
        let expected = merging.iter().chain(&rows).map(|id| (*id).to_owned());
        assert_eq!(left_out(&planned), expected.collect());
        adapter.operations.remove(&Operation::Kv(Kv::Write));
        let planned = plan(&requirements(), &adapter, &Selection::of_all(vec![spoken]));
        let reason = planned
            .iter()
            .find(|p| p.requirement.id == "kv.write-exact");
        assert_eq!(
            reason.and_then(|planned| planned.not_applicable.as_deref()),
            Some("not_claimed: the adapter maps no tool to kv.write_key or kv.write")
        );
    }

    #[test]
    fn what_cannot_be_judged_without_evidence_is_known_not_to_apply() {
        let plan = planned("reference", |s| {
            s.evidence.remove(&Evidence::Launch);
        });
        for planned in plan {
            let launch = planned.requirement.evidence.contains(&Evidence::Launch);
            assert_eq!(planned.not_applicable.is_some(), launch, "{}", planned.key);
        }
    }

    #[test]
    fn without_a_browser_its_scenarios_do_not_apply_and_say_how_to_get_one() {
        let plan = planned("reference", |s| {
            s.evidence.remove(&Evidence::Browser);
        });
        let missing: Vec<_> = plan.iter().filter(|p| p.not_applicable.is_some()).collect();
        let about = |planned: &&&Planned| planned.requirement.profile == "browser";
        assert_eq!(missing.iter().filter(about).count(), missing.len());
        assert_eq!(missing.len(), 2);
        for planned in missing {
            let reason = planned.not_applicable.as_deref().unwrap();
            assert!(reason.starts_with("no_evidence: "), "{reason}");
            assert!(reason.contains(crate::browser::VARIABLE), "{reason}");
        }
    }

    #[test]
    fn one_revision_is_enough_for_what_does_not_depend_on_it() {
        let speaks = |others: &[Revision], not_spoken: &[Revision]| Spoken {
            others: others.to_vec(),
            not_spoken: (not_spoken.iter())
                .map(|revision| (*revision, "it says no".to_owned()))
                .collect(),
            ..Spoken::alone(TransportKind::Http, Revision::R2025_11_25)
        };
        let mut requirement = (*requirements().swap_remove(0)).clone();
        let (old, new) = (Revision::R2025_06_18, Revision::R2026_07_28);
        let both = speaks(&[old, new], &[]);
        let asked = |requirement: &_| both.revisions_for(requirement).len();
        requirement.every_revision = false;
        assert_eq!(asked(&requirement), 1);
        requirement.every_revision = true;
        assert_eq!(asked(&requirement), 3);
        requirement.every_revision = false;
        requirement.era = Some(Era::Session);
        assert_eq!(asked(&requirement), 2);
        requirement.era = Some(Era::Stateless);
        assert_eq!(both.revisions_for(&requirement), [(new, None)]);
        let old_alone = speaks(&[], &[old, new]);
        let told = [(new, Some("it says no"))];
        assert_eq!(old_alone.revisions_for(&requirement), told);
        // If one revision was selected, nothing is reported about the others.
        assert_eq!(speaks(&[], &[]).revisions_for(&requirement), []);
    }

    #[test]
    fn a_mode_that_the_adapter_does_not_describe_is_not_claimed() {
        let mut requirement = (*requirements().swap_remove(0)).clone();
        requirement.modes = vec![Mode::Tls];
        let mut adapter = Target::find("reference").unwrap().adapter;
        adapter.modes.remove(&Mode::Tls);
        let asked = (Revision::R2025_11_25, None);
        let evidence = Evidence::ALL.into();
        let requirement = Arc::new(requirement);
        let planned = Planned::new(
            &requirement,
            TransportKind::Stdio,
            asked,
            &adapter,
            &evidence,
        );
        let reason = "not_claimed: the adapter describes no mode tls";
        assert_eq!(planned.not_applicable.as_deref(), Some(reason));
    }

    #[test]
    fn what_is_about_one_transport_is_not_asked_on_the_other() {
        let plan = planned("reference", |_| {});
        let clean = plan
            .iter()
            .filter(|planned| planned.requirement.id == "ambient.stdout-clean");
        assert_eq!(
            clean.map(|planned| planned.transport).collect::<Vec<_>>(),
            [TransportKind::Stdio]
        );
    }
}
