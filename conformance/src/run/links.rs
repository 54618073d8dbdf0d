//! Which failures only follow from another one.

use crate::{
    report::{Failure, ScenarioResult},
    verdict::Verdict,
};

/// Notes for each failure from which other it only follows, if it does.
///
/// An ambient failure follows from the scenario in which it was seen, if that failed, too. Another failure follows if its
/// step only prepares what the requirement is about, and a scenario with the same cause on the same transport failed in
/// what its requirement is about. `is_preparation` tells that of a key and a step.
pub(super) fn link_failures(
    results: &mut [ScenarioResult],
    is_preparation: impl Fn(&str, &str) -> bool,
) {
    let sources: Vec<ScenarioResult> = (results.iter())
        .filter(|result| {
            let failure = result.failure.as_ref();
            failure.is_some_and(|failure| !is_preparation(&result.key, &failure.step))
        })
        .cloned()
        .collect();
    for result in results.iter_mut() {
        let (key, transport) = (&result.key, &result.transport);
        let Some(failure) = &mut result.failure else {
            continue;
        };
        failure.caused_by = match failure.caused_by.take() {
            Some(seen_in) => Some(seen_in).filter(|key| sources.iter().any(|s| s.key == *key)),
            None if is_preparation(key, &failure.step) => source_of(failure, transport, &sources),
            None => None,
        };
    }
}

/// The failure that shows the cause of another best: one of a MUST before one of a SHOULD.
fn source_of(failure: &Failure, transport: &str, sources: &[ScenarioResult]) -> Option<String> {
    let same = sources.iter().filter(|source| {
        let other = source.failure.as_ref();
        source.transport == transport && other.is_some_and(|other| other.cause == failure.cause)
    });
    let best = same.min_by_key(|source| (source.verdict != Verdict::Fail, source.key.as_str()));
    best.map(|source| source.key.clone())
}

#[cfg(test)]
mod tests {
    use super::link_failures;
    use crate::{
        cause::{Cause, CauseKind},
        report::{Failure, ScenarioResult},
        verdict::{Level, Verdict},
    };

    fn failed(key: &str, cause: &str, step: &str, seen_in: Option<&str>) -> ScenarioResult {
        let (id, transport) = key.split_once('@').unwrap();
        ScenarioResult {
            key: key.to_owned(),
            id: id.to_owned(),
            demand: String::new(),
            title: String::new(),
            profile: "kv".to_owned(),
            level: Level::Must,
            transport: transport.to_owned(),
            revision: "2025-11-25".to_owned(),
            verdict: Verdict::Fail,
            reason: None,
            sources: Vec::new(),
            duration_ms: 0,
            vault_requests: 0,
            failure: Some(Failure {
                step: step.to_owned(),
                expected: String::new(),
                actual: String::new(),
                cause: Cause {
                    kind: CauseKind::Crash,
                    what: cause.to_owned(),
                },
                caused_by: seen_in.map(str::to_owned),
                transcript: None,
                reproduce: String::new(),
            }),
            known: None,
        }
    }

    fn linked(mut results: Vec<ScenarioResult>) -> Vec<Option<String>> {
        link_failures(&mut results, |_, step| step.starts_with("Given"));
        let failures = results.into_iter().map(|result| result.failure.unwrap());
        failures.map(|failure| failure.caused_by).collect()
    }

    #[test]
    fn a_preparation_that_fails_follows_from_the_same_cause_on_its_transport() {
        let seen = linked(vec![
            failed("kv.read@stdio", "a panic", "Then it reads", None),
            failed("kv.list@stdio", "a panic", "Given it reads", None),
            failed("kv.list@http", "a panic", "Given it reads", None),
            failed("kv.write@stdio", "another", "Given it writes", None),
        ]);
        assert_eq!(seen, [None, Some("kv.read@stdio".to_owned()), None, None]);
    }

    #[test]
    fn what_was_seen_in_a_scenario_follows_from_it_only_if_it_failed() {
        let seen = linked(vec![
            failed("kv.read@stdio", "a panic", "Then it reads", None),
            failed(
                "ambient.alive@stdio",
                "a panic",
                "Then it lives",
                Some("kv.read@stdio"),
            ),
            failed(
                "ambient.token@stdio",
                "a leak",
                "Then",
                Some("kv.list@stdio"),
            ),
        ]);
        assert_eq!(seen, [None, Some("kv.read@stdio".to_owned()), None]);
    }
}
