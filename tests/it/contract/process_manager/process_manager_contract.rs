//! The three process managers, and processes that all of them can be given.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::adapters::local::{LocalOptions, LocalRunner};
use hero_supervisor::adapters::memory::process_manager::{Behaviour, MemoryProcessManager};
use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::adapters::zinit::ZinitProcessManager;
use hero_supervisor::domain::model::actor::{ExitStatus, RestartMode, RestartPolicy};
use hero_supervisor::domain::model::backoff::Backoff;
use hero_supervisor::domain::model::confinement::Confinement;
use hero_supervisor::ports::process_manager::{ProcessInfo, ProcessManager, ProcessSpec, ProcessState};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

/// Generous: others compile on the same machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Grace of stops that are not about grace.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// One process manager with what it needs.
pub(crate) struct ProcessManagerContract {
    pub(crate) manager: Arc<dyn ProcessManager>,
    memory: Option<Arc<MemoryProcessManager>>,
    dir: TempDir,
    _zinit: Option<PrivateZinit>,
}

/// What a process does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Does {
    /// Runs until SIGTERM.
    Runs,
    /// Ends at once with this code.
    Exits(i32),
    /// Kills itself with this signal at once.
    KillsItself(i32),
    /// Never ends by itself, ignores SIGTERM.
    IgnoresTerm,
    /// Takes half a second to end after SIGTERM.
    EndsSlowly,
}

impl ProcessManagerContract {
    pub(crate) fn memory() -> Self {
        let memory = Arc::new(MemoryProcessManager::new());
        Self { manager: memory.clone(), memory: Some(memory), dir: temp_dir(), _zinit: None }
    }

    pub(crate) fn local() -> Self {
        let manager = LocalRunner::new(LocalOptions::new(Arc::new(SystemClock)));
        Self { manager: Arc::new(manager), memory: None, dir: temp_dir(), _zinit: None }
    }

    pub(crate) async fn zinit() -> Self {
        let zinit = PrivateZinit::start().await;
        let manager = ZinitProcessManager::new(zinit.socket());
        Self { manager: Arc::new(manager), memory: None, dir: temp_dir(), _zinit: Some(zinit) }
    }

    /// A file of this test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A process of this name that does this, is never restarted and has no health check.
    pub(crate) fn spec(&self, name: &str, does: Does) -> ProcessSpec {
        if let Some(memory) = &self.memory {
            memory.behave(name, behaviour(does));
        }
        shell(name, &script(does, &self.armed_path(name)))
    }

    fn armed_path(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}-armed"))
    }

    /// Waits until a process that does something at SIGTERM would do it: before that its shell would just end.
    pub(crate) async fn armed(&self, name: &str) -> u32 {
        let pid = self.running(name).await;
        if self.memory.is_none() {
            let path = self.armed_path(name);
            eventually("the trap is set", LIMIT, || async { path.exists().then_some(()) }).await;
        }
        pid
    }

    /// Gives it a health check that passes (or not) a while after the start.
    pub(crate) fn with_health(
        &self,
        mut spec: ProcessSpec,
        does: Does,
        after: Option<Duration>,
    ) -> ProcessSpec {
        if let Some(memory) = &self.memory {
            let ready_after = after.unwrap_or(Duration::MAX);
            memory.behave(&spec.name, Behaviour { ready_after, ..behaviour(does) });
        }
        let flag = self.path(&format!("{}-healthy", spec.name));
        let check = format!("test -e {}", flag.display());
        if let Some(after) = after {
            // The first check makes a mark, and the mark counts once it is old enough.
            let seconds = after.as_secs_f32();
            spec.health_check = Some(format!("{check} || {{ sleep {seconds}; : > {}; }}", flag.display()));
        } else {
            spec.health_check = Some(check);
        }
        spec
    }

    /// The process as it is listed now.
    pub(crate) async fn info(&self, name: &str) -> Option<ProcessInfo> {
        let list = self.manager.list().await.unwrap();
        list.into_iter().find(|info| info.name == name)
    }

    /// Waits until it is listed in a state that `wanted` accepts.
    pub(crate) async fn until<T>(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(ProcessState) -> Option<T>,
    ) -> T {
        let what = format!("{name} {what}");
        let wanted = &wanted;
        eventually(&what, LIMIT, || async { self.info(name).await.and_then(|info| wanted(info.state)) }).await
    }

    /// Waits until it runs, and answers with its pid.
    pub(crate) async fn running(&self, name: &str) -> u32 {
        self.until(name, "runs", |state| match state {
            ProcessState::Running { pid } => Some(pid),
            _other => None,
        })
        .await
    }

    /// Waits until it runs by another pid.
    pub(crate) async fn running_anew(&self, name: &str, old: u32) -> u32 {
        self.until(name, "runs anew", |state| match state {
            ProcessState::Running { pid } if pid != old => Some(pid),
            _other => None,
        })
        .await
    }

    /// Waits until it ended for good, and answers with how.
    pub(crate) async fn down(&self, name: &str) -> Option<ExitStatus> {
        self.until(name, "is down", |state| match state {
            ProcessState::Down { exit } => Some(exit),
            _other => None,
        })
        .await
    }

    /// Asserts that it is down now: listed so, or no longer listed.
    pub(crate) async fn assert_down(&self, name: &str) {
        if let Some(info) = self.info(name).await {
            assert!(matches!(info.state, ProcessState::Down { .. }), "{info:?}");
        }
    }

    /// Asserts that the process of this pid is gone; pids of memory are not real.
    pub(crate) fn assert_gone(&self, pid: u32) {
        assert!(self.memory.is_some() || !lives(pid), "process {pid} still lives");
    }
}

/// True while there is a process of this pid that is not just waiting to be reaped.
pub(crate) fn lives(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state != Some('Z') && kill(Pid::from_raw(pid.cast_signed()), None).is_ok()
}

/// A process that runs this script, is never restarted and has no health check.
pub(crate) fn shell(name: &str, script: &str) -> ProcessSpec {
    ProcessSpec {
        name: name.to_owned(),
        program: "/bin/sh".into(),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: [].into(),
        env_from_file: [].into(),
        working_dir: None,
        health_check: None,
        restart: RestartPolicy { mode: RestartMode::Never, ..policy(Duration::from_millis(200)) },
        stop_grace: GRACE,
        start_timeout: LIMIT,
        after: Vec::new(),
        sha256: None,
        confinement: Confinement::default(),
    }
}

/// Restarts that come after about this long, always.
pub(crate) fn policy(delay: Duration) -> RestartPolicy {
    RestartPolicy {
        mode: RestartMode::Always,
        backoff: Backoff::new(delay, delay).unwrap(),
        ..RestartPolicy::default()
    }
}

fn script(does: Does, armed: &Path) -> String {
    let armed = armed.display();
    match does {
        // A shell that waits can be interrupted; one with a child in the foreground cannot.
        Does::Runs => "exec sleep 1000".to_owned(),
        Does::Exits(code) => format!("exit {code}"),
        Does::KillsItself(signal) => format!("kill -{signal} $$"),
        Does::IgnoresTerm => format!("trap '' TERM; : > {armed}; while :; do sleep 0.1; done"),
        Does::EndsSlowly => {
            format!("trap 'sleep 0.5; exit 0' TERM; : > {armed}; while :; do sleep 0.1; done")
        }
    }
}

fn behaviour(does: Does) -> Behaviour {
    let at_once = |exit| Behaviour { ends: Some((Duration::from_millis(1), exit)), ..Behaviour::default() };
    match does {
        Does::Runs => Behaviour::default(),
        Does::Exits(code) => at_once(ExitStatus::Code(code)),
        Does::KillsItself(signal) => at_once(ExitStatus::Signal(signal)),
        Does::IgnoresTerm => Behaviour { term_after: None, ..Behaviour::default() },
        Does::EndsSlowly => {
            Behaviour { term_after: Some(Duration::from_millis(500)), ..Behaviour::default() }
        }
    }
}

fn temp_dir() -> TempDir {
    tempfile::Builder::new().prefix("hp").tempdir_in("/tmp").unwrap()
}
