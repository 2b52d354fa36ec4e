//! Commands, through a shell.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rhai::{Dynamic, INT, ImmutableString, Map};
use tokio::time::Instant;

use super::context::{Called, Context, failed};
use super::registry::Registry;
use crate::actor::engines::capture::Capture;
use crate::actor::engines::lines::{Lines, without_return};
use crate::actor::meter::MeasuredChild;
use crate::actor::process_tree;
use crate::domain::model::output::LogStream;

/// The shell.
const BASH: &str = "/bin/bash";
/// A longer command does not fit into the arguments of a process.
const MAX_COMMAND: usize = 100 * 1024;
/// Most bytes that are kept of each output of a command: as much as of a file that is read.
const MAX_OUTPUT: usize = 16 << 20;
/// The same as a part of the memory of the script, which holds several copies for a moment.
const PART_OF_MEMORY: u64 = 16;
/// Interval of checks of deadline and end while nothing is written.
const LOOK: Duration = Duration::from_millis(10);
/// The same for `poll`.
const LOOK_MS: u16 = 10;
/// A process in the background may hold the pipes open; nobody waits for it longer than this.
const AFTER_END: Duration = Duration::from_millis(250);
/// Longest time for which output is read after the end of a command.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A command that is not run yet.
#[derive(Debug, Clone)]
pub(super) struct Builder {
    text: ImmutableString,
    options: Options,
}

/// Options of a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// True if the output is kept out of the log.
    pub(super) silent: bool,
    /// An exit code other than 0 is no error.
    pub(super) ignore_error: bool,
    /// The command itself goes into the log.
    pub(super) log: bool,
    /// The shell stops at the first command that fails.
    pub(super) strict: bool,
}

const SHELL: Options = Options { silent: false, ignore_error: false, log: false, strict: false };
const RUN: Options = Options { strict: true, ..SHELL };

pub(super) fn write(registry: &mut Registry, context: &Arc<Context>) {
    registry.add_type::<Builder>("CommandBuilder");
    registry.family(
        "Commands",
        "A result is a map with `stdout`, `stderr`, `code`, `success` and `truncated`. An exit code other than 0 throws, unless \
         errors are ignored. So does an output of more than 16 MiB (a sixteenth of `--max-memory`, if that is less), once the \
         command has ended: write it to a file. With errors ignored its middle is left out, a line says how much that was, and \
         `truncated` is true. `run` stops at the first line that fails (`bash -e`), `sh` goes on as shells do.",
    );
    let w = Arc::clone(context);
    registry.add(
        "sh",
        &["command"],
        "Runs a command line in `/bin/bash -c`.",
        move |text: ImmutableString| execute(&w, &text, SHELL),
    );
    let w = Arc::clone(context);
    let about = "The same with options: `#{silent: bool, ignore_error: bool, log: bool}`.";
    registry.add("sh", &["command", "options"], about, move |text: ImmutableString, options: Map| {
        execute(&w, &text, from_map(SHELL, &options))
    });
    let about = "Prepares a command; `.execute()` runs it.";
    registry.add("run", &["command"], about, |text: ImmutableString| Builder { text, options: RUN });
    let w = Arc::clone(context);
    let about = "Runs a command with options: `#{silent: bool, die: bool, log: bool}`.";
    registry.add("run", &["command", "options"], about, move |text: ImmutableString, options: Map| {
        execute(&w, &text, from_map(RUN, &options))
    });
    builder(registry, context);
    let w = Arc::clone(context);
    registry.add("run_command", &["command"], "Runs a command.", move |text: ImmutableString| {
        execute(&w, &text, RUN)
    });
    let w = Arc::clone(context);
    let about = "Runs a command and keeps what it writes out of the log.";
    registry.add("run_silent", &["command"], about, move |text: ImmutableString| {
        execute(&w, &text, Options { silent: true, ..RUN })
    });
}

fn builder(registry: &mut Registry, context: &Arc<Context>) {
    registry.add("silent", &["command"], "Keeps what it writes out of the log.", |mut builder: Builder| {
        builder.options.silent = true;
        builder
    });
    registry.add(
        "ignore_error",
        &["command"],
        "An exit code other than 0 does not throw.",
        |mut builder: Builder| {
            builder.options.ignore_error = true;
            builder
        },
    );
    registry.add(
        "log",
        &["command"],
        "Writes the command itself into the log, too.",
        |mut builder: Builder| {
            builder.options.log = true;
            builder
        },
    );
    let w = Arc::clone(context);
    registry.add("execute", &["command"], "Runs it.", move |builder: Builder| {
        execute(&w, &builder.text, builder.options)
    });
}

fn from_map(base: Options, map: &Map) -> Options {
    let said = |name: &str| map.get(name).and_then(|value| value.as_bool().ok());
    Options {
        silent: said("silent").unwrap_or(base.silent),
        ignore_error: said("ignore_error").or(said("die").map(|die| !die)).unwrap_or(base.ignore_error),
        log: said("log").unwrap_or(base.log),
        strict: base.strict,
    }
}

/// Runs a command line in the shell.
fn execute(context: &Context, text: &str, options: Options) -> Called<Map> {
    if text.len() > MAX_COMMAND {
        let message = format!("a command has at most {MAX_COMMAND} bytes: write it to a file and run that");
        return Err(message.into());
    }
    if options.log {
        context.session.print(&format!("$ {text}"));
    }
    let mut command = Command::new(BASH);
    if options.strict {
        command.arg("-e");
    }
    command.arg("-c").arg(text);
    let title = text.lines().next().unwrap_or_default();
    let title: String = title.chars().take(80).collect();
    run(context, command, &title, options)
}

/// Runs a program with arguments of its own.
pub(super) fn program(context: &Context, name: &str, args: &[&str]) -> Called<Map> {
    let mut command = Command::new(name);
    command.args(args);
    run(context, command, name, RUN)
}

/// The same for a program that is only asked something: nothing of it is logged.
pub(super) fn ask(context: &Context, name: &str, args: &[&str]) -> Called<Map> {
    let mut command = Command::new(name);
    command.args(args);
    run(context, command, name, Options { silent: true, ..RUN })
}

/// The same where an exit code other than 0 is an answer, too.
pub(super) fn attempt(context: &Context, name: &str, args: &[&str], silent: bool) -> Called<Map> {
    let mut command = Command::new(name);
    command.args(args);
    run(context, command, name, Options { silent, ignore_error: true, ..RUN })
}

/// A text of a result.
pub(super) fn text(result: &Map, name: &str) -> String {
    result.get(name).cloned().and_then(|text| text.into_string().ok()).unwrap_or_default()
}

fn run(context: &Context, mut command: Command, title: &str, options: Options) -> Called<Map> {
    command.env_clear().envs(context.env());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    context.note_spawn();
    let mut child = MeasuredChild::new(command.spawn().map_err(|error| failed(title, &error))?);
    let mut pipes: Vec<Pipe> = [
        Pipe::new(LogStream::Stdout, child.child.stdout.take()),
        Pipe::new(LogStream::Stderr, child.child.stderr.take()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut written = Written::new(context, options);
    let followed = follow(context, &mut child, &mut pipes, &mut written);
    if let Ok(None) = followed {
        // Whatever else it has started ends with the job.
        process_tree::below(child.pid()).into_iter().for_each(process_tree::kill_one);
        drop(child.kill());
        drop(child.wait());
    }
    context.note_peak(child.peak());
    let Some(status) = followed.map_err(|error| failed(title, &error))? else { return Err(Context::over()) };
    written.result(title, status)
}

/// Takes what a command writes until it has ended; None when the job is over first.
fn follow(
    context: &Context,
    child: &mut MeasuredChild,
    pipes: &mut Vec<Pipe>,
    written: &mut Written<'_>,
) -> io::Result<Option<ExitStatus>> {
    let mut ended: Option<(ExitStatus, Instant)> = None;
    let mut pause = Duration::from_micros(200);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let mut time_limit = LAST_WORDS;
        if pipes.is_empty() {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            // It has closed its output and goes on, or has not quite ended yet.
            wait(pause);
            pause = (pause * 2).min(LOOK);
        } else if !read_some(pipes, &mut buffer, written) {
            time_limit = AFTER_END;
        }
        if context.session.is_over() {
            return Ok(None);
        }
        if ended.is_none() {
            ended = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        if let Some((status, at)) = ended
            && at.elapsed() > time_limit
        {
            return Ok(Some(status));
        }
    }
}

/// A pipe from which output of a command is read.
struct Pipe {
    stream: LogStream,
    file: File,
    lines: Lines,
}

impl Pipe {
    fn new(stream: LogStream, end: Option<impl Into<OwnedFd>>) -> Option<Self> {
        end.map(|end| Self { stream, file: File::from(end.into()), lines: Lines::default() })
    }

    fn take(&mut self, bytes: &[u8], written: &mut Written<'_>) {
        self.lines.take(bytes, |(line, end)| written.take(self.stream, line, (end, end)));
    }

    fn finish(&mut self, written: &mut Written<'_>) {
        self.lines.finish(|(line, end)| written.take(self.stream, line, (end, "\n")));
    }
}

/// Reads what is there, and waits a moment if there is nothing; false when nothing came.
fn read_some(pipes: &mut Vec<Pipe>, buffer: &mut [u8], written: &mut Written<'_>) -> bool {
    let mut ready: Vec<PollFd<'_>> =
        pipes.iter().map(|pipe| PollFd::new(pipe.file.as_fd(), PollFlags::POLLIN)).collect();
    // A signal is no reason to stop.
    let count = poll(&mut ready, PollTimeout::from(LOOK_MS)).unwrap_or(0);
    let ready: Vec<bool> = ready.iter().map(|fd| count > 0 && fd.any() == Some(true)).collect();
    let mut at = 0;
    pipes.retain_mut(|pipe| {
        at += 1;
        if ready.get(at - 1) != Some(&true) {
            return true;
        }
        match pipe.file.read(buffer) {
            Ok(count @ 1..) => {
                pipe.take(buffer.get(..count).unwrap_or_default(), written);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Ok(0) | Err(_) => {
                pipe.finish(written);
                false
            }
        }
    });
    count > 0
}

#[expect(clippy::disallowed_methods, reason = "a script's own thread may block; there is no runtime here")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// Output of a command.
struct Written<'a> {
    context: &'a Context,
    options: Options,
    out: Capture,
    err: Capture,
    last: String,
}

impl<'a> Written<'a> {
    fn new(context: &'a Context, options: Options) -> Self {
        let part = usize::try_from(context.limits.memory / PART_OF_MEMORY).unwrap_or(usize::MAX);
        let limit = part.min(MAX_OUTPUT).max(context.limits.output);
        Self { context, options, out: Capture::new(limit), err: Capture::new(limit), last: String::new() }
    }

    /// Takes a line with what ended it, and what ends it where it is shown.
    fn take(&mut self, stream: LogStream, line: &[u8], (end, shown_end): (&str, &str)) {
        let text = String::from_utf8_lossy(line);
        let kept = match stream {
            LogStream::Stdout => &mut self.out,
            LogStream::Stderr => &mut self.err,
        };
        kept.push(&text);
        kept.push(end);
        if stream == LogStream::Stderr && !text.trim_end_matches('\r').is_empty() {
            without_return(&text).clone_into(&mut self.last);
        }
        if !self.options.silent {
            self.context.session.write(stream, &text, shown_end);
        }
    }

    fn result(self, title: &str, status: ExitStatus) -> Called<Map> {
        // As shells say it: 128 and the signal.
        let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        if code != 0 && !self.options.ignore_error {
            let why = if self.last.is_empty() { String::new() } else { format!(": {}", self.last) };
            return Err(failed(title, &format!("exit code {code}{why}")));
        }
        let over = self.out.dropped().max(self.err.dropped());
        if over > 0 && !self.options.ignore_error {
            let why = format!(
                "the command ended well, but wrote {over} bytes more than are kept: write them to a file, or ignore errors"
            );
            return Err(failed(title, &why));
        }
        let pairs: [(&str, Dynamic); 5] = [
            ("stdout", self.out.text().into()),
            ("stderr", self.err.text().into()),
            ("code", INT::from(code).into()),
            ("success", (code == 0).into()),
            ("truncated", (over > 0).into()),
        ];
        Ok(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}
