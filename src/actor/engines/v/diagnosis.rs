//! Derives the error of a failed compilation from the text of the compiler. A pure function.
//!
//! V says its own errors with a place (`main.v:2:5: error: …`, `main.v:1:1: builder error: …`). What the C compiler behind it
//! says has places in the C code that V has made, which nobody has written.

use std::path::Path;

use super::unavailable;
use crate::actor::engines::failed;
use crate::domain::model::job::{JobError, JobErrorKind};
use crate::ports::work_queue::{AttemptError, Retryability};

/// Lines of the compiler that go with an error.
const LINES: usize = 20;
/// Bytes of each of them.
const LINE_BYTES: usize = 1024;
/// The name of the file that is compiled.
pub(super) const SOURCE: &str = "main.v";
/// Text in front of the message of an error of V.
const MARKS: [&str; 2] = [": builder error: ", ": error: "];
/// Text in front of the message of an error of the C compiler, the most telling first. True where the text is a part of
/// the message.
const C_MARKS: [(&str, bool); 7] = [
    ("undefined reference to ", true),
    ("undefined symbol ", true),
    ("cannot find -l", true),
    ("library '", true),
    (": fatal error: ", false),
    (": error: ", false),
    ("error: ", false),
];
/// Messages of the C compiler that only follow from another error.
const NOISE: [&str; 3] = ["defined twice", "ld returned", "builder error: "];

/// Conditions under which the compiler was run.
pub(super) struct Circumstances<'a> {
    /// The folder in which it writes.
    pub(super) folder: &'a Path,
    /// Search path of the C compiler.
    pub(super) search_path: &'a Path,
}

/// The error of a compilation that has made no program.
pub(super) fn diagnose(said: &str, circumstances: &Circumstances<'_>) -> AttemptError {
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    let (at, mut attempt) = of_the_script(&lines)
        .or_else(|| of_the_operator(&lines, circumstances))
        .or_else(|| of_the_disk(&lines, circumstances))
        .or_else(|| of_v_itself(&lines))
        .or_else(|| of_the_c_compiler(&lines))
        .unwrap_or_else(|| otherwise(&lines));
    attempt.error.log_tail = tail(&lines, at);
    attempt
}

/// The first error that has a place in the script.
fn of_the_script(lines: &[&str]) -> Option<(usize, AttemptError)> {
    lines.iter().enumerate().find_map(|(at, line)| {
        let (place, message) = MARKS.iter().find_map(|mark| line.split_once(mark))?;
        let mut numbers = place.strip_prefix(SOURCE)?.strip_prefix(':')?.split(':').map(str::parse::<u32>);
        let (row, column) = (numbers.next()?.ok()?, numbers.next().and_then(Result::ok));
        Some((at, failed(JobError { line: Some(row), column, ..invalid(message) })))
    })
}

/// Finds a fault that only the operator of the actor can mend.
fn of_the_operator(lines: &[&str], circumstances: &Circumstances<'_>) -> Option<(usize, AttemptError)> {
    if let Some((at, line)) = find(lines, "Unknown argument ") {
        return Some((
            at,
            unavailable(&format!("V does not know a flag of this actor, see --v-flag: {line}")),
        ));
    }
    let (at, _) = find(lines, "C compiler error, while attempting to run")?;
    let path = circumstances.search_path.display();
    let reason =
        format!("V finds no C compiler that can be started (PATH: {path}); install gcc, clang or tcc");
    Some((at, unavailable(&reason)))
}

/// Finds a fault of the disk, which may be gone at the next attempt.
fn of_the_disk(lines: &[&str], circumstances: &Circumstances<'_>) -> Option<(usize, AttemptError)> {
    let full = ["No space left on device", "Disk quota exceeded"];
    let (at, _) = full.iter().find_map(|words| find(lines, words))?;
    Some((at, no_room(circumstances.folder)))
}

/// The error of a compilation for which there was no room.
pub(super) fn no_room(folder: &Path) -> AttemptError {
    let message = format!("there is no room left to compile in {}; see --work-dir", folder.display());
    failed(JobError::new(JobErrorKind::Internal, message))
}

fn of_v_itself(lines: &[&str]) -> Option<(usize, AttemptError)> {
    let crashed = ["V panic: ", "RUNTIME ERROR: ", "signal 11: "];
    let (at, line) = crashed.iter().find_map(|words| find(lines, words))?;
    Some((at, crash(line)))
}

/// V itself has failed; it would do so again.
pub(super) fn crash(how: &str) -> AttemptError {
    let message = format!("V crashed while it compiled the script: {how}");
    AttemptError { retry: Retryability::Final, ..failed(JobError::new(JobErrorKind::EngineCrash, message)) }
}

fn of_the_c_compiler(lines: &[&str]) -> Option<(usize, AttemptError)> {
    C_MARKS.iter().find_map(|(mark, whole)| {
        let found = lines.iter().enumerate().filter(|(_, line)| says_why(line));
        let mut found = found.filter_map(|(at, line)| Some((at, line.get(line.find(mark)?..)?)));
        let (at, words) = found.next()?;
        let words = if *whole { words } else { words.get(mark.len()..)? };
        Some((at, failed(invalid(&format!("the C compiler says: {}", words.trim())))))
    })
}

fn says_why(line: &str) -> bool {
    !NOISE.iter().any(|noise| line.contains(noise))
}

fn otherwise(lines: &[&str]) -> (usize, AttemptError) {
    let builder = "builder error: ";
    let line = find(lines, "error")
        .or_else(|| lines.iter().copied().enumerate().rfind(|(_, line)| !line.is_empty()));
    let (at, line) = line.unwrap_or((0, "V made no program and did not say why"));
    // What it is about comes behind a line that ends there.
    let next = || lines.get(at + 1).copied().unwrap_or_default();
    let message = match line.trim().strip_prefix(builder.trim_end()) {
        Some("") => next().trim(),
        Some(words) => words.trim(),
        None => line.trim(),
    };
    (at, failed(invalid(message)))
}

fn invalid(message: &str) -> JobError {
    JobError::new(JobErrorKind::ScriptInvalid, message)
}

fn find<'a>(lines: &[&'a str], words: &str) -> Option<(usize, &'a str)> {
    lines.iter().copied().enumerate().find(|(_, line)| line.contains(words))
}

/// The lines from the error on, or the last ones if there are few behind it.
fn tail(lines: &[&str], at: usize) -> Vec<String> {
    let from = at.min(lines.len().saturating_sub(LINES));
    let cut = |line: &str| line[..line.floor_char_boundary(LINE_BYTES)].to_owned();
    lines.iter().skip(from).take(LINES).map(|line| cut(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosed(said: &str) -> AttemptError {
        diagnose(said, &Circumstances { folder: Path::new("/jobs/1"), search_path: Path::new("/some/bin") })
    }

    /// Kind, line, column, message, whether it is tried again and counts.
    fn facts(said: &str) -> (JobErrorKind, Option<u32>, Option<u32>, String, Retryability) {
        let AttemptError { error, retry } = diagnosed(said);
        (error.kind, error.line, error.column, error.message, retry)
    }

    #[test]
    fn an_error_of_v_has_its_place() {
        let said = "main.v:1:1: warning: unused\nmain.v:2:5: error: undefined ident: `x`\n    1 | x\nmain.v:9:9: error: y\n";
        let (kind, line, column, message, retry) = facts(said);
        assert_eq!((kind, line, column), (JobErrorKind::ScriptInvalid, Some(2), Some(5)));
        assert_eq!((message.as_str(), retry), ("undefined ident: `x`", Retryability::Final));
        let (_, line, column, message, ..) = facts(
            "main.v:1:1: builder error: cannot import module \"nosuchmodule\" (not found)\n    1 | import nosuchmodule\n",
        );
        assert_eq!((line, column), (Some(1), Some(1)));
        assert_eq!(message, "cannot import module \"nosuchmodule\" (not found)");
    }

    #[test]
    fn an_error_in_c_code_has_no_place_in_the_script() {
        let box_of = |line: &str| {
            format!(
                "================== C compilation error (from cc): ==============\ncc: {line}\n=====\n(You can pass `-cg`, or \
                 `-show-c-output` as well, to print all the C error messages).\nbuilder error: \n==================\nC error found. \
                 It should never happen, when compiling pure V code.\n"
            )
        };
        for (line, message) in [
            (
                "/w/1/tmp/v_0/main.tmp.c:12484:9: error: unknown type name 'nothere_t'",
                "unknown type name 'nothere_t'",
            ),
            ("/w/1/tmp/v_0/main.tmp.c:1482: error: field not found: a", "field not found: a"),
            (
                "/w/1/tmp/v_0/main.tmp.c:5:10: fatal error: nothere.h: No such file or directory",
                "nothere.h: No such file or directory",
            ),
            (
                "main.tmp.c:(.text+0x1f): undefined reference to `no_such_function_xyz'\ncc: collect2: error: ld returned 1 exit status",
                "undefined reference to `no_such_function_xyz'",
            ),
            (
                "/usr/bin/ld: cannot find -lnosuchlibxyz: No such file or directory\ncc: collect2: error: ld returned 1 exit status",
                "cannot find -lnosuchlibxyz: No such file or directory",
            ),
            (
                "tcc: error: 'GC_noop1_ptr' defined twice\ncc: tcc: error: undefined symbol 'no_such_function_xyz'",
                "undefined symbol 'no_such_function_xyz'",
            ),
            ("tcc: error: library 'nosuchlibxyz' not found", "library 'nosuchlibxyz' not found"),
        ] {
            let (kind, row, column, said, ..) = facts(&box_of(line));
            assert_eq!((kind, row, column), (JobErrorKind::ScriptInvalid, None, None), "{line}");
            assert_eq!(said, format!("the C compiler says: {message}"));
        }
    }

    #[test]
    fn what_is_not_the_fault_of_the_script_is_not_called_invalid() {
        let missing = "builder error: C compiler error, while attempting to run: \n-----\n'cc' -o x\n-----\nProbably your C compiler is missing. \n";
        let (kind, _, _, message, retry) = facts(missing);
        assert_eq!((kind, retry), (JobErrorKind::EngineUnavailable, Retryability::Final));
        assert!(message.contains("no C compiler") && message.contains("/some/bin"), "{message}");
        let (kind, _, _, message, ..) = facts("Unknown argument `-cc gcc`\n");
        assert_eq!(kind, JobErrorKind::EngineUnavailable);
        assert!(message.contains("--v-flag") && message.contains("-cc gcc"), "{message}");
        let full = "/w/tmp/main.tmp.c:12524:1: fatal error: error writing to /w/tmp/x.s: No space left on device\nbuilder error: \nC error found.\n";
        let (kind, _, _, message, retry) = facts(full);
        assert_eq!((kind, retry), (JobErrorKind::Internal, Retryability::Retry));
        assert!(message.contains("/jobs/1") && message.contains("--work-dir"), "{message}");
        for said in [
            "V panic: array.get: index out of range\n",
            "main.tmp.c:3: at x: RUNTIME ERROR: invalid memory access\n",
        ] {
            let (kind, _, _, message, retry) = facts(said);
            assert_eq!((kind, retry), (JobErrorKind::EngineCrash, Retryability::Final));
            assert!(message.starts_with("V crashed"), "{message}");
        }
        // A script may say such words.
        let (kind, line, ..) = facts("main.v:3:1: error: No space left on device\n");
        assert_eq!((kind, line), (JobErrorKind::ScriptInvalid, Some(3)));
    }

    #[test]
    fn the_lines_of_an_error_are_shown_and_not_what_was_said_before() {
        let warnings: String = (0..50).map(|n| format!("main.v:{n}:1: warning: unused variable\n")).collect();
        let shown =
            diagnosed(&format!("{warnings}main.v:60:3: error: the error\n   60 | x\n")).error.log_tail;
        assert_eq!(shown.len(), LINES);
        assert!(shown.contains(&"main.v:60:3: error: the error".to_owned()), "{shown:?}");
        let shown = diagnosed(&format!("main.v:60:3: error: the error\n{warnings}")).error.log_tail;
        assert_eq!(shown.first().map(String::as_str), Some("main.v:60:3: error: the error"));
    }

    #[test]
    fn other_words_are_taken_as_they_are() {
        for (said, message) in [
            ("builder error: cc not found\n", "cc not found"),
            ("builder error: \n==== x\n", "==== x"),
            ("", "V made no program and did not say why"),
            ("odd\n\n", "odd"),
        ] {
            assert_eq!(facts(said).3, message);
        }
    }
}
