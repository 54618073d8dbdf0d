//! Latency of direct requests to Vault, of the reference server, and of the official server if it is available, in
//! one run.
//!
//! Machines are noisy and differ, so only figures of the same run are comparable. Criterion measures one candidate
//! after the other. The final table comes from a separate pass, in which the candidates take turns call by call.

use std::{
    any::Any,
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use criterion::{Criterion, SamplingMode};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use vault_mcp_benches::{
    BenchError,
    comparison::{Comparison, Machine, Measured, Row},
    fixture::Fixture,
};
use vault_mcp_conformance::{
    exit::Exit,
    interrupt,
    latency::{FIRST_CALL, Samples, budget},
    progress::Progress,
};

const FIRST: &str = "first call";

/// Number of rounds in the table's pass; in each round every candidate has its turn.
#[derive(Clone, Copy, PartialEq)]
struct Rounds {
    calls: usize,
    warm_up: usize,
    first_calls: usize,
}

const FULL: Rounds = Rounds {
    calls: 400,
    warm_up: 20,
    first_calls: 20,
};
/// Only checks that all calls succeed, and measures nothing.
const TRIAL: Rounds = Rounds {
    calls: 2,
    warm_up: 0,
    first_calls: 1,
};
/// Time limit of the pass: a slow machine makes fewer calls.
const LONGEST_PASS: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    // `cargo test --all-targets` also runs this, and must not take minutes.
    if !has("--bench") {
        println!("benchmarks are run by `cargo bench`");
        return ExitCode::SUCCESS;
    }
    let rounds = match (has("--list"), has("--test")) {
        (true, _) => None,
        (false, true) => Some(TRIAL),
        (false, false) => Some(FULL),
    };
    let ran = match Bench::new() {
        Ok(bench) => bench.run(rounds),
        Err(error) => Err(BenchError::Runtime(error)),
    };
    let Err(error) = ran else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error}");
    match error {
        BenchError::Interrupted => Exit::Interrupted.into(),
        _ => ExitCode::FAILURE,
    }
}

/// Drives the calls. Single-threaded: further threads would compete with the servers for the cores.
struct Bench {
    runtime: Runtime,
    interrupt: CancellationToken,
    progress: Progress,
}

impl Bench {
    fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let interrupt = CancellationToken::new();
        let interrupted = interrupt.clone();
        runtime.spawn(async move {
            interrupt::signalled().await;
            interrupted.cancel();
        });
        Ok(Self {
            runtime,
            interrupt,
            progress: Progress::stderr(),
        })
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, BenchError>>) -> Result<T, BenchError> {
        let done = self.interrupt.run_until_cancelled(work);
        self.runtime
            .block_on(done)
            .unwrap_or(Err(BenchError::Interrupted))
    }

    fn run(&self, rounds: Option<Rounds>) -> Result<(), BenchError> {
        let fixture = self.wait(Fixture::open(&self.progress))?;
        let measured = self.measure(&fixture, rounds);
        // Not interruptible: whatever happened, everything that was started is stopped.
        let closed = self.runtime.block_on(fixture.close());
        match measured? {
            Some(comparison) if rounds == Some(FULL) => show(&comparison)?,
            _ => {}
        }
        closed
    }

    fn measure(
        &self,
        fixture: &Fixture,
        rounds: Option<Rounds>,
    ) -> Result<Option<Comparison>, BenchError> {
        // First, because a wrong number of requests invalidates all figures.
        let requests = match rounds {
            Some(_) => Some(self.wait(count_requests(fixture))?),
            None => None,
        };
        or_error(catch_unwind(AssertUnwindSafe(|| self.criterion(fixture))))?;
        let (Some(rounds), Some(requests)) = (rounds, requests) else {
            return Ok(None);
        };
        let step = self.progress.step("comparing, all in turns");
        let rows = self.wait(compare(fixture, rounds, &requests, &|note| step.note(note)))?;
        step.done(format_args!("{} rounds", rounds.calls));
        Ok(Some(Comparison {
            vault: fixture.vault(),
            machine: Machine::here(),
            rows,
            left_out: fixture.left_out.clone(),
        }))
    }

    /// Criterion's own measurements, one candidate after the other.
    fn criterion(&self, fixture: &Fixture) {
        let mut criterion = Criterion::default()
            .without_plots()
            .sample_size(20)
            .nresamples(10_000)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .configure_from_args();
        let mut group = criterion.benchmark_group(FIRST);
        // Each sample starts a server.
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        for candidate in &fixture.candidates {
            group.bench_function(&candidate.name, |bencher| {
                bencher.iter_custom(|count| {
                    self.total(count, async || fixture.first_call(candidate).await)
                });
            });
        }
        group.finish();
        for (name, task) in &fixture.tasks {
            let mut group = criterion.benchmark_group(*name);
            for candidate in &fixture.candidates {
                if candidate.offers(task.operation) {
                    group.bench_function(&candidate.name, |bencher| {
                        bencher.iter_custom(|count| {
                            self.total(count, async || candidate.call(task).await)
                        });
                    });
                }
            }
            group.finish();
        }
        criterion.final_summary();
    }

    /// The total duration of this many calls.
    ///
    /// Criterion's closures cannot fail: an error unwinds to `measure`.
    fn total(&self, count: u64, call: impl AsyncFn() -> Result<Duration, BenchError>) -> Duration {
        let calls = async {
            let mut total = Duration::ZERO;
            for _ in 0..count {
                total += call().await?;
            }
            Ok(total)
        };
        self.wait(calls)
            .unwrap_or_else(|error| resume_unwind(Box::new(error)))
    }
}

/// The [`BenchError`] that unwound; any other panic continues to unwind.
fn or_error<T>(caught: Result<T, Box<dyn Any + Send>>) -> Result<T, BenchError> {
    caught.map_err(|payload| match payload.downcast() {
        Ok(error) => *error,
        Err(payload) => resume_unwind(payload),
    })
}

/// Requests to Vault per call, by candidate and task.
async fn count_requests(fixture: &Fixture) -> Result<Vec<Vec<Option<f64>>>, BenchError> {
    let mut counts = Vec::new();
    for candidate in &fixture.candidates {
        counts.push(fixture.requests_per_call(candidate).await?);
    }
    Ok(counts)
}

/// The table's pass: calls each operation through each candidate in turn. Another candidate starts each round.
async fn compare(
    fixture: &Fixture,
    rounds: Rounds,
    requests: &[Vec<Option<f64>>],
    note: &dyn Fn(String),
) -> Result<Vec<Row>, BenchError> {
    let candidates = &fixture.candidates;
    let mut first_calls = vec![Samples::default(); candidates.len()];
    for round in 0..rounds.first_calls {
        note(format!("first calls, {round} of {}", rounds.first_calls));
        for turn in 0..candidates.len() {
            let index = (round + turn) % candidates.len();
            first_calls[index].add(fixture.first_call(&candidates[index]).await?);
        }
    }
    let mut calls = vec![vec![Samples::default(); candidates.len()]; fixture.tasks.len()];
    let begun = Instant::now();
    for round in 0..rounds.warm_up + rounds.calls {
        if begun.elapsed() > LONGEST_PASS {
            break;
        }
        note(format!("{round} of {}", rounds.warm_up + rounds.calls));
        for ((_, task), samples) in fixture.tasks.iter().zip(&mut calls) {
            for turn in 0..candidates.len() {
                let index = (round + turn) % candidates.len();
                if !candidates[index].offers(task.operation) {
                    continue;
                }
                let took = candidates[index].call(task).await?;
                if round >= rounds.warm_up {
                    samples[index].add(took);
                }
            }
        }
    }
    let mut rows = Vec::new();
    let mut add =
        |name: &str, samples: &[Samples], budget, requests: &dyn Fn(usize) -> Option<f64>| {
            for (index, (candidate, took)) in candidates.iter().zip(samples).enumerate() {
                let measured = Measured {
                    took: took.clone(),
                    vault_requests_per_call: requests(index),
                    budget: if candidate.is_direct() { None } else { budget },
                };
                rows.extend(Row::of(name, &candidate.name, &measured, &samples[0]));
            }
        };
    add(FIRST, &first_calls, Some(FIRST_CALL), &|_| None);
    for (number, ((name, task), samples)) in fixture.tasks.iter().zip(&calls).enumerate() {
        add(name, samples, budget(task.operation), &|index| {
            requests[index][number]
        });
    }
    Ok(rows)
}

/// Prints the table, and writes it and the figures (JSON) into cargo's target folder.
fn show(comparison: &Comparison) -> Result<(), BenchError> {
    let table = comparison.to_markdown();
    let json = serde_json::to_string_pretty(comparison).unwrap_or_default();
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = temporary.parent().unwrap_or(temporary);
    println!("\n{table}");
    for (name, text) in [("latency.md", table), ("latency.json", json + "\n")] {
        let file = target.join(name);
        fs::write(&file, text).map_err(|source| BenchError::File {
            file: file.display().to_string(),
            source,
        })?;
        println!("{}", file.display());
    }
    Ok(())
}
