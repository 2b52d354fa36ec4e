//! Commands, and waiting for facts.

use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Generous: other tests and compilers share the machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// What it printed, without the last line break; panics if it failed.
    pub(crate) fn ok(self, what: &str) -> String {
        assert_eq!(self.code, 0, "{what}: {}{}", self.stdout, self.stderr);
        self.stdout.trim_end().to_owned()
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    let program = command.get_program().to_string_lossy().into_owned();
    let ran = command.stdin(Stdio::null()).output();
    ran.unwrap_or_else(|error| panic!("{program}: {error}; .ci/install dist-test")).into()
}

/// Runs a program of this machine; what it printed.
pub(crate) fn here(program: &str, args: &[&str]) -> String {
    run(Command::new(program).args(args)).ok(&format!("{program} {args:?}"))
}

/// Asks until a fact is there; panics with its name after [`LIMIT`].
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(fact) = ask() {
            return fact;
        }
        assert!(since.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        sleep(Duration::from_millis(100));
    }
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}
