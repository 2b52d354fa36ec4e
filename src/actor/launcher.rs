//! Starts engine hosts as child processes: this program again, in a process group of its own, with an empty environment.

mod host_process;
mod sockets;
mod watch;

pub use host_process::HostProcess;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::unistd::Pid;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::actor::host_calls::CallHandler;
use crate::actor::hosts::{Launcher, Report};
use crate::actor::reaper::Reaper;
use crate::domain::model::id::ActorId;
use crate::lock::Lock;
use sockets::{Link, Out};
use watch::{HostWatcher, StderrTail};

/// Path of the running program, also after its file was replaced by a new version.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Starts engine hosts.
#[derive(Clone)]
pub struct HostLauncher {
    name: String,
    args: Vec<OsString>,
    env: Vec<(&'static str, String)>,
    tasks: TaskTracker,
    answers: Option<Arc<dyn CallHandler>>,
    reaper: Reaper,
    spares_hosts: bool,
}

impl HostLauncher {
    /// Hosts that are this program with `args`, shown as `name` in lists of processes.
    pub fn new(name: impl Into<String>, args: Vec<OsString>) -> Self {
        let reaper = Reaper::default();
        Self {
            name: name.into(),
            args,
            env: Vec::new(),
            tasks: TaskTracker::new(),
            answers: None,
            reaper,
            spares_hosts: false,
        }
    }

    /// The whole environment of these hosts; they have none of their own.
    #[must_use]
    pub fn with_env(self, env: Vec<(&'static str, String)>) -> Self {
        Self { env, ..self }
    }

    /// Lets the scripts of these hosts ask for what `answers` has.
    #[must_use]
    pub fn answering(self, answers: Arc<dyn CallHandler>) -> Self {
        Self { answers: Some(answers), ..self }
    }

    /// Asks only what scripts have started to end, and not the hosts, whose engines see to the end of their scripts. A
    /// host that blocks SIGTERM would otherwise find it waiting when it next lets it through, in the midst of another job.
    #[must_use]
    pub fn sparing_hosts(self, spares_hosts: bool) -> Self {
        Self { spares_hosts, ..self }
    }

    /// Makes this process the parent of what scripts leave behind when their host ends, so that it can be ended as well.
    /// It must have no other children than engine hosts. `work_dir` is where hosts make their folders. Processes that jobs of
    /// an earlier process of `actor` have left are ended.
    ///
    /// # Errors
    /// When the kernel cannot do that.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn reaping_orphans(mut self, work_dir: Option<PathBuf>, actor: Option<&ActorId>) -> io::Result<Self> {
        self.reaper = Reaper::new(work_dir, actor, &self.tasks)?;
        Ok(self)
    }

    /// Waits until every host is gone, with all that is left of it; they must have been dropped or asked to end.
    pub async fn gone(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Launcher for HostLauncher {
    type Host = HostProcess;

    fn launch(&mut self, report: Report) -> io::Result<HostProcess> {
        let (jobs, their_jobs) = StdStream::pair()?;
        let (control, their_control) = StdStream::pair()?;
        jobs.set_nonblocking(true)?;
        control.set_nonblocking(true)?;
        let mut command = std::process::Command::new(THIS_PROGRAM);
        command
            .arg0(&self.name)
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (*name, value.as_str())))
            .process_group(0)
            .stdin(OwnedFd::from(their_jobs))
            .stdout(OwnedFd::from(their_control))
            .stderr(Stdio::piped());
        let mut child = Command::from(command).kill_on_drop(true).spawn()?;
        let no_pid = || io::Error::other("the engine host has ended already");
        let group =
            child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw).ok_or_else(no_pid)?;
        let stderr = child.stderr.take();
        let link = Arc::new(Link {
            jobs: UnixStream::from_std(jobs)?,
            control: UnixStream::from_std(control)?,
            out: Lock::new(Out::default()),
            wake: Notify::new(),
            reaped: AtomicBool::new(false),
            starts_processes: self.reaper.is_on(),
            contexts: Lock::default(),
        });
        let answers = self.answers.clone();
        self.reaper.add(group);
        let reaper = self.reaper.clone();
        let (link_too, tail) = (Arc::clone(&link), StderrTail::default());
        let watcher = HostWatcher { link: link_too, group, report, tail, answers, asked: None, reaper };
        self.tasks.spawn(watcher.run(child, stderr));
        Ok(HostProcess { link, group, spared: self.spares_hosts })
    }
}
