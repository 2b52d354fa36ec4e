//! One program, from its start until nothing of it is left.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Pid;

use crate::actor::engines::capture::Capture;
use crate::actor::engines::kill_ladder::{KillLadder, StopReason};
use crate::actor::engines::output::Output;
use crate::actor::engines::work::WorkFlags;
use crate::actor::engines::{Limits, Sink};
use crate::actor::meter::MeasuredChild;
use crate::actor::process_tree::{children_of, signal_group, sweep};
use crate::domain::model::output::LogStream;
use crate::lock::Lock;

/// A program whose pipes are held open by others has ended no longer than this before it is noticed.
const LOOK: Duration = Duration::from_millis(10);
/// The same after it has closed its pipes, which is how most programs end.
const LOOK_AT_THE_END: Duration = Duration::from_millis(1);
/// Sets limits, and becomes the program.
const LIMITED: &str = "ulimit -c 0; ulimit -f \"$1\"; ulimit -n \"$2\"; ulimit -S -t \"$3\"; ulimit -H -t \"$4\"; \
                       shift 4; exec \"$@\"";
/// Unit of `ulimit -f`, in bytes.
const BLOCK: u64 = 512;
/// Text kept of what a tool says.
const TOOL_TEXT: usize = 64 * 1024;

/// A program to run, and its surroundings.
pub(super) struct Task<'a> {
    pub(super) program: &'a Path,
    pub(super) args: Vec<OsString>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) folder: &'a Path,
    pub(super) timeout: Duration,
}

/// The end of a program.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stop_reason: StopReason,
    /// Largest resident memory of a process of the program, in bytes.
    pub(super) peak: u64,
}

/// Runs it; what it leaves behind is ended.
pub(super) fn run(task: &Task<'_>, work: &WorkFlags, output: &mut Output<'_>) -> io::Result<Ended> {
    let mut child = spawn(task, work)?;
    let ladder = KillLadder::new(task.timeout, usize::from(work.max_processes));
    let ended = follow(&mut child, ladder, output);
    if ended.is_err() {
        drop(child.kill());
        drop(child.wait());
        sweep(|_| true);
    }
    output.finish();
    ended
}

fn spawn(task: &Task<'_>, work: &WorkFlags) -> io::Result<MeasuredChild> {
    let cpu = work.cpu_seconds(task.timeout);
    let limits = [
        allowed(Resource::RLIMIT_FSIZE, work.max_file) / BLOCK,
        allowed(Resource::RLIMIT_NOFILE, work.max_open_files),
        allowed(Resource::RLIMIT_CPU, cpu),
        allowed(Resource::RLIMIT_CPU, cpu.saturating_add(2)),
    ];
    let mut command = Command::new("/bin/sh");
    command.args(["-c", LIMITED, "sh"]).args(limits.map(|limit| limit.to_string()));
    command.arg(task.program).args(&task.args);
    command.env_clear().envs(&task.env).current_dir(task.folder).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // The host does not hear SIGTERM, and a child would inherit that.
    let term = SigSet::from_iter([Signal::SIGTERM]);
    term.thread_unblock()?;
    let child = command.spawn();
    term.thread_block()?;
    child.map(MeasuredChild::new)
}

/// Returns the limit that may be set: nobody may raise what somebody else has limited.
fn allowed(resource: Resource, wanted: u64) -> u64 {
    getrlimit(resource).map_or(wanted, |(_, hard)| wanted.min(hard))
}

fn follow(child: &mut MeasuredChild, mut ladder: KillLadder, output: &mut Output<'_>) -> io::Result<Ended> {
    let mut pipes = vec![
        (LogStream::Stdout, pipe(child.child.stdout.take())?),
        (LogStream::Stderr, pipe(child.child.stderr.take())?),
    ];
    loop {
        let look = if pipes.is_empty() { LOOK_AT_THE_END } else { LOOK };
        read(&mut pipes, ladder.wait().min(look), output)?;
        if let Some(status) = child.try_wait()? {
            if !sweep(|_| true) {
                return Err(io::Error::other("processes of a job do not end"));
            }
            // As much as the pipes can hold; one read takes more.
            read(&mut pipes, Duration::ZERO, output)?;
            return Ok(Ended { status, stop_reason: ladder.stop_reason(), peak: child.peak() });
        }
        climb(&mut ladder, child.pid());
    }
}

fn pipe(end: Option<impl Into<OwnedFd>>) -> io::Result<File> {
    let end = end.map(|end| File::from(end.into())).ok_or_else(|| io::Error::other("a pipe is missing"))?;
    fcntl(&end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(end)
}

fn read(pipes: &mut Vec<(LogStream, File)>, wait: Duration, output: &mut Output<'_>) -> io::Result<()> {
    let mut ready: Vec<PollFd<'_>> =
        pipes.iter().map(|(_, pipe)| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)).collect();
    match poll(&mut ready, PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO)) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ready: Vec<bool> = ready.iter().map(|fd| fd.any().unwrap_or(false)).collect();
    let mut at_end = Vec::new();
    for ((stream, pipe), ready) in pipes.iter_mut().zip(ready) {
        if ready && !output.read(*stream, pipe)? {
            at_end.push(*stream);
        }
    }
    pipes.retain(|(stream, _)| !at_end.contains(stream));
    Ok(())
}

/// The next step against a program that has to end.
fn climb(ladder: &mut KillLadder, child: i32) {
    let own = Pid::this().as_raw();
    let Some(signal) = ladder.step(|| children_of(own)) else { return };
    signal_group(Pid::from_raw(child), signal);
    if signal == Signal::SIGKILL {
        sweep(|pid| pid != child);
    }
}

/// The output of a tool, as far as it is kept.
pub(super) struct CaptureSink(Lock<Capture>);

impl CaptureSink {
    /// Runs a tool. Returns its end, and its output on both streams.
    pub(super) fn run(task: &Task<'_>, work: &WorkFlags) -> io::Result<(Ended, String)> {
        let capture = Arc::new(Self(Lock::new(Capture::new(TOOL_TEXT))));
        let sink: Arc<dyn Sink> = Arc::clone(&capture) as Arc<dyn Sink>;
        let ended = run(task, work, &mut Output::new(&Limits::default(), &sink))?;
        let text = capture.0.lock().text();
        Ok((ended, text))
    }
}

impl Sink for CaptureSink {
    fn line(&self, _stream: LogStream, text: &str) {
        self.0.lock().push_line(text);
    }

    fn progress(&self, _percent: Option<f64>, _message: &str) {}
}
