//! The plan: which scenarios run, on which transport and revision.

use std::sync::Arc;

use crate::{
    requirement::{AMBIENT, Requirement},
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
    ) -> Self {
        let row = requirement
            .row
            .map(|row| format!("#{row}"))
            .unwrap_or_default();
        let unmapped = requirement
            .needs
            .iter()
            .find(|operation| !adapter.operations.contains_key(operation));
        Self {
            key: format!("{}@{transport}@{revision}{row}", requirement.id),
            requirement: Arc::clone(requirement),
            transport,
            revision,
            not_applicable: unmapped.map(|operation| {
                let reason = NotApplicable::NotClaimed;
                format!("{reason}: the adapter maps no tool to {operation}")
            }),
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
            let planned = Planned::new(requirement, transport, revision, adapter);
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
