//! Latency: how long operations take through a target and as direct requests to Vault, and the budgets from the
//! sources.

pub(crate) mod direct;
pub mod workload;

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{engines::Operation, transport::TransportKind};

/// The budget of the first call on a new connection, without the start of the target: KAG's table.
pub const FIRST_CALL: Duration = Duration::from_millis(200);

/// How many calls are needed before a budget can be missed. With fewer, the 95th percentile is the slowest call, and
/// one slow call shows nothing.
pub const MIN_SAMPLES: usize = 20;

/// How many durations one collection keeps; later ones are ignored.
const MAX_SAMPLES: usize = 100_000;

/// The budget of an operation for the 95th percentile, after the first call: KAG's table, which has no figure for any
/// other operation.
#[must_use]
pub fn budget(operation: Operation) -> Option<Duration> {
    let millis = match operation.name() {
        "mounts.list" => 50,
        "kv.read" | "kv.read_version" => 80,
        "kv.write" | "kv.write_key" | "kv.list" => 100,
        "pki.issue" => 300,
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}

/// A duration in milliseconds, to the microsecond.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// The durations of several calls.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub fn add(&mut self, took: Duration) {
        if self.0.len() < MAX_SAMPLES {
            self.0.push(took);
        }
    }

    /// The number of durations.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest duration that `percent` (1 to 100) of all calls do not exceed. It is the nearest rank, so it was
    /// measured. `None` without calls.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (percent * sorted.len()).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied()
    }

    fn percentile_ms(&self, percent: usize) -> Option<f64> {
        self.percentile(percent).map(millis)
    }
}

/// A successful tool call that performed an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The operation.
    pub operation: Operation,
    /// The time from the request to its answer.
    pub took: Duration,
    /// The number of requests to Vault during the call; not known without a tap.
    pub vault_requests: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Measured {
    took: Samples,
    vault_requests: Option<usize>,
}

/// The measurements of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measurements {
    calls: BTreeMap<(Operation, TransportKind), Measured>,
    direct: BTreeMap<Operation, Samples>,
}

impl Measurements {
    pub(crate) fn add(&mut self, transport: TransportKind, call: &Call) {
        let measured = self.calls.entry((call.operation, transport)).or_default();
        measured.took.add(call.took);
        if let Some(requests) = call.vault_requests {
            *measured.vault_requests.get_or_insert_default() += requests;
        }
    }

    pub(crate) fn add_direct(&mut self, operation: Operation, took: Duration) {
        self.direct.entry(operation).or_default().add(took);
    }

    /// One entry for each operation and transport, in the order of the operations.
    pub(crate) fn entries(&self) -> Vec<Latency> {
        let entry =
            |((operation, transport), measured): (&(Operation, TransportKind), &Measured)| {
                let (took, direct) = (&measured.took, self.direct.get(operation));
                let requests = measured.vault_requests;
                Some(Latency {
                    operation: operation.to_string(),
                    transport: transport.to_string(),
                    samples: took.count(),
                    p50_ms: took.percentile_ms(50)?,
                    p95_ms: took.percentile_ms(95)?,
                    p99_ms: took.percentile_ms(99)?,
                    direct_p50_ms: direct.and_then(|direct| direct.percentile_ms(50)),
                    direct_p95_ms: direct.and_then(|direct| direct.percentile_ms(95)),
                    vault_requests_per_call: requests
                        .map(|requests| hundredths(requests as f64 / took.count() as f64)),
                    budget_ms: budget(*operation).map(millis),
                })
            };
        self.calls.iter().filter_map(entry).collect()
    }
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// The latency of one operation on one transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// The operation's name.
    pub operation: String,
    /// `stdio` or `http`.
    pub transport: String,
    /// The number of measured calls.
    pub samples: usize,
    /// Median through the target, in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile through the target, in milliseconds.
    pub p95_ms: f64,
    /// 99th percentile through the target, in milliseconds.
    pub p99_ms: f64,
    /// Median of the direct request to Vault during the same run, in milliseconds; `null` for an operation without a
    /// budget.
    pub direct_p50_ms: Option<f64>,
    /// 95th percentile of the direct request, in milliseconds.
    pub direct_p95_ms: Option<f64>,
    /// The average number of requests to Vault for one call, including those about a mount that is new to the target;
    /// `null` if they could not be seen.
    pub vault_requests_per_call: Option<f64>,
    /// The budget for the 95th percentile from the sources (KAG), in milliseconds.
    pub budget_ms: Option<f64>,
}

impl Latency {
    /// Whether the latency is within its budget. `None` without a budget, or if the target is not to blame: there were
    /// too few calls, or Vault itself took as long on this machine.
    #[must_use]
    pub fn keeps_budget(&self) -> Option<bool> {
        let budget = self.budget_ms?;
        let keeps = self.p95_ms <= budget;
        let machine_keeps = self.direct_p95_ms.is_none_or(|direct| direct <= budget);
        (keeps || (self.samples >= MIN_SAMPLES && machine_keeps)).then_some(keeps)
    }
}

#[cfg(test)]
mod tests {
    use crate::engines::kv::Kv;
    use std::time::Duration;

    use super::{Call, Measurements, Samples, budget, millis};
    use crate::{engines::Operation, transport::TransportKind};

    fn samples(millis: impl IntoIterator<Item = u64>) -> Samples {
        let mut samples = Samples::default();
        for millis in millis {
            samples.add(Duration::from_millis(millis));
        }
        samples
    }

    #[test]
    fn a_percentile_is_the_nearest_rank_whatever_the_order() {
        let hundred = samples((1..=100).rev());
        let of = |percent| hundred.percentile(percent).map(millis);
        assert_eq!(of(50), Some(50.0));
        assert_eq!(of(95), Some(95.0));
        assert_eq!(of(99), Some(99.0));
        assert_eq!(of(100), Some(100.0));
        let five = samples([35, 20, 15, 50, 40]);
        assert_eq!(five.percentile(30).map(millis), Some(20.0));
        assert_eq!(five.percentile(40).map(millis), Some(20.0));
        assert_eq!(five.percentile(50).map(millis), Some(35.0));
    }

    #[test]
    fn with_few_samples_the_slowest_is_the_95th_percentile_and_none_has_none() {
        assert_eq!(samples([]).percentile(50), None);
        assert_eq!(samples([7]).percentile(50).map(millis), Some(7.0));
        assert_eq!(samples([7]).percentile(99).map(millis), Some(7.0));
        let nineteen = samples((1..=18).chain([900]));
        assert_eq!(nineteen.percentile(95).map(millis), Some(900.0));
        let twenty = samples((1..=19).chain([900]));
        assert_eq!(twenty.percentile(95).map(millis), Some(19.0));
    }

    #[test]
    fn only_what_the_sources_give_a_figure_for_has_a_budget() {
        let of = |name| budget(Operation::named(name).unwrap()).map(millis);
        assert_eq!(of("mounts.list"), Some(50.0));
        assert_eq!(of("kv.read"), Some(80.0));
        assert_eq!(of("kv.write_key"), Some(100.0));
        assert_eq!(of("kv.list"), Some(100.0));
        assert_eq!(of("kv.list_all"), None);
        assert_eq!(of("mounts.create"), None);
    }

    #[test]
    fn each_operation_and_transport_has_an_entry_beside_the_direct_requests() {
        let mut measurements = Measurements::default();
        let mut call = |transport, operation, millis, vault_requests| {
            let took = Duration::from_millis(millis);
            let call = Call {
                operation,
                took,
                vault_requests,
            };
            measurements.add(transport, &call);
        };
        call(TransportKind::Stdio, Operation::Kv(Kv::Read), 2, Some(2));
        call(TransportKind::Stdio, Operation::Kv(Kv::Read), 4, Some(1));
        call(TransportKind::Stdio, Operation::Kv(Kv::Read), 3, Some(1));
        call(TransportKind::Http, Operation::Kv(Kv::Purge), 9, None);
        measurements.add_direct(Operation::Kv(Kv::Read), Duration::from_micros(1_500));
        let entries = measurements.entries();
        assert_eq!(entries.len(), 2);
        let read = &entries[0];
        assert_eq!(
            (read.operation.as_str(), read.transport.as_str()),
            ("kv.read", "stdio")
        );
        assert_eq!((read.samples, read.p50_ms, read.p95_ms), (3, 3.0, 4.0));
        assert_eq!(read.direct_p50_ms, Some(1.5));
        assert_eq!(read.vault_requests_per_call, Some(1.33));
        let purge = &entries[1];
        assert_eq!(purge.direct_p50_ms, None);
        assert_eq!(purge.vault_requests_per_call, None);
        assert_eq!(purge.budget_ms, None);
    }
}
