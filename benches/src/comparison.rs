//! The figures of all candidates, as a table and as JSON.

use std::time::Duration;

use serde::Serialize;
use vault_mcp_conformance::latency::{Samples, millis};

/// The figures of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Vault's product, version and provider.
    pub vault: String,
    /// The machine.
    pub machine: Machine,
    /// One row for each operation and candidate.
    pub rows: Vec<Row>,
    /// The candidates that were not measured, with reasons.
    pub left_out: Vec<String>,
}

/// Facts about this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The operating system.
    pub os: &'static str,
    /// The processor's architecture.
    pub arch: &'static str,
    /// How many cores this process may use.
    pub cores: usize,
}

impl Machine {
    /// This machine.
    #[must_use]
    pub fn here() -> Self {
        Self {
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

/// One operation by one candidate; times in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The operation, as KAG's table names it, or `first call`.
    pub operation: String,
    /// Vault itself, or a server on a transport.
    pub candidate: String,
    /// The number of measured calls.
    pub samples: usize,
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// The ratio to the median of Vault itself.
    pub ratio_to_direct: f64,
    /// Requests to Vault per call, once the mount is known.
    pub vault_requests_per_call: Option<f64>,
    /// The budget of the sources for a server's 95th percentile.
    pub budget_ms: Option<f64>,
    /// Whether the server keeps the budget; none for Vault itself.
    pub keeps_budget: Option<bool>,
}

/// The measurements of one operation by one candidate.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The durations of the calls.
    pub took: Samples,
    /// Requests to Vault per call.
    pub vault_requests_per_call: Option<f64>,
    /// The budget of a call; none for Vault itself.
    pub budget: Option<Duration>,
}

impl Row {
    /// The row of these measurements, relative to the direct requests; none without measurements.
    #[must_use]
    pub fn of(
        operation: &str,
        candidate: &str,
        measured: &Measured,
        direct: &Samples,
    ) -> Option<Self> {
        let of = |percent| measured.took.percentile(percent);
        let (p50, p95) = (of(50)?, of(95)?);
        Some(Self {
            operation: operation.to_owned(),
            candidate: candidate.to_owned(),
            samples: measured.took.count(),
            p50_ms: millis(p50),
            p95_ms: millis(p95),
            p99_ms: millis(of(99)?),
            ratio_to_direct: p50.as_secs_f64() / direct.percentile(50)?.as_secs_f64(),
            vault_requests_per_call: measured.vault_requests_per_call,
            budget_ms: measured.budget.map(millis),
            keeps_budget: measured.budget.map(|budget| p95 <= budget),
        })
    }

    fn cells(&self) -> [String; 9] {
        let kept = match self.keeps_budget {
            Some(true) => "kept",
            Some(false) => "missed",
            None => "",
        };
        let requests = self.vault_requests_per_call;
        [
            self.operation.clone(),
            self.candidate.clone(),
            format!("{:.2}", self.p50_ms),
            format!("{:.2}", self.p95_ms),
            format!("{:.2}", self.p99_ms),
            format!("{:.1}", self.ratio_to_direct),
            requests.map_or(String::new(), |requests| format!("{requests:.1}")),
            self.budget_ms
                .map_or(String::new(), |budget| budget.to_string()),
            kept.to_owned(),
        ]
    }
}

const HEADINGS: [&str; 9] = [
    "operation",
    "through",
    "p50",
    "p95",
    "p99",
    "x direct",
    "Vault requests",
    "p95 budget",
    "",
];

impl Comparison {
    /// A table in Markdown that is readable as text.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let Machine { os, arch, cores } = &self.machine;
        let mut text = format!(
            "{}; {os} {arch}, {cores} cores; milliseconds\n\n",
            self.vault
        );
        let rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
        let widths: Vec<_> = (0..HEADINGS.len())
            .map(|column| {
                let cells = rows.iter().map(|row| row[column].len());
                cells.chain([HEADINGS[column].len(), 3]).max().unwrap_or(0)
            })
            .collect();
        let is_number = |column: usize| (2..8).contains(&column);
        let line = |cells: &[String]| {
            let cells = cells.iter().enumerate().map(|(column, cell)| {
                let width = widths[column];
                match is_number(column) {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                }
            });
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        text += &line(&HEADINGS.map(str::to_owned));
        let rules: Vec<_> = (widths.iter().enumerate())
            .map(|(column, width)| match is_number(column) {
                true => format!("{}:", "-".repeat(width - 1)),
                false => "-".repeat(*width),
            })
            .collect();
        text += &line(&rules);
        for row in &rows {
            text += &line(row);
        }
        for left_out in &self.left_out {
            text += &format!("\nleft out: {left_out}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vault_mcp_conformance::latency::Samples;

    use super::{Comparison, Machine, Measured, Row};

    fn samples(micros: impl IntoIterator<Item = u64>) -> Samples {
        let mut samples = Samples::default();
        for micros in micros {
            samples.add(Duration::from_micros(micros));
        }
        samples
    }

    fn row(candidate: &str, micros: u64, requests: f64, budget: Option<u64>) -> Option<Row> {
        let measured = Measured {
            took: samples((1..=100).map(|n| micros * n / 50)),
            vault_requests_per_call: Some(requests),
            budget: budget.map(Duration::from_millis),
        };
        Row::of("read", candidate, &measured, &samples([400]))
    }

    #[test]
    fn the_table_has_a_row_for_each_candidate_and_says_what_is_left_out() {
        let rows = [
            row("direct", 400, 1.0, None),
            row("reference stdio", 900, 1.0, Some(80)),
            row("hashicorp http", 60_000, 2.0, Some(80)),
        ];
        let comparison = Comparison {
            vault: "Vault 1.21.1 (binary vault)".to_owned(),
            machine: Machine {
                os: "linux",
                arch: "x86_64",
                cores: 2,
            },
            rows: rows.into_iter().flatten().collect(),
            left_out: vec!["issue: no adapter maps pki.issue".to_owned()],
        };
        insta::assert_snapshot!(comparison.to_markdown(), @r"
        Vault 1.21.1 (binary vault); linux x86_64, 2 cores; milliseconds

        | operation | through         |   p50 |    p95 |    p99 | x direct | Vault requests | p95 budget |        |
        | --------- | --------------- | ----: | -----: | -----: | -------: | -------------: | ---------: | ------ |
        | read      | direct          |  0.40 |   0.76 |   0.79 |      1.0 |            1.0 |            |        |
        | read      | reference stdio |  0.90 |   1.71 |   1.78 |      2.2 |            1.0 |         80 | kept   |
        | read      | hashicorp http  | 60.00 | 114.00 | 118.80 |    150.0 |            2.0 |         80 | missed |

        left out: issue: no adapter maps pki.issue
        ");
    }

    #[test]
    fn what_was_not_measured_has_no_row() {
        assert!(Row::of("read", "direct", &Measured::default(), &samples([1])).is_none());
    }
}
