//! The first process of a container: it inherits every process that has lost its parent, and somebody has to reap those.
//!
//! The service cannot do so itself without taking the exit statuses of its own children from whoever waits for them. So as
//! pid 1 it starts itself once more, and this first process does nothing but pass signals on and reap.

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

/// Signals that mean the service.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];
/// What shells add to the number of the signal that ended a process.
const SIGNALLED: i32 = 128;

/// Whether this is the first process, so that orphans become its children.
pub fn is_first_process() -> bool {
    std::process::id() == 1
}

/// Runs this program once more with the same arguments, and ends as it does.
pub fn run_below() -> ExitCode {
    let ended =
        Builder::new_current_thread().enable_all().build().and_then(|runtime| runtime.block_on(run()));
    match ended {
        // As a shell would: only the low byte is an exit code.
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Err(error) => {
            Failure::new(Exit::Refused, format!("cannot run as the first process: {error}")).report().into()
        }
    }
}

async fn run() -> io::Result<i32> {
    // Before the service is there, so that nothing is missed.
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
                // It has ended when it cannot be told; that is seen at once.
                let _told = kill(service, asked);
            }
        }
        if let Some(code) = reap(service)? {
            return Ok(code);
        }
    }
}

/// The service has a process group of its own: what the terminal says to ours is passed on once.
fn start() -> io::Result<Pid> {
    let program = std::env::current_exe()?;
    let service = Command::new(program).args(std::env::args_os().skip(1)).process_group(0).spawn()?;
    i32::try_from(service.id()).map(Pid::from_raw).map_err(io::Error::other)
}

/// Reaps whoever has ended; the answer is the exit code of the service, if it has.
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
