//! Runs a health check and notes how it failed: a process manager that kills a process for its health check does not tell.
//!
//! The note is a small file that has the last failure only. It is removed when the check passes, and whoever starts the
//! process removes it before.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use super::options;
use crate::domain::model::actor::ExitStatus;
use crate::domain::model::text::last_lines;
use crate::lock::Lock;
use crate::ports::process_manager::FailedCheck;

/// The word that makes of the shim what runs a health check.
pub(super) const REPORT: &str = "check-report";
/// Bytes of the output of a check that are told, from its end.
pub const CHECK_OUTPUT_BYTES: usize = 400;
/// Exit codes of `timeout` for a check that it has ended, and for one that it had to kill.
const TIMED_OUT: [i32; 2] = [124, 128 + 9];
/// Time for the last words of a check whose children hold its output.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Largest note, in bytes; the output may need six for each of its own.
const MAX_NOTE_BYTES: u64 = 16 * 1024;

/// The note about a check that has failed.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// Failures in a row.
    failures: u32,
    /// Failures after which the process is killed.
    tries: u32,
    /// Failure of the last one.
    last: String,
}

/// Returns the words, without those that lead to the shim, that run a check and note in `file` how it failed. The check is
/// ended after `seconds`; its process is killed after `tries` failures.
pub fn check_words(file: &str, tries: u32, seconds: u64, check: &str) -> Vec<String> {
    [REPORT, file, &tries.to_string(), &seconds.to_string(), check].map(str::to_owned).to_vec()
}

/// Returns how a check failed, in words: `how` it ended, and the end of its output.
pub fn check_failure(how: &str, output: &[u8]) -> String {
    let output = String::from_utf8_lossy(output);
    let lines: Vec<String> =
        output.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    match last_lines(&lines, CHECK_OUTPUT_BYTES).join(" | ") {
        wrote if wrote.is_empty() => how.to_owned(),
        wrote => format!("{how} and wrote: {wrote}"),
    }
}

/// Returns how a check has failed according to its note; None without one, and for a note that neither we nor root nor
/// `owner` have written.
pub fn failed_check(file: &Path, owner: Option<u32>) -> Option<FailedCheck> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let note = OpenOptions::new().read(true).custom_flags(flags.bits()).open(file).ok()?;
    let found = note.metadata().ok()?;
    let uid = found.uid();
    if !found.is_file() || !(uid == 0 || uid == geteuid().as_raw() || Some(uid) == owner) {
        return None;
    }
    let mut text = Vec::new();
    note.take(MAX_NOTE_BYTES).read_to_end(&mut text).ok()?;
    let note: Note = serde_json::from_slice(&text).ok()?;
    // The last one may be under way when the process is killed for it.
    let killed = note.failures.saturating_add(1) >= note.tries.max(2);
    Some(FailedCheck { last: note.last, killed })
}

/// Runs the check, notes how it failed, and ends with its exit code.
pub(super) fn run(mut args: impl Iterator<Item = OsString>) -> io::Result<Infallible> {
    let file = args.next().ok_or_else(|| io::Error::other("check-report needs a file"))?;
    let tries = options::number(REPORT, "a number of tries", args.next())?;
    let seconds: u64 = options::number(REPORT, "a number of seconds", args.next())?;
    let check = args.next().ok_or_else(|| io::Error::other("check-report needs a check"))?;
    let (status, output) = ended(seconds, &check)?;
    let code = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, signal) => 128 + signal.unwrap_or_default(),
    };
    let file = Path::new(&file);
    if code == 0 {
        // There is none in most cases.
        drop(std::fs::remove_file(file));
    } else {
        let how = if TIMED_OUT.contains(&code) {
            format!("took longer than {:?}", Duration::from_secs(seconds))
        } else {
            format!("ended with {}", ExitStatus::Code(code))
        };
        let failures = earlier_failures(file).saturating_add(1);
        // Who cannot write here does not tell how the check failed, and that it failed is told all the same.
        drop(write(file, &Note { failures, tries, last: check_failure(&how, &output) }));
        drop(io::stderr().write_all(&output));
    }
    std::process::exit(code)
}

/// Runs the check to its end, and returns the end of its output.
fn ended(seconds: u64, check: &OsString) -> io::Result<(std::process::ExitStatus, Vec<u8>)> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new("timeout");
    command.args(["-k", "1", &seconds.to_string(), "/bin/sh", "-c"]).arg(check);
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // It holds the ends of the pipe that are to close with the check.
    drop(command);
    let tail = Arc::new(Lock::new(VecDeque::new()));
    let (done, closed) = mpsc::channel();
    let kept = Arc::clone(&tail);
    thread::spawn(move || {
        keep_tail(reader, &kept);
        let _given_up = done.send(());
    });
    let status = child.wait()?;
    let _cut_off = closed.recv_timeout(LAST_WORDS);
    let output = tail.lock().iter().copied().collect();
    Ok((status, output))
}

fn keep_tail(mut from: PipeReader, tail: &Lock<VecDeque<u8>>) {
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        let mut tail = tail.lock();
        tail.extend(&chunk[..read]);
        let beyond = tail.len().saturating_sub(CHECK_OUTPUT_BYTES);
        tail.drain(..beyond);
    }
}

fn earlier_failures(file: &Path) -> u32 {
    let read = || -> Option<Note> {
        let mut text = Vec::new();
        File::open(file).ok()?.take(MAX_NOTE_BYTES).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    };
    read().map_or(0, |note| note.failures)
}

/// Replaces the note as a whole.
fn write(file: &Path, note: &Note) -> io::Result<()> {
    let new = file.with_added_extension(std::process::id().to_string());
    let mut options = OpenOptions::new();
    options.create_new(true).write(true).mode(0o640).custom_flags(OFlag::O_NOFOLLOW.bits());
    let written = options.open(&new).and_then(|mut open| open.write_all(&serde_json::to_vec(note)?));
    let replaced = written.and_then(|()| std::fs::rename(&new, file));
    if replaced.is_err() {
        drop(std::fs::remove_file(&new));
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_replaced_and_read_unless_somebody_else_has_put_it_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("note");
        assert_eq!(failed_check(&file, None), None);
        let note = |failures| Note { failures, tries: 20, last: "ended with exit code 1".to_owned() };
        write(&file, &note(1)).unwrap();
        assert_eq!(earlier_failures(&file), 1);
        let read = failed_check(&file, None).unwrap();
        assert_eq!((read.last.as_str(), read.killed), ("ended with exit code 1", false));
        for (failures, killed) in [(18, false), (19, true), (20, true)] {
            write(&file, &note(failures)).unwrap();
            assert_eq!(failed_check(&file, None).unwrap().killed, killed, "{failures}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        std::fs::write(&file, "{").unwrap();
        assert_eq!(failed_check(&file, None), None);
        let link = dir.path().join("link");
        write(&file, &note(1)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(failed_check(&link, None), None);
    }

    #[test]
    fn a_failure_is_told_with_the_end_of_its_output() {
        assert_eq!(check_failure("ended with exit code 1", b" \n"), "ended with exit code 1");
        assert_eq!(check_failure("ended", b"one\n\n two\xff\n"), "ended and wrote: one | two\u{fffd}");
    }

    #[test]
    fn a_check_is_run_to_its_end_and_the_end_of_its_output_kept() {
        let of = |seconds, check: &str| ended(seconds, &check.into()).unwrap();
        let (status, output) = of(5, "echo out; echo err >&2; exit 3");
        assert_eq!((status.code(), output), (Some(3), b"out\nerr\n".to_vec()));
        let (status, output) = of(5, "yes | head -c 100000");
        assert_eq!((status.code(), output.len()), (Some(0), CHECK_OUTPUT_BYTES));
        let (status, _) = of(1, "sleep 1000");
        assert_eq!(status.code(), Some(124));
        // What it leaves behind holds the output, and nobody waits for it.
        let (status, output) = of(5, "sleep 2 & echo out; exit 1");
        assert_eq!((status.code(), output), (Some(1), b"out\n".to_vec()));
    }
}
