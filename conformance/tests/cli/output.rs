//! Output that cannot be written: a full disk, a file instead of a folder, a reader that has gone, another run in the same
//! folder, a run that is killed.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
    process::Stdio,
};

use rustix::process::Signal;

use crate::{
    gates::known,
    trial::{Ended, FAKE_TARGET, Trial, adapter, fake, fake_from_call, is_left, program, run},
};

/// A run that ends with 0 unless its output cannot be written.
fn accepted() -> Trial {
    fake("").with_baseline(&known())
}

/// A run that writes its reports into this folder.
fn in_folder(output: &Path) -> Trial {
    let trial = fake("");
    symlink(output, trial.path("output")).unwrap();
    trial
}

/// A device on which every write fails as on a full disk.
fn full() -> Option<&'static Path> {
    let full = Path::new("/dev/full");
    if !full.exists() {
        eprintln!("not run: no /dev/full");
        return None;
    }
    Some(full)
}

// A full disk.

/// A run that writes this report to a full disk.
async fn on_a_full_disk(name: &str) -> Option<Ended> {
    let full = full()?;
    let trial = accepted();
    let output = trial.path("output");
    fs::create_dir_all(&output).unwrap();
    symlink(full, output.join(format!("{name}.tmp"))).unwrap();
    let ended = trial.ended().await;
    ended.exits_with(3).says(&[
        "error: a report could not be written: cannot write",
        name,
        "No space left on device",
    ]);
    ended.has_errors(1);
    for left in [name.to_owned(), format!("{name}.tmp"), ".lock".to_owned()] {
        assert!(fs::symlink_metadata(output.join(&left)).is_err(), "{left}");
    }
    ended.leaves_nothing_behind().await;
    Some(ended)
}

#[tokio::test]
async fn a_report_for_which_the_disk_has_no_room_is_an_error_and_the_other_one_says_so() {
    let Some(ended) = on_a_full_disk("report.json").await else {
        return;
    };
    let junit = ended.read("output/junit.xml");
    assert!(junit.contains("No space left on device"), "{junit}");
    assert!(!ended.stdout.contains("report: "), "{}", ended.stdout);
}

#[tokio::test]
async fn a_junit_file_for_which_the_disk_has_no_room_is_an_error_and_the_report_is_whole() {
    let Some(ended) = on_a_full_disk("junit.xml").await else {
        return;
    };
    assert_eq!(ended.report()["summary"]["known"], 2);
}

#[tokio::test]
async fn a_standard_output_without_room_is_an_error_and_the_report_is_whole() {
    let Some(full) = full() else { return };
    let ended = accepted()
        .with_stdout(File::create(full).unwrap())
        .ended()
        .await;
    ended
        .exits_with(3)
        .says(&["standard output", "No space left on device"]);
    assert_eq!(ended.report()["summary"]["known"], 2);
    ended.leaves_nothing_behind().await;
    let listed = program(["requirements"]).with_stdout(File::create(full).unwrap());
    let ended = listed.ended().await;
    ended
        .exits_with(3)
        .says(&["standard output cannot be written", "No space left"]);
}

#[tokio::test]
async fn a_standard_error_without_room_changes_nothing() {
    let Some(full) = full() else { return };
    let full = || File::create(full).unwrap();
    let ended = accepted().with_stderr(full()).ended().await;
    ended.exits_with(0);
    assert_eq!(ended.report()["summary"]["known"], 2);
    let wrong = program(["run", "--target", "no-such-target"]);
    let ended = wrong.without_vault().with_stderr(full()).ended().await;
    ended.exits_with(2);
    let trial = fake("hang").with_stderr(full());
    let ended = trial.interrupted_by(Signal::INT).await;
    ended.exits_with(130);
    assert_eq!(ended.report()["interrupted"], true);
    ended.leaves_nothing_behind().await;
}

// A file instead of a folder.

#[tokio::test]
async fn an_output_folder_that_is_a_file_is_a_usage_error_and_the_file_is_kept() {
    let trial = run(&adapter("stdio", &["sh"])).without_vault();
    fs::write(trial.path("output"), "kept").unwrap();
    let ended = trial.ended().await;
    ended
        .exits_with(2)
        .says(&["--output", "this is a file", "choose another folder"]);
    assert_eq!(ended.read("output"), "kept");
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn an_output_folder_that_cannot_be_written_is_a_usage_error() {
    // Not even root can write there.
    let trial = program(["run", "--output", "/sys"]).without_vault();
    let ended = trial.ended().await;
    ended.exits_with(2).says(&[
        "--output /sys",
        "cannot be written",
        "choose another folder",
    ]);
}

#[tokio::test]
async fn transcripts_that_cannot_be_written_are_an_error_and_the_reports_are_whole() {
    let trial = accepted();
    fs::create_dir_all(trial.path("output")).unwrap();
    fs::write(trial.path("output/transcripts"), "a file in its place").unwrap();
    let ended = trial.ended().await;
    ended
        .exits_with(3)
        .says(&["transcripts/", "could not be written"]);
    let report = ended.report();
    assert_eq!(report["summary"]["known"], 2);
    assert!(
        report["cleanup_errors"]
            .to_string()
            .contains("transcripts/")
    );
    assert_eq!(ended.read("output/transcripts"), "a file in its place");
    ended.leaves_nothing_behind().await;
}

// A reader that has gone.

/// The writing end of a pipe that nobody reads any more.
fn broken_pipe() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

#[tokio::test]
async fn a_reader_of_standard_output_that_has_gone_changes_nothing() {
    for (trial, code) in [(accepted(), 0), (fake(""), 1)] {
        let ended = trial.with_stdout(broken_pipe()).ended().await;
        ended.exits_with(code);
        assert!(!ended.stderr.contains("roken pipe"), "{}", ended.stderr);
        ended.has_errors(0).report();
        ended.leaves_nothing_behind().await;
    }
}

#[tokio::test]
async fn a_reader_of_all_output_that_has_gone_changes_nothing() {
    let trial = accepted().with_stdout(broken_pipe());
    let ended = trial.with_stderr(broken_pipe()).ended().await;
    ended.exits_with(0);
    assert_eq!(ended.report()["cleanup_errors"], serde_json::json!([]));
    ended.leaves_nothing_behind().await;
}

#[tokio::test]
async fn every_command_is_quiet_when_its_reader_has_gone() {
    for arguments in [
        &["requirements"][..],
        &["requirements", "--markdown"],
        &["targets"],
        &["explain", "kv.read-exact"],
        &["clean"],
        &["--help"],
    ] {
        let trial = program(arguments).without_vault();
        let ended = trial.with_stdout(broken_pipe()).ended().await;
        ended.exits_with(0);
        assert_eq!(ended.stderr, "", "{arguments:?}");
    }
    let doctor = program(["doctor"]).without_vault();
    let ended = doctor.with_stdout(broken_pipe()).ended().await;
    ended.exits_with(3);
    assert_eq!(ended.stderr, "");
    let check = run(&adapter("stdio", &["sh", FAKE_TARGET])).checking();
    let ended = check.with_vault().with_stdout(broken_pipe()).ended().await;
    // The server sends nothing to Vault.
    ended.exits_with(2).has_errors(0);
}

// Another run in the same folder.

#[tokio::test]
async fn two_runs_in_one_folder_do_not_meet() {
    let first = fake_from_call(2, "hang").hanging().await;
    let output = first.folder.path().join("output");
    let second = in_folder(&output).ended().await;
    second.exits_with(2).says(&[
        "another run writes its reports there",
        "choose another folder",
    ]);
    let first = first.ended_by(Signal::INT).await;
    first.exits_with(130);
    assert_eq!(first.report()["summary"]["fail"], 1);
    assert!(!output.join(".lock").exists());
    first.leaves_nothing_behind().await;
}

// A run that is killed.

#[tokio::test]
async fn a_signal_in_the_middle_of_a_call_ends_the_run_with_a_report_and_nothing_left() {
    for signal in [Signal::TERM, Signal::HUP] {
        let ended = fake_from_call(2, "hang").interrupted_by(signal).await;
        ended.exits_with(130).says(&["interrupted: cleaning up"]);
        let report = ended.report();
        assert_eq!(report["interrupted"], true);
        assert_eq!(report["summary"]["fail"], 1, "{report:#}");
        assert!(!ended.folder.path().join("output/.lock").exists());
        ended.leaves_nothing_behind().await;
    }
}

#[tokio::test]
async fn clean_removes_all_of_a_killed_run_and_its_folder_can_be_used_again() {
    let killed = fake_from_call(2, "hang").interrupted_by(Signal::KILL).await;
    let notes = killed.noted();
    assert!(notes.iter().any(|note| is_left(note)), "{notes:?}");
    let ended = program(["clean"]).after(&killed).ended().await;
    ended.exits_with(0);
    for note in notes {
        assert!(!is_left(&note), "left behind: {note}");
    }
    killed.has_no_target_running().await;
    let again = program(["clean"]).after(&killed).ended().await;
    assert_eq!(again.stdout, "nothing is left of killed runs\n");
    // The killed run could not unlock the folder.
    let output = killed.folder.path().join("output");
    assert!(output.join(".lock").exists() && !output.join("report.json").exists());
    in_folder(&output).ended().await.exits_with(1);
    assert!(output.join("report.json").exists() && !output.join(".lock").exists());
}
