//! A shell into which the commands of a page are typed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::support::service::{PROGRAM, all_that_name};

/// For one command: an actor that starts on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);
/// What stands before the exit code of a command.
const END: &str = "\u{1}end";

/// A shell with a folder of its own. Dropped, it is killed with everything that it has started.
pub(super) struct Terminal {
    folder: PathBuf,
    shell: Child,
    keys: ChildStdin,
    screen: Receiver<String>,
}

impl Terminal {
    /// Opens a shell in this folder, with these variables.
    pub(super) fn open(folder: &Path, environment: &[(&str, String)]) -> Self {
        let mut shell = shell(folder, environment, &["-s"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut keys = shell.stdin.take().unwrap();
        writeln!(keys, "exec 2>&1").unwrap();
        let lines = BufReader::new(shell.stdout.take().unwrap());
        let (said, screen) = sync_channel(10_000);
        std::thread::spawn(move || lines.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Self { folder: folder.to_owned(), shell, keys, screen }
    }

    /// Types a command; returns what it printed, and its exit code.
    pub(super) fn run(&mut self, command: &str) -> (String, i32) {
        writeln!(self.keys, "{{ {command}\n}} </dev/null; printf '\\n{END} %d\\n' \"$?\"").unwrap();
        let mut output = String::new();
        loop {
            match self.screen.recv_timeout(LIMIT) {
                Ok(line) => match line.strip_prefix(END) {
                    Some(code) => {
                        // The line end before the mark is ours.
                        let output = output.strip_suffix('\n').unwrap_or(&output).to_owned();
                        return (output, code.trim().parse().unwrap());
                    }
                    None => output.extend([&line, "\n"]),
                },
                Err(RecvTimeoutError::Timeout) => panic!("no end within {LIMIT:?}: {command}\n{output}"),
                Err(RecvTimeoutError::Disconnected) => panic!("it ends the shell: {command}\n{output}"),
            }
        }
    }

    /// Runs a command that goes on for ever until it has printed something, then interrupts it as Ctrl-C does.
    pub(super) fn interrupt(&self, environment: &[(&str, String)], command: &str) -> (String, i32) {
        // The shell outlives the interrupt, to tell how the command ended.
        let script = format!("exec 2>&1; trap : INT; {command}\nexit $?");
        let mut child =
            shell(&self.folder, environment, &["-c", &script]).stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first = lines.next().unwrap_or_default();
        killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
        let rest: Vec<String> = lines.collect();
        (format!("{first}\n{}", rest.join("\n")), child.wait().unwrap().code().unwrap_or(-1))
    }
}

/// A shell in a process group of its own, with nothing of this machine's environment that the programs would read.
fn shell(folder: &Path, environment: &[(&str, String)], arguments: &[&str]) -> Command {
    let home = std::env::var("HOME").unwrap_or_default();
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.args(["--norc", "--noprofile"]).args(arguments).current_dir(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HERO_") || name == "REDIS_URL" {
            command.env_remove(name);
        }
    }
    command.env("PATH", format!("{programs}:{path}:{home}/go/bin:{home}/.cargo/bin"));
    command.env("HOME", folder).env("COLUMNS", "120").env("NO_COLOR", "1");
    command.envs(environment.iter().map(|(name, value)| (*name, value)));
    command.stdout(Stdio::piped()).process_group(0);
    command
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = killpg(Pid::from_raw(self.shell.id().cast_signed()), Signal::SIGKILL);
        let _gone = self.shell.wait();
        for pid in all_that_name(&self.folder) {
            let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Whether this is a whole command, or goes on in the next line.
pub(super) fn is_whole(command: &str) -> bool {
    let checked = Command::new("bash").args(["-n", "-c", command]).output().unwrap();
    // An open heredoc is a warning only.
    checked.status.success() && checked.stderr.is_empty() && !command.ends_with('\\')
}

/// The commands of a script.
pub(super) fn commands(script: &str) -> Vec<String> {
    let (mut all, mut begun) = (Vec::new(), String::new());
    for line in script.lines() {
        if begun.is_empty() && line.trim().is_empty() {
            continue;
        }
        if !begun.is_empty() {
            begun.push('\n');
        }
        begun.push_str(line);
        if is_whole(&begun) {
            all.push(std::mem::take(&mut begun));
        }
    }
    assert!(begun.is_empty(), "this is no whole command: {begun}");
    all
}

#[test]
fn scripts_are_cut_into_commands() {
    let script = "a \\\n  b\nc 'd\ne'\ncat <<X\n1\nX\n\nfor x in 1; do\n  y\ndone\n";
    assert_eq!(commands(script), ["a \\\n  b", "c 'd\ne'", "cat <<X\n1\nX", "for x in 1; do\n  y\ndone"]);
}

#[test]
fn a_terminal_keeps_its_state_and_tells_codes() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(folder.path(), &[]);
    assert_eq!(terminal.run("x=1; echo a; echo b >&2"), ("a\nb\n".to_owned(), 0));
    assert_eq!(terminal.run("printf $x; false # no"), ("1".to_owned(), 1));
    assert_eq!(terminal.run("cat"), (String::new(), 0));
}
