//! The plan: which scenarios run, on which transport and revision.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    requirement::{AMBIENT, Evidence, Requirement},
    target::{
        adapter::Adapter,
        transport::{Revision, TransportKind},
    },
    verdict::NotApplicable,
};

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Profiles; none means all.
    pub profiles: Vec<String>,
    /// A requirement's id or a scenario's key; none means all.
    pub scenario: Option<String>,
    /// Transports, and the revision to speak on each.
    pub transports: Vec<(TransportKind, Revision)>,
    /// What there is to judge by.
    pub evidence: BTreeSet<Evidence>,
}

/// One scenario on one transport and revision.
#[derive(Clone, Debug)]
pub struct Planned {
    /// `id@transport@revision#row`
    pub key: String,
    /// What it checks.
    pub requirement: Arc<Requirement>,
    /// How the target is spoken to.
    pub transport: TransportKind,
    /// In which revision.
    pub revision: Revision,
    /// Why it does not apply, where that is known beforehand.
    pub not_applicable: Option<String>,
}

impl Planned {
    fn new(
        requirement: &Arc<Requirement>,
        transport: TransportKind,
        revision: Revision,
        adapter: &Adapter,
        evidence: &BTreeSet<Evidence>,
    ) -> Self {
        let row = requirement
            .row
            .map(|row| format!("#{row}"))
            .unwrap_or_default();
        let unmapped = requirement
            .needs
            .iter()
            .find(|operation| !adapter.operations.contains_key(operation));
        let unmapped = unmapped.map(|operation| {
            let reason = NotApplicable::NotClaimed;
            format!("{reason}: the adapter maps no tool to {operation}")
        });
        let missing = requirement.evidence.iter().find(|e| !evidence.contains(e));
        let missing =
            missing.map(|missing| format!("{}: {}", NotApplicable::NoEvidence, missing.missing()));
        Self {
            key: format!("{}@{transport}@{revision}{row}", requirement.id),
            requirement: Arc::clone(requirement),
            transport,
            revision,
            not_applicable: unmapped.or(missing),
        }
    }

    /// Whether it is judged from what was seen in the others.
    #[must_use]
    pub fn is_ambient(&self) -> bool {
        self.requirement.profile == AMBIENT
    }
}

/// Makes the plan; what is ambient is judged along with whatever else runs.
#[must_use]
pub fn plan(
    requirements: &[Arc<Requirement>],
    adapter: &Adapter,
    selection: &Selection,
) -> Vec<Planned> {
    let mut plan = Vec::new();
    for &(transport, revision) in &selection.transports {
        for requirement in requirements {
            if requirement.transport.is_some_and(|only| only != transport) {
                continue;
            }
            let planned = Planned::new(
                requirement,
                transport,
                revision,
                adapter,
                &selection.evidence,
            );
            if planned.is_ambient() || selected(&planned, selection) {
                plan.push(planned);
            }
        }
    }
    if plan.iter().all(Planned::is_ambient) {
        plan.clear();
    }
    plan
}

fn selected(planned: &Planned, selection: &Selection) -> bool {
    let requirement = &planned.requirement;
    let profile =
        selection.profiles.is_empty() || selection.profiles.contains(&requirement.profile);
    let scenario = selection
        .scenario
        .as_ref()
        .is_none_or(|wanted| *wanted == requirement.id || *wanted == planned.key);
    profile && scenario
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Planned, Selection, plan};
    use crate::{
        requirement::{self, Evidence},
        target::{
            Target,
            transport::{Revision, TransportKind},
        },
    };

    fn planned(target: &str, choose: impl Fn(&mut Selection)) -> Vec<Planned> {
        let requirements: Vec<_> = requirement::all()
            .unwrap()
            .into_iter()
            .map(Arc::new)
            .collect();
        let mut selection = Selection {
            profiles: Vec::new(),
            scenario: None,
            transports: TransportKind::ALL
                .map(|kind| (kind, Revision::NEWEST))
                .to_vec(),
            evidence: Evidence::ALL.into(),
        };
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
            s.scenario = Some("kv.write-exact".to_owned())
        });
        assert_eq!(acting(&by_id).len(), 4);
        let key = "kv.write-exact@http@2025-11-25#2";
        let by_key = planned("reference", |s| s.scenario = Some(key.to_owned()));
        assert_eq!(acting(&by_key), [key]);
    }

    #[test]
    fn what_is_ambient_comes_along_but_is_no_plan_by_itself() {
        let kv = planned("reference", |s| s.profiles = vec!["kv".to_owned()]);
        assert!(kv.iter().any(Planned::is_ambient));
        for alone in ["ambient.alive", "kv.no-such-thing"] {
            assert!(planned("reference", |s| s.scenario = Some(alone.to_owned())).is_empty());
        }
    }

    #[test]
    fn what_the_adapter_does_not_map_is_known_not_to_apply() {
        let plan = planned("hashicorp", |s| {
            s.scenario = Some("kv.read-version".to_owned())
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
