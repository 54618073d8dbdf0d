//! Decides when a run on a mutant has shown all that it can show, so that it ends early.

use crate::{
    invariants::{Invariant, InvariantMonitor},
    plan::Planned,
    report::ScenarioResult,
    requirement::Requirement,
    verdict::Verdict,
};

/// The requirements that a mutant must fail, on each transport. A requirement that has failed on a transport is not
/// tested there again.
#[derive(Clone, Debug)]
pub struct Aim {
    /// Requirements that their own scenarios check.
    own: Vec<String>,
    /// Requirements that are checked last, with what was seen in the scenarios of others.
    last: Vec<String>,
}

impl Aim {
    /// The requirements with these ids.
    #[must_use]
    pub fn new(ids: &[String], requirements: &[Requirement]) -> Self {
        let is_own = |id: &String| {
            let mut of_id = requirements.iter().filter(|r| r.id == *id);
            of_id.all(|requirement| !requirement.is_judged_last())
        };
        let (own, last) = ids.iter().cloned().partition(is_own);
        Self { own, last }
    }

    /// Whether a scenario can add nothing to what `results` and `watch` have shown on its transport.
    #[must_use]
    pub fn is_reached(
        &self,
        planned: &Planned,
        results: &[ScenarioResult],
        watch: &InvariantMonitor,
    ) -> bool {
        let (id, transport) = (&planned.requirement.id, planned.transport);
        let has_failed = |result: &ScenarioResult| {
            let failed = matches!(result.verdict, Verdict::Fail | Verdict::Warn);
            failed && result.id == *id && result.transport == transport.name()
        };
        let is_seen = |id: &String| {
            let concern = Invariant::of_requirement(id);
            concern.is_some_and(|concern| watch.has_seen(transport, concern))
        };
        (!self.own.contains(id) || results.iter().any(has_failed)) && self.last.iter().all(is_seen)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Aim;
    use crate::{
        invariants::{Evidence, InvariantMonitor, ServerEvidence},
        mcp::transcript::{Line, Speaker},
        plan::{Planned, Selection, Spoken, plan},
        redact::Secrets,
        requirement,
        run::result_of,
        target::Target,
        transport::{Revision, TransportKind},
        verdict::Verdict,
    };

    fn aim(ids: &[&str]) -> Aim {
        let ids: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
        Aim::new(&ids, &requirement::all().unwrap())
    }

    /// A scenario of this requirement on a transport.
    fn planned(id: &str, transport: TransportKind) -> Planned {
        let requirements = requirement::all().unwrap().into_iter().map(Arc::new);
        let requirements: Vec<_> = requirements.collect();
        let mut selection =
            Selection::of_all(vec![Spoken::alone(transport, Revision::R2025_11_25)]);
        selection.scenarios.push(id.to_owned());
        let adapter = Target::find("reference").unwrap().adapter;
        let mut planned = plan(&requirements, &adapter, &selection).into_iter();
        planned.find(|p| p.requirement.id == id).unwrap()
    }

    /// A monitor that saw a server reveal its token on this transport.
    fn token_said(transport: TransportKind) -> InvariantMonitor {
        let mut tokens = Secrets::default();
        tokens.add("token", "hvs.0123456789abcdef".into());
        let watch = InvariantMonitor::default();
        let line = Line {
            at_ms: 0,
            speaker: Speaker::Log,
            text: "hvs.0123456789abcdef".to_owned(),
        };
        let evidence = Evidence {
            servers: vec![ServerEvidence {
                lines: vec![line],
                ..ServerEvidence::default()
            }],
            tokens,
            ..Evidence::default()
        };
        assert!(watch.examine((transport, Revision::R2025_11_25), &evidence, Vec::new));
        watch
    }

    #[test]
    fn a_requirement_is_tested_until_it_has_failed_on_the_transport() {
        let (stdio, http) = (TransportKind::Stdio, TransportKind::Http);
        let (aim, watch) = (aim(&["kv.read-exact"]), InvariantMonitor::default());
        let (here, there) = (
            planned("kv.read-exact", stdio),
            planned("kv.read-exact", http),
        );
        let so = |verdict| vec![result_of(&here, verdict, None, None, 1, 0)];
        assert!(!aim.is_reached(&here, &so(Verdict::Pass), &watch));
        for caught in [Verdict::Fail, Verdict::Warn] {
            assert!(aim.is_reached(&here, &so(caught), &watch));
            assert!(!aim.is_reached(&there, &so(caught), &watch));
        }
    }

    #[test]
    fn what_shows_in_any_scenario_is_looked_for_until_it_is_seen_on_the_transport() {
        let (stdio, http) = (TransportKind::Stdio, TransportKind::Http);
        let aim = aim(&["ambient.token-unseen"]);
        let (here, there) = (
            planned("kv.read-exact", stdio),
            planned("kv.read-exact", http),
        );
        assert!(!aim.is_reached(&here, &[], &InvariantMonitor::default()));
        let watch = token_said(stdio);
        assert!(aim.is_reached(&here, &[], &watch));
        assert!(!aim.is_reached(&there, &[], &watch));
    }

    #[test]
    fn what_is_judged_by_the_scenarios_of_another_requirement_needs_them_all() {
        let rows = planned("policy.matrix", TransportKind::Stdio);
        let failed = [result_of(&rows, Verdict::Fail, None, None, 1, 0)];
        let both = aim(&["policy.matrix", "policy.nothing-more"]);
        assert!(!both.is_reached(&rows, &failed, &InvariantMonitor::default()));
        assert!(aim(&["policy.matrix"]).is_reached(&rows, &failed, &InvariantMonitor::default()));
    }
}
