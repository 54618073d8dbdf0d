//! What a run found: the causes of the failures, the warnings, what was blocked, and what the baseline lists.

use std::{collections::BTreeMap, iter, path::Path};

use super::{BOLD, DIM, Detail, MAGENTA, RED, YELLOW};
use crate::{
    report::{
        BaselineResult, Report, ScenarioResult,
        text::{cut, visible, visible_lines, wrap},
    },
    verdict::Verdict,
};

/// The width of the column for labels such as `expected`.
const LABEL_WIDTH: usize = 10;
/// The width of the text beside a label.
const TEXT_WIDTH: usize = 84;
/// Up to this number of causes each one is shown with what was expected, and with its transcript.
const FEW_CAUSES: usize = 10;
/// How many lines of one text are shown beside a few causes.
const MOST_LINES: usize = 3;

/// What the run found, the most severe first, and then what could not be cleaned up.
pub(super) fn findings(report: &Report, output_dir: &Path, detail: Detail) -> String {
    let mut out = match detail {
        Detail::Causes => causes(report, output_dir) + &warnings(report),
        Detail::All => {
            let all = |verdict, word| blocks(report, output_dir, verdict, word);
            let failed = format!("{RED}FAIL{RED:#}");
            let warned = format!("{YELLOW}WARN{YELLOW:#}");
            all(Verdict::Fail, &failed) + &all(Verdict::Warn, &warned)
        }
    };
    let blocked = format!("{MAGENTA}BLOCKED{MAGENTA:#}");
    out += &blocks(report, output_dir, Verdict::Blocked, &blocked);
    out += &missed_budgets(report);
    out += &known(report);
    out += &report.baseline.as_ref().map(stale).unwrap_or_default();
    if !report.cleanup_errors.is_empty() {
        out += &format!("{MAGENTA}not cleaned up{MAGENTA:#}\n");
        for error in &report.cleanup_errors {
            out += &paragraph(error);
        }
        out += "\n";
    }
    out
}

/// The causes without which most scenarios would pass, if there are several.
pub(super) fn fix_first(report: &Report) -> String {
    let causes: Vec<_> = report.fix_first().collect();
    if causes.len() < 2 {
        return String::new();
    }
    let mut out = format!("{BOLD}fix first{BOLD:#}\n");
    for (number, cause) in iter::zip(1.., causes) {
        let (count, what) = (failures(cause.failures.len()), visible(&cause.cause.what));
        out += &format!("  {number}. {count:<14}{what}\n");
    }
    out + "\n"
}

/// A block for each cause of failures.
fn causes(report: &Report, output_dir: &Path) -> String {
    let mut out = String::new();
    let mut rerun = None;
    let causes: Vec<_> = (report.causes.iter())
        .filter(|cause| !cause.failures.is_empty())
        .collect();
    let is_short = causes.len() <= FEW_CAUSES;
    for cause in causes {
        let Some(key) = cause.example.as_ref().or(cause.failures.first()) else {
            continue;
        };
        out += &beside(&format!("{RED}FAIL{RED:#}  "), &cause.cause.what);
        let requirements = by_requirement(&cause.failures);
        out += &paragraph(&match cause.failures.len() {
            1 => format!("1 failure: {key}"),
            count if requirements.contains(", ") => {
                format!("{count} failures: {requirements}, such as {key}")
            }
            count => format!("{count} failures, such as {key}"),
        });
        let shown = report.scenarios.iter().find(|s| s.key == *key);
        if let Some(failure) = shown.and_then(|scenario| scenario.failure.as_ref()) {
            let is_told = cause.cause.beside_the_demand().is_some();
            if is_short && !is_told {
                out += &short_field("expected", &failure.expected, MOST_LINES);
            }
            if is_short || !is_told {
                let most = if is_short { MOST_LINES } else { 1 };
                out += &short_field("saw", &failure.actual, most);
            }
            if let Some(transcript) = failure.transcript.as_ref().filter(|_| is_short) {
                let path = output_dir.join(transcript).display().to_string();
                out += &line("look", &visible(&path));
            }
            rerun.get_or_insert(&failure.reproduce);
        }
        // Many causes have to fit on a screen or two.
        if is_short {
            out += "\n";
        }
    }
    if !is_short {
        out += "\n";
    }
    if let Some(rerun) = rerun {
        out += &format!("{DIM}rerun one{DIM:#}  {}\n\n", visible(rerun));
    }
    out
}

/// Text beside a first word that is four characters wide, wrapped.
fn beside(word: &str, text: &str) -> String {
    let text = visible(&cut(text));
    let words = iter::once(word).chain(iter::repeat("      "));
    let parts = wrap(&text, TEXT_WIDTH + LABEL_WIDTH).into_iter();
    words
        .zip(parts)
        .map(|(word, part)| format!("{word}{BOLD}{part}{BOLD:#}\n"))
        .collect()
}

/// A line for each requirement that only warns.
fn warnings(report: &Report) -> String {
    let mut warned: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for scenario in report
        .scenarios
        .iter()
        .filter(|s| s.verdict == Verdict::Warn)
    {
        let (_, count) = (warned.entry(&scenario.id)).or_insert((&scenario.demand, 0));
        *count += 1;
    }
    let lines = warned.into_iter().map(|(id, (demand, count))| {
        let id = visible(&counted(id, count));
        format!(
            "{YELLOW}WARN{YELLOW:#}  {BOLD}{id}{BOLD:#}  {}\n",
            visible(&cut(demand))
        )
    });
    paragraphed(lines.collect())
}

/// A block for each scenario with this verdict, with all details.
fn blocks(report: &Report, output_dir: &Path, verdict: Verdict, word: &str) -> String {
    let found = report.scenarios.iter();
    let found = found.filter(|s| s.verdict == verdict && s.known.is_none());
    found
        .map(|scenario| format!("{word}  {}\n", block(report, scenario, output_dir)))
        .collect()
}

fn failures(count: usize) -> String {
    match count {
        1 => "1 failure".to_owned(),
        count => format!("{count} failures"),
    }
}

/// The requirements of these keys, each with the number of its keys: `kv.read (4), kv.list`.
fn by_requirement(keys: &[String]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for key in keys {
        let id = key.split('@').next().unwrap_or_default();
        *counts.entry(id).or_default() += 1;
    }
    let texts = counts.into_iter().map(|(id, count)| counted(id, count));
    texts.collect::<Vec<_>>().join(", ")
}

fn counted(id: &str, count: usize) -> String {
    match count {
        1 => id.to_owned(),
        count => format!("{id} ({count})"),
    }
}

/// A line for each missed budget that makes the run fail.
fn missed_budgets(report: &Report) -> String {
    let missed = report.missed_budgets().map(|latency| {
        let (operation, transport) = (visible(&latency.operation), visible(&latency.transport));
        format!(
            "{RED}SLOW{RED:#}  {BOLD}{operation}{BOLD:#}  {transport}  the 95th percentile of {} calls is {:.1} ms, \
             more than {} ms\n",
            latency.samples,
            latency.p95_ms,
            latency.budget_ms.unwrap_or_default()
        )
    });
    paragraphed(missed.collect())
}

/// A line for each reason for which failures are known.
fn known(report: &Report) -> String {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for scenario in &report.scenarios {
        if let Some(reason) = &scenario.known {
            reasons
                .entry(reason)
                .or_default()
                .push(scenario.key.clone());
        }
    }
    let lines = reasons.into_iter().map(|(reason, keys)| {
        let (reason, keys) = (visible(&cut(reason)), visible(&by_requirement(&keys)));
        format!("{YELLOW}KNOWN{YELLOW:#}  {keys}  {reason}\n")
    });
    paragraphed(lines.collect())
}

/// The entries of the baseline that do not apply, and the result of an update.
fn stale(baseline: &BaselineResult) -> String {
    let file = visible(&baseline.file);
    let mut out = String::new();
    for stale in &baseline.stale {
        let now = match stale.now {
            Verdict::Warn => "only warns now",
            Verdict::NotApplicable => "does not apply any more",
            _ => "passes now",
        };
        let key = visible(&stale.key);
        out += &format!("{RED}STALE{RED:#}  {key}  {now}; it was listed as: ");
        out += &format!("{}\n", visible(&cut(&stale.reason)));
    }
    let mut intermittent = String::new();
    for known in &baseline.intermittent {
        let now = match known.now {
            Verdict::Fail => "failed this time",
            _ => "did not fail this time",
        };
        let (key, reason) = (visible(&known.key), visible(&cut(&known.reason)));
        intermittent += &format!("{YELLOW}INTERMITTENT{YELLOW:#}  {key}  {now}: {reason}\n");
    }
    for unknown in &baseline.unknown {
        let key = visible(&unknown.key);
        let hint = match &unknown.closest {
            Some(closest) => format!("; did you mean {}?", visible(closest)),
            None => String::new(),
        };
        out += &format!("{RED}UNKNOWN{RED:#}  {key}  no scenario has this key{hint}\n");
    }
    match &baseline.update {
        None if out.is_empty() => {}
        None => out += &format!("remove these from {file}, or let --update-baseline do it\n"),
        Some(update) => {
            let (added, removed) = (update.added.len(), update.removed.len());
            out += &match &update.refused {
                Some(why) => format!("{file} was not updated: {why}\n"),
                None if added + removed == 0 => format!("{file} is up to date\n"),
                None if added == 0 => format!("{file} was updated: {removed} removed\n"),
                None => format!(
                    "{file} was updated: {added} added, {removed} removed; \
                     write the reason of each that was added\n"
                ),
            };
        }
    }
    paragraphed(intermittent + &out)
}

/// The lines with an empty line below, or nothing.
pub(super) fn paragraphed(lines: String) -> String {
    if lines.is_empty() {
        lines
    } else {
        lines + "\n"
    }
}

/// A finding without its first word.
fn block(report: &Report, scenario: &ScenarioResult, output_dir: &Path) -> String {
    let (key, level) = (visible(&scenario.key), scenario.level);
    let mut out = format!("{BOLD}{key}{BOLD:#}  {level}\n");
    out += &paragraph(&scenario.demand);
    out += &field("case", &scenario.title);
    if let Some(reason) = &scenario.reason {
        out += &field("reason", reason);
    }
    if let Some(failure) = &scenario.failure {
        out += &field("expected", &failure.expected);
        out += &field("saw", &failure.actual);
        let cause = failure.cause.beside_the_demand();
        out += &(cause.map(|what| field("cause", what))).unwrap_or_default();
        let follows = failure.caused_by.as_ref();
        out += &(follows.map(|key| line("follows", &visible(key)))).unwrap_or_default();
    }
    for (source, address) in report.cited_by(scenario) {
        out += &field("source", &source);
        out += &(address.map(|address| line("", &visible(address)))).unwrap_or_default();
    }
    if let Some(failure) = &scenario.failure {
        if let Some(transcript) = &failure.transcript {
            let path = output_dir.join(transcript).display().to_string();
            out += &line("look", &visible(&path));
        }
        out += &line("rerun", &visible(&failure.reproduce));
    }
    out
}

/// Text below the first line of a block, wrapped.
pub(super) fn paragraph(text: &str) -> String {
    let mut out = String::new();
    for text in visible_lines(&cut(text)).lines() {
        for part in wrap(text, TEXT_WIDTH + LABEL_WIDTH) {
            out += &format!("      {part}\n");
        }
    }
    out
}

/// Text beside a label, wrapped.
fn field(label: &str, text: &str) -> String {
    let text = visible_lines(&cut(text));
    let parts = text.lines().flat_map(|line| wrap(line, TEXT_WIDTH));
    beside_label(label, parts)
}

/// The beginning of a text beside a label, on at most this number of lines.
fn short_field(label: &str, text: &str, most: usize) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let text = visible(&words.join(" "));
    let mut parts = wrap(&text, TEXT_WIDTH);
    let is_cut = parts.len() > most || text.chars().count() > most * TEXT_WIDTH;
    parts.truncate(most);
    let mut parts: Vec<String> = (parts.into_iter())
        // A word is not broken when lines are wrapped.
        .map(|part| match part.char_indices().nth(TEXT_WIDTH) {
            Some((end, _)) => format!("{}…", &part[..end]),
            None => part.to_owned(),
        })
        .collect();
    if let Some(last) = parts
        .last_mut()
        .filter(|last| is_cut && !last.ends_with('…'))
    {
        last.push_str(" …");
    }
    beside_label(label, parts.iter().map(String::as_str))
}

fn beside_label<'t>(label: &str, parts: impl Iterator<Item = &'t str>) -> String {
    let labels = iter::once(label).chain(iter::repeat(""));
    labels
        .zip(parts)
        .map(|(label, part)| line(label, part))
        .collect()
}

/// One line beside a label, not wrapped, so that paths and commands can be copied.
fn line(label: &str, text: &str) -> String {
    format!("      {DIM}{label:<LABEL_WIDTH$}{DIM:#}{text}\n")
}
