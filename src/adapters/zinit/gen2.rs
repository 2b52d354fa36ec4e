//! Zinit v0.2.15 to v0.2.28 of GitHub (GEN2): its words, and a way round what it lacks.
//!
//! A service is created (its file), monitored (loaded and started), stopped, forgotten and deleted.
//!
//! | what it does | way round |
//! |---|---|
//! | a stop kills after 0.5 s, whatever the service says | SIGTERM by `service_kill`, wait, and only then the stop |
//! | a signal alone leaves the service wanted, and it is restarted after 2 s | the stop follows within these 2 s |
//! | a stop is forgotten when Zinit restarts | a stopped service is forgotten and deleted; we remember how it ended |
//! | what ignores SIGTERM survives its leader | its session's group is killed when the leader is gone |
//! | it restarts after 2 s, for ever | services that are not to be restarted are oneshots; one that is to be restarted only after a failure is stopped when it ends well |
//! | a start right after a stop waits for a timer, and may be lost | starts and stops of a name take turns, and a stop forgets the service |
//! | a program that cannot be executed is never tried again | it is forgotten and monitored anew |
//! | answers come in any order | each finds its caller by its id |
//! | the list tells neither pid nor target | the status of each is asked for, many at a time |
//! | files with secrets are readable by all | they are made private |
//! | lines bear no time, all services share one buffer | a reader subscribes, and lines are numbered by us |
//!
//! What remains: the backoff of the policy (it is always 2 s), a time limit for health checks while no supervisor runs,
//! and that it reads the output of some 256 services at most.

mod calls;
mod definition;
mod link;
mod logs;
mod words;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use self::calls::Calls;
use self::definition::{Definition, is_oneshot};
use self::link::Link;
use self::logs::Feeds;
use self::words::{Again, State, Status};
use super::client::Client;
use super::shim::Shim;
use super::turns::Turns;
use super::wire::CallError;
use crate::domain::actor::{ExitStatus, RestartMode};
use crate::ports::process_manager::{
    LogBatch, LogLine, LogPosition, ProcessError, ProcessInfo, ProcessSpec, ProcessState,
};

/// Where it keeps its files, whatever its command line says.
const CONFIG_DIR: &str = "/etc/zinit";
/// With more services than this, output is no longer read, and programs block when they write.
const MAX_SERVICES: usize = 256;
/// Room for services that others add.
const MARGIN: usize = 6;
/// The grace of its own stop.
const OWN_GRACE: Duration = Duration::from_millis(500);
/// Time for a killed process to be gone.
const AFTER_KILL: Duration = Duration::from_secs(10);
/// A service without a process this long is not started again.
const SETTLED: Duration = Duration::from_secs(3);
/// A status of a service that runs is good for this long.
const SAME_FOR: Duration = Duration::from_secs(1);
/// Statuses that are asked for at a time.
const AT_A_TIME: usize = 64;
/// Times that a start looks again after somebody else was faster.
const ROUNDS: usize = 10;

/// Processes as services of a GEN2 Zinit.
pub(super) struct Gen2 {
    calls: Calls,
    /// Knows who is there.
    reads: Arc<Client>,
    turns: Turns,
    shim: Shim,
    feeds: Feeds,
    known: Mutex<BTreeMap<String, Known>>,
    warned: AtomicBool,
}

/// What Zinit does not tell of a service.
#[derive(Debug, Clone)]
struct Known {
    restart: RestartMode,
    /// It was stopped and forgotten; how it ended.
    stopped: Option<Option<ExitStatus>>,
    /// It ran like this, when it was last looked at.
    seen: Option<(Status, Instant)>,
}

impl Gen2 {
    pub(super) fn new(reads: Arc<Client>, socket: &Path, shim: Shim) -> Self {
        let calls = Calls { link: Arc::new(Link::new(socket)) };
        Self {
            feeds: Feeds::new(calls.clone()),
            calls,
            reads,
            turns: Turns::default(),
            shim,
            known: Mutex::default(),
            warned: AtomicBool::new(false),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for something that only a healthy server answers.
    pub(super) async fn probe(&self) -> Result<(), ProcessError> {
        self.calls.states().await?;
        Ok(())
    }

    pub(super) async fn start(&self, spec: &ProcessSpec) -> Result<(), ProcessError> {
        let definition = Definition::new(spec, &self.shim)?;
        let name = spec.name.as_str();
        let _turn = self.turns.take(name).await;
        for _round in 0..ROUNDS {
            let Some(status) = self.calls.status(name).await? else {
                return self.add(&definition, spec.restart.mode).await;
            };
            // What cannot be looked at is left alone while it runs: a restart of ours must not restart actors.
            let content = self.calls.content(name).await?;
            let same = content.map_or(status.pid.is_some(), |content| definition.matches(&content));
            if !status.wanted && status.pid.is_some() {
                // Somebody is just stopping it.
                sleep(Duration::from_millis(20)).await;
                self.wait_until_down(name).await?;
                continue;
            }
            if same && status.wanted && status.state != State::Failure && !is_over(&status, spec.restart.mode)
            {
                self.note_started(name, spec.restart.mode);
                return Ok(());
            }
            self.end(name, || Some(Instant::now() + spec.stop_grace)).await?;
        }
        Err(busy(name))
    }

    /// Creates and starts a service that Zinit does not run.
    async fn add(&self, definition: &Definition, restart: RestartMode) -> Result<(), ProcessError> {
        let name = definition.name.as_str();
        self.warn_if_many().await?;
        if !self.calls.create(definition).await? {
            // Left by somebody who forgot it without deleting it, or by hand.
            let same = self.calls.content(name).await?.is_some_and(|content| definition.matches(&content));
            if !same {
                self.calls.delete(name).await?;
                if !self.calls.create(definition).await? {
                    return Err(busy(name));
                }
            }
        }
        if definition.has_env {
            protect(name).await;
        }
        self.note_started(name, restart);
        Ok(self.calls.monitor(name).await?)
    }

    pub(super) async fn stop(&self, name: &str, grace: Duration) -> Result<(), ProcessError> {
        let turn = self.turns.take_to_stop(name, grace).await;
        self.end(name, || turn.kill_at()).await
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), ProcessError> {
        let _turn = self.turns.take(name).await;
        if let Some(status) = self.calls.status(name).await? {
            let again = self.again(name, &status).await?;
            let ended =
                matches!(status.to_process(again), ProcessState::Down { .. } | ProcessState::SpawnFailed);
            if !ended {
                return Err(rejected(name, "still runs: stop it first"));
            }
            self.end(name, || None).await?;
        }
        self.known().remove(name);
        self.feeds.forget(name);
        Ok(())
    }

    pub(super) async fn signal(&self, name: &str, signal: i32) -> Result<(), ProcessError> {
        let signal = Signal::try_from(signal)
            .map_err(|_unknown| ProcessError::Rejected { reason: format!("{signal} is not a signal") })?;
        if self.calls.status(name).await?.is_none() && !self.known().contains_key(name) {
            return Err(ProcessError::NotFound { name: name.to_owned() });
        }
        if self.calls.kill(name, signal).await? { Ok(()) } else { Err(rejected(name, "does not run")) }
    }

    pub(super) async fn list(&self) -> Result<Vec<ProcessInfo>, ProcessError> {
        let states = self.calls.states().await?;
        let each = |(name, word): (String, String)| async move {
            // One that was forgotten in between is not there any more.
            let Some(status) = self.status_of(&name, &word).await? else { return Ok(None) };
            let again = self.again(&name, &status).await?;
            let mut state = status.to_process(again);
            if let ProcessState::Running { pid } = state
                && self.turns.is_stopping(&name)
            {
                // Zinit is not told of a stop while its grace lasts.
                state = ProcessState::Stopping { pid: Some(pid) };
            }
            Ok(Some(ProcessInfo { name, state, detail: status.detail() }))
        };
        let infos: Vec<Result<Option<ProcessInfo>, ProcessError>> =
            stream::iter(states).map(each).buffer_unordered(AT_A_TIME).collect().await;
        let mut list: Vec<ProcessInfo> =
            infos.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let known = self.known();
        for (name, known) in known.iter() {
            if let Some(exit) = known.stopped
                && !list.iter().any(|info| info.name == *name)
            {
                let (name, detail) = (name.clone(), "stopped".to_owned());
                list.push(ProcessInfo { name, state: ProcessState::Down { exit }, detail });
            }
        }
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// The status of a listed service. A process is not started anew before 2 s have passed, so one that is listed as
    /// running, and was so a moment ago, is still the same.
    async fn status_of(&self, name: &str, word: &str) -> Result<Option<Status>, ProcessError> {
        let now = Instant::now();
        let last = self.known().get(name).and_then(|known| known.seen.clone());
        if let Some((status, at)) = last
            && word == "Running"
            && now - at < SAME_FOR
        {
            return Ok(Some(status));
        }
        let status = self.calls.status(name).await?;
        if let Some(known) = self.known().get_mut(name) {
            let runs =
                |status: &&Status| status.state == State::Running && status.wanted && status.pid.is_some();
            known.seen = status.as_ref().filter(runs).map(|status| (status.clone(), now));
        }
        Ok(status)
    }

    /// Whether Zinit starts an ended service again. One that ended well and is only to be restarted after a failure is
    /// stopped on the way.
    async fn again(&self, name: &str, status: &Status) -> Result<Again, ProcessError> {
        let Some(exit) = status.exit().filter(|_exit| status.wanted) else { return Ok(Again::Yes) };
        let known = self.known().get(name).map(|known| known.restart);
        let restart = match known {
            Some(restart) => restart,
            // Not started by us, or by an earlier supervisor.
            None => {
                let content = self.calls.content(name).await?;
                if content.is_some_and(|content| is_oneshot(&content)) {
                    RestartMode::Never
                } else {
                    RestartMode::Always
                }
            }
        };
        match restart {
            RestartMode::Always => Ok(Again::Yes),
            RestartMode::Never => Ok(Again::No),
            RestartMode::OnFailure if exit != ExitStatus::Code(0) => Ok(Again::Yes),
            RestartMode::OnFailure => {
                // It ended well; within its 2 s a stop is final.
                if !self.turns.is_stopping(name) {
                    self.calls.stop(name).await?;
                }
                Ok(Again::No)
            }
        }
    }

    pub(super) async fn log_tail(&self, name: &str, lines: usize) -> Result<Vec<LogLine>, ProcessError> {
        let kept = self.calls.current_logs(name).await?;
        let mut kept: Vec<LogLine> = kept.iter().filter_map(|line| logs::line(name, line)).collect();
        kept.drain(..kept.len().saturating_sub(lines));
        Ok(kept)
    }

    pub(super) async fn logs(
        &self,
        name: &str,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> Result<LogBatch, ProcessError> {
        self.feeds.read(name, after, wait).await
    }

    pub(super) async fn close(&self) {
        self.feeds.close().await;
        self.calls.link.close().await;
    }

    /// Ends a service for good, whatever it is doing, so that neither Zinit nor its successor starts it again.
    async fn end(&self, name: &str, kill_at: impl Fn() -> Option<Instant>) -> Result<(), ProcessError> {
        let Some(status) = self.calls.status(name).await? else { return Ok(()) };
        if let Some(known) = self.known().get_mut(name) {
            known.seen = None;
        }
        let leader = status.pid;
        if status.wanted
            && let Some(pid) = leader
        {
            self.ask_to_end(name, pid, &kill_at).await?;
        }
        // Before Zinit's own stop, which says SIGTERM for all that end by it.
        let exit = match self.calls.status(name).await? {
            Some(status) if status.pid != leader || leader.is_none() => status.exit(),
            Some(_) | None => None,
        };
        if !status.is_down() {
            self.calls.stop(name).await?;
        }
        let last = self.wait_until_down(name).await?;
        self.end_group(leader).await;
        self.calls.forget(name).await?;
        self.calls.delete(name).await?;
        let exit = exit.or(last.and_then(|status| status.exit()));
        let mut known = self.known();
        let known = known.entry(name.to_owned()).or_insert(Known {
            restart: RestartMode::Always,
            stopped: None,
            seen: None,
        });
        (known.stopped, known.seen) = (Some(exit), None);
        Ok(())
    }

    /// Tells a process to end, and gives it its time. Zinit's own stop would kill it after half a second.
    async fn ask_to_end(
        &self,
        name: &str,
        pid: u32,
        kill_at: &impl Fn() -> Option<Instant>,
    ) -> Result<(), ProcessError> {
        let begun = Instant::now();
        let end = || kill_at().unwrap_or(begun);
        if end() <= begun + OWN_GRACE || !self.calls.kill(name, Signal::SIGTERM).await? {
            return Ok(());
        }
        let mut pause = Duration::from_millis(5);
        while Instant::now() + OWN_GRACE < end() {
            match self.calls.status(name).await? {
                Some(status) if status.pid == Some(pid) => {}
                // Gone, or gone and started anew: the stop that follows is for that one, too.
                Some(_) | None => return Ok(()),
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Waits until Zinit says that a stopped service has no process; answers with its last word.
    async fn wait_until_down(&self, name: &str) -> Result<Option<Status>, ProcessError> {
        let begun = Instant::now();
        loop {
            match self.calls.status(name).await? {
                None => return Ok(None),
                Some(status) if status.is_down() => return Ok(Some(status)),
                // Longer than its wait before a restart; what is not wanted may be said in another way.
                Some(status) if status.pid.is_none() && begun.elapsed() > SETTLED => return Ok(Some(status)),
                Some(_still_there) if begun.elapsed() > AFTER_KILL => {
                    return Err(ProcessError::TimedOut { after: begun.elapsed() });
                }
                Some(_still_there) => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Kills what an ended process left in its group.
    async fn end_group(&self, leader: Option<u32>) {
        let Some(leader) = leader.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1) else {
            return;
        };
        // Its numbers mean something to us only where we see the same processes.
        if self.reads.who(Duration::from_secs(2)).await.is_ok_and(|found| found.server.is_some()) {
            let _nobody_left = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }

    fn note_started(&self, name: &str, restart: RestartMode) {
        self.known().insert(name.to_owned(), Known { restart, stopped: None, seen: None });
    }

    async fn warn_if_many(&self) -> Result<(), CallError> {
        let count = self.calls.states().await?.len();
        let many = count + MARGIN >= MAX_SERVICES;
        if many && !self.warned.swap(many, Ordering::Relaxed) {
            tracing::warn!(
                services = count,
                "zinit has {count} services; with more than {MAX_SERVICES} this generation stops to read their output, \
                 and programs that write block: run fewer actors here, or use zinit 0.3.9"
            );
        } else if !many {
            self.warned.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// It ran once, as it was to.
fn is_over(status: &Status, restart: RestartMode) -> bool {
    match (restart, status.exit()) {
        (RestartMode::Never, Some(_)) | (RestartMode::OnFailure, Some(ExitStatus::Code(0))) => true,
        (RestartMode::Always | RestartMode::OnFailure | RestartMode::Never, _) => false,
    }
}

/// Zinit writes its files readable by all, and the environment in them may hold secrets.
async fn protect(name: &str) {
    let file: PathBuf = [CONFIG_DIR, &format!("{name}.yaml")].iter().collect();
    if let Err(error) = tokio::fs::set_permissions(&file, Permissions::from_mode(0o600)).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        let file = file.display();
        tracing::warn!(%name, %file, %error, "the environment of the service may be readable by others");
    }
}

fn busy(name: &str) -> ProcessError {
    rejected(name, "is being changed by somebody else: try again")
}

fn rejected(name: &str, what: &str) -> ProcessError {
    ProcessError::Rejected { reason: format!("process {name:?} {what}") }
}
