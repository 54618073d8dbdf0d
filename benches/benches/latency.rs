//! What calls cost: directly on Vault, through the reference server, and through the official
//! one where it is there, in one run.
//!
//! Machines are noisy and differ, so only figures of the same run can be compared. Criterion
//! measures one subject after the other. The table that is printed last comes from a pass of
//! its own, in which all subjects take turns call by call.

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
    Trouble,
    comparison::{Comparison, Machine, Measured, Row},
    lab::Lab,
};
use vault_mcp_conformance::{
    exit::Exit,
    interrupt,
    latency::{FIRST_CALL, Samples, budget},
    progress::Progress,
};

const FIRST: &str = "first call";

/// How many times all subjects take turns in the table's pass.
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
/// Shows that all calls succeed, and no figures.
const TRIAL: Rounds = Rounds {
    calls: 2,
    warm_up: 0,
    first_calls: 1,
};
/// A slow machine makes fewer calls, so that the pass ends in time.
const LONGEST_PASS: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    // `cargo test --all-targets` runs this as well, and must not take minutes.
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
        Err(error) => Err(Trouble::Runtime(error)),
    };
    let Err(trouble) = ran else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {trouble}");
    match trouble {
        Trouble::Interrupted => Exit::Interrupted.into(),
        _ => ExitCode::FAILURE,
    }
}

/// What drives the calls. One thread: others would only compete for the cores with what is
/// measured.
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

    fn wait<T>(&self, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let done = self.interrupt.run_until_cancelled(work);
        self.runtime
            .block_on(done)
            .unwrap_or(Err(Trouble::Interrupted))
    }

    fn run(&self, rounds: Option<Rounds>) -> Result<(), Trouble> {
        let lab = self.wait(Lab::open(&self.progress))?;
        let measured = self.measure(&lab, rounds);
        // Not interruptible: whatever happened, all that was started ends.
        let closed = self.runtime.block_on(lab.close());
        match measured? {
            Some(comparison) if rounds == Some(FULL) => show(&comparison)?,
            _ => {}
        }
        closed
    }

    fn measure(&self, lab: &Lab, rounds: Option<Rounds>) -> Result<Option<Comparison>, Trouble> {
        // First, as a wrong number of requests makes all figures moot.
        let requests = match rounds {
            Some(_) => Some(self.wait(count_requests(lab))?),
            None => None,
        };
        or_trouble(catch_unwind(AssertUnwindSafe(|| self.criterion(lab))))?;
        let (Some(rounds), Some(requests)) = (rounds, requests) else {
            return Ok(None);
        };
        let step = self.progress.step("comparing, all in turns");
        let rows = self.wait(compare(lab, rounds, &requests, &|note| step.note(note)))?;
        step.done(format_args!("{} rounds", rounds.calls));
        Ok(Some(Comparison {
            vault: lab.vault(),
            machine: Machine::here(),
            rows,
            left_out: lab.left_out.clone(),
        }))
    }

    /// Criterion's own figures, one subject after the other.
    fn criterion(&self, lab: &Lab) {
        let mut criterion = Criterion::default()
            .without_plots()
            .sample_size(20)
            .nresamples(10_000)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .configure_from_args();
        let mut group = criterion.benchmark_group(FIRST);
        // Each starts a server.
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        for subject in &lab.subjects {
            group.bench_function(&subject.name, |bencher| {
                bencher
                    .iter_custom(|count| self.total(count, async || lab.first_call(subject).await));
            });
        }
        group.finish();
        for (name, task) in &lab.tasks {
            let mut group = criterion.benchmark_group(*name);
            for subject in &lab.subjects {
                if subject.offers(task.operation) {
                    group.bench_function(&subject.name, |bencher| {
                        bencher.iter_custom(|count| {
                            self.total(count, async || subject.call(task).await)
                        });
                    });
                }
            }
            group.finish();
        }
        criterion.final_summary();
    }

    /// How long so many calls take together.
    ///
    /// Criterion's closures cannot fail: what stops a benchmark unwinds to `measure`.
    fn total(&self, count: u64, call: impl AsyncFn() -> Result<Duration, Trouble>) -> Duration {
        let calls = async {
            let mut total = Duration::ZERO;
            for _ in 0..count {
                total += call().await?;
            }
            Ok(total)
        };
        self.wait(calls)
            .unwrap_or_else(|trouble| resume_unwind(Box::new(trouble)))
    }
}

/// What unwound, if it is a trouble; anything else goes on unwinding.
fn or_trouble<T>(caught: Result<T, Box<dyn Any + Send>>) -> Result<T, Trouble> {
    caught.map_err(|payload| match payload.downcast() {
        Ok(trouble) => *trouble,
        Err(payload) => resume_unwind(payload),
    })
}

/// Requests to Vault per call, for each subject by task.
async fn count_requests(lab: &Lab) -> Result<Vec<Vec<Option<f64>>>, Trouble> {
    let mut counts = Vec::new();
    for subject in &lab.subjects {
        counts.push(lab.requests_per_call(subject).await?);
    }
    Ok(counts)
}

/// The table's pass: each operation is called through each subject in turn, and who begins
/// changes from round to round.
async fn compare(
    lab: &Lab,
    rounds: Rounds,
    requests: &[Vec<Option<f64>>],
    note: &dyn Fn(String),
) -> Result<Vec<Row>, Trouble> {
    let subjects = &lab.subjects;
    let mut first_calls = vec![Samples::default(); subjects.len()];
    for round in 0..rounds.first_calls {
        note(format!("first calls, {round} of {}", rounds.first_calls));
        for turn in 0..subjects.len() {
            let index = (round + turn) % subjects.len();
            first_calls[index].add(lab.first_call(&subjects[index]).await?);
        }
    }
    let mut calls = vec![vec![Samples::default(); subjects.len()]; lab.tasks.len()];
    let begun = Instant::now();
    for round in 0..rounds.warm_up + rounds.calls {
        if begun.elapsed() > LONGEST_PASS {
            break;
        }
        note(format!("{round} of {}", rounds.warm_up + rounds.calls));
        for ((_, task), samples) in lab.tasks.iter().zip(&mut calls) {
            for turn in 0..subjects.len() {
                let index = (round + turn) % subjects.len();
                if !subjects[index].offers(task.operation) {
                    continue;
                }
                let took = subjects[index].call(task).await?;
                if round >= rounds.warm_up {
                    samples[index].add(took);
                }
            }
        }
    }
    let mut rows = Vec::new();
    let mut add =
        |name: &str, samples: &[Samples], budget, requests: &dyn Fn(usize) -> Option<f64>| {
            for (index, (subject, took)) in subjects.iter().zip(samples).enumerate() {
                let measured = Measured {
                    took: took.clone(),
                    vault_requests_per_call: requests(index),
                    budget: if subject.is_direct() { None } else { budget },
                };
                rows.extend(Row::of(name, &subject.name, &measured, &samples[0]));
            }
        };
    add(FIRST, &first_calls, Some(FIRST_CALL), &|_| None);
    for (number, ((name, task), samples)) in lab.tasks.iter().zip(&calls).enumerate() {
        add(name, samples, budget(task.operation), &|index| {
            requests[index][number]
        });
    }
    Ok(rows)
}

/// Prints the table and writes it, and the figures as JSON, into cargo's target folder.
fn show(comparison: &Comparison) -> Result<(), Trouble> {
    let table = comparison.to_markdown();
    let json = serde_json::to_string_pretty(comparison).unwrap_or_default();
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = temporary.parent().unwrap_or(temporary);
    println!("\n{table}");
    for (name, text) in [("latency.md", table), ("latency.json", json + "\n")] {
        let file = target.join(name);
        fs::write(&file, text).map_err(|source| Trouble::File {
            file: file.display().to_string(),
            source,
        })?;
        println!("{}", file.display());
    }
    Ok(())
}
