//! The first process of a container: it inherits orphaned processes and must reap them.
//!
//! The service cannot reap them itself without taking the exit statuses of its own children from their waiters. As
//! pid 1 it therefore starts itself once more, and the first process only forwards signals and reaps.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use futures::StreamExt;
use futures::stream::select_all;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Exit, Failure};

/// Signals that are forwarded to the service.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];
/// Added by shells to the number of the signal that ended a process.
const SIGNALLED: i32 = 128;

/// Returns true for the first process, to which orphans are reparented.
pub fn is_first_process() -> bool {
    std::process::id() == 1
}

/// Runs this program once more with the same arguments, and exits with its exit code.
pub fn run_below() -> ExitCode {
    let ended =
        Builder::new_current_thread().enable_all().build().and_then(|runtime| runtime.block_on(run()));
    match ended {
        // Only the low byte is an exit code, as in a shell.
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Err(error) => {
            Failure::new(Exit::Refused, format!("cannot run as the first process: {error}")).report().into()
        }
    }
}

async fn run() -> io::Result<i32> {
    // Registered before the service starts, so that no signal is missed.
    let mut children = signal(SignalKind::child())?;
    let mut passed = Vec::new();
    for each in PASSED_ON {
        let caught = signal(SignalKind::from_raw(each as i32))?;
        let caught = futures::stream::unfold(caught, |mut caught| async move {
            caught.recv().await.map(|()| ((), caught))
        });
        passed.push(caught.map(move |()| each).boxed());
    }
    let mut passed = select_all(passed);
    let service = start()?;
    loop {
        tokio::select! {
            _ended = children.recv() => {}
            Some(asked) = passed.next() => {
                // A failed signal means that the service has ended, which the next turn of the loop observes.
                let _told = kill(service, asked);
            }
        }
        if let Some(code) = reap(service)? {
            return Ok(code);
        }
    }
}

/// Starts the service in a process group of its own, so that signals of the terminal reach it only once.
fn start() -> io::Result<Pid> {
    let program = std::env::current_exe()?;
    let service = Command::new(program).args(std::env::args_os().skip(1)).process_group(0).spawn()?;
    i32::try_from(service.id()).map(Pid::from_raw).map_err(io::Error::other)
}

/// Reaps ended processes. Returns the exit code of the service if it has ended.
fn reap(service: Pid) -> io::Result<Option<i32>> {
    loop {
        let ended = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, code),
            Ok(WaitStatus::Signaled(pid, by, _core)) => (pid, SIGNALLED + by as i32),
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if ended.0 == service {
            return Ok(Some(ended.1));
        }
    }
}
