//! Zinit v0.2.15 to v0.2.28 of threefoldtech/zinit (GEN2): its words, and a way round what it lacks.
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
//! | lines that are followed keep answers waiting | [`log_followers`]: each follower has a connection of its own, which ends with it |
//! | a list fails as a whole while a service is forgotten | it is asked for again |
//! | before v0.2.28 refusals give no reason | [`calls`]: it is asked for whether the name is known |
//! | the check of a oneshot is never run | one with a check is no oneshot, and is stopped at its end |
//! | a check that hangs is left running, one without a program is tried without a pause | `timeout` and a shell run it |
//!
//! Gaps that remain: the backoff of the policy (it is always 2 s), a time limit for health checks while no supervisor
//! runs, and that GEN2 reads the output of some 256 services at most.

mod calls;
mod definition;
mod link;
mod list;
mod log_followers;
mod logs;
mod states;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use self::calls::Calls;
use self::definition::{Definition, env_of};
use self::link::Link;
use self::log_followers::LogFollowers;
use self::states::{State, Status};
use super::client::Client;
use super::name_locks::NameLocks;
use super::owners::Owners;
use super::proc;
use super::shim::Shim;
use crate::domain::model::actor::{ExitStatus, RestartMode};
use crate::lock::Lock;
use crate::ports::process_manager::{
    LogBatch, LogLine, LogPosition, ProcessError, ProcessSpec, ProcessState,
};

/// Folder of Zinit's files, whatever its command line says.
const CONFIG_DIR: &str = "/etc/zinit";
/// Most services whose output is read. With more, programs block when they write.
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
    name_locks: NameLocks,
    shim: Shim,
    log_followers: LogFollowers,
    known: Lock<BTreeMap<String, Known>>,
    owners: Arc<Owners>,
    warned_of_many: AtomicBool,
    warned_of_files: AtomicBool,
}

/// Knowledge about a service that Zinit does not tell.
#[derive(Debug, Clone)]
struct Known {
    restart: RestartMode,
    /// True for a oneshot; None until that was asked for.
    oneshot: Option<bool>,
    /// Exit of a service that was stopped and forgotten.
    stopped: Option<Option<ExitStatus>>,
    /// Status of the last observation, and its time.
    seen: Option<(Status, Instant)>,
}

impl Gen2 {
    pub(super) fn new(reads: Arc<Client>, socket: &Path, shim: Shim, owners: Arc<Owners>) -> Self {
        Self {
            log_followers: LogFollowers::new(socket),
            calls: Calls { link: Arc::new(Link::new(socket)) },
            reads,
            name_locks: NameLocks::default(),
            shim,
            known: Lock::default(),
            owners,
            warned_of_many: AtomicBool::new(false),
            warned_of_files: AtomicBool::new(false),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock()
    }

    /// Asks for something that only a healthy server answers.
    pub(super) async fn probe(&self) -> Result<(), ProcessError> {
        self.calls.states().await?;
        Ok(())
    }

    pub(super) async fn start(&self, spec: &ProcessSpec) -> Result<(), ProcessError> {
        let definition = Definition::new(spec, &self.shim)?;
        let name = spec.name.as_str();
        let _lock = self.name_locks.lock(name).await;
        self.shim.forget_check(name).await;
        for _round in 0..ROUNDS {
            let Some(status) = self.calls.first_status(name).await? else {
                return self.add(&definition, spec.restart.mode).await;
            };
            let content = self.calls.content(name).await?;
            if let Some(env) = self.env_of(name, &status, content.as_ref()).await? {
                self.owners.judge(name, &env).map_err(|foreign| foreign.refusal(name))?;
            }
            // What cannot be looked at is left alone while it runs: a restart of ours must not restart actors.
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
        if !self.calls.create(definition).await? {
            // Left by somebody who forgot it without deleting it, or by hand.
            let content = self.calls.content(name).await?;
            let env = content.as_ref().map(|content| env_of(name, content)).unwrap_or_default();
            let file = file_of(name).display().to_string();
            self.owners.judge(name, &env).map_err(|foreign| foreign.refusal_of_file(name, &file))?;
            if !content.is_some_and(|content| definition.matches(&content)) {
                self.calls.delete(name).await?;
                if !self.calls.create(definition).await? {
                    return Err(busy(name));
                }
            }
        }
        self.protect(definition).await;
        self.note_started(name, restart);
        Ok(self.calls.monitor(name).await?)
    }

    pub(super) async fn stop(&self, name: &str, grace: Duration) -> Result<(), ProcessError> {
        let lock = self.name_locks.lock_to_stop(name, grace).await;
        self.end(name, || lock.kill_at()).await
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), ProcessError> {
        let _lock = self.name_locks.lock(name).await;
        if let Some(status) = self.calls.status(name).await?
            && self.is_ours(name, &status).await?
        {
            let again = self.again(name, &status).await?;
            let ended =
                matches!(status.to_process(again), ProcessState::Down { .. } | ProcessState::SpawnFailed);
            if !ended {
                return Err(rejected(name, "still runs: stop it first"));
            }
            self.end(name, || None).await?;
        }
        self.shim.forget_check(name).await;
        self.known().remove(name);
        self.log_followers.forget(name);
        Ok(())
    }

    pub(super) async fn signal(&self, name: &str, signal: i32) -> Result<(), ProcessError> {
        let signal = Signal::try_from(signal)
            .map_err(|_unknown| ProcessError::Rejected { reason: format!("{signal} is not a signal") })?;
        match self.calls.status(name).await? {
            Some(status) => {
                let content = self.calls.content(name).await?;
                if let Some(env) = self.env_of(name, &status, content.as_ref()).await? {
                    self.owners.judge(name, &env).map_err(|foreign| foreign.refusal(name))?;
                }
            }
            None if self.known().contains_key(name) => {}
            None => return Err(ProcessError::NotFound { name: name.to_owned() }),
        }
        if self.calls.kill(name, signal).await? { Ok(()) } else { Err(rejected(name, "does not run")) }
    }

    pub(super) async fn log_tail(&self, name: &str, lines: usize) -> Result<Vec<LogLine>, ProcessError> {
        let mut kept = logs::last_life(name, &self.calls.current_logs(name).await?);
        kept.drain(..kept.len().saturating_sub(lines));
        Ok(kept)
    }

    pub(super) async fn logs(
        &self,
        name: &str,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> Result<LogBatch, ProcessError> {
        self.log_followers.read(name, after, wait).await
    }

    pub(super) async fn close(&self) {
        self.log_followers.close().await;
        self.calls.link.close().await;
    }

    /// Ends a service for good, whatever it is doing, so that neither Zinit nor its successor starts it again.
    async fn end(&self, name: &str, kill_at: impl Fn() -> Option<Instant>) -> Result<(), ProcessError> {
        let Some(status) = self.calls.first_status(name).await? else { return Ok(()) };
        if !self.is_ours(name, &status).await? {
            return Ok(());
        }
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
        self.end_rest(name, leader).await;
        self.calls.forget(name).await?;
        self.calls.delete(name).await?;
        let exit = exit.or(last.and_then(|status| status.exit()));
        let mut known = self.known();
        let known = known.entry(name.to_owned()).or_insert(Known::new(RestartMode::Always));
        (known.stopped, known.seen) = (Some(exit), None);
        Ok(())
    }

    /// Ends a process: first by SIGTERM, and by SIGKILL when its time is over. Zinit's own stop would kill it after
    /// half a second, and tell it to end once more before: programs may take a second SIGTERM for an order to drop
    /// everything.
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
        let mut killed = None;
        loop {
            match self.calls.status(name).await? {
                Some(status) if status.pid == Some(pid) => {}
                // Gone, or gone and started anew: the stop that follows is for that one, too.
                Some(_) | None => return Ok(()),
            }
            let now = Instant::now();
            match killed {
                None if now >= end() => {
                    self.calls.kill(name, Signal::SIGKILL).await?;
                    (killed, pause) = (Some(now), Duration::from_millis(5));
                }
                // Its end is seen within moments; if not, the stop that follows waits for it.
                Some(since) if now - since > OWN_GRACE => return Ok(()),
                None | Some(_) => {}
            }
            let left = if killed.is_some() { pause } else { end().saturating_duration_since(now) };
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
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

    /// Kills what an ended process left in its group, and a health check of it that still runs.
    async fn end_rest(&self, name: &str, leader: Option<u32>) {
        // Its numbers mean something to us only where we see the same processes.
        let Ok(Some(server)) = self.reads.who(Duration::from_secs(2)).await.map(|found| found.server) else {
            return;
        };
        if let Some(leader) = leader.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1) {
            let _nobody_left = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
        let (name, owners) = (name.to_owned(), self.owners.clone());
        let ended =
            spawn_blocking(move || proc::end_children(server, |env| owners.judge(&name, env).is_ok()));
        if let Err(error) = ended.await {
            tracing::debug!(%error, "zinit: cannot look for health checks");
        }
    }

    fn note_started(&self, name: &str, restart: RestartMode) {
        self.known().insert(name.to_owned(), Known::new(restart));
    }

    /// Makes the file of a service private: Zinit writes its files readable by all, and there may be secrets in them.
    async fn protect(&self, definition: &Definition) {
        let name = definition.name.as_str();
        let file = file_of(name);
        let Err(error) = tokio::fs::set_permissions(&file, Permissions::from_mode(0o600)).await else {
            return;
        };
        let file = file.display();
        if error.kind() != std::io::ErrorKind::NotFound {
            tracing::warn!(%name, %file, %error, "zinit service {name}: others may be able to read its environment");
        } else if definition.has_env && !self.warned_of_files.swap(true, Ordering::Relaxed) {
            tracing::warn!(%name, %file, "zinit: its service files are not to be seen from here (others may read environments there: chmod 700 {CONFIG_DIR})");
        }
    }
}

impl Known {
    fn new(restart: RestartMode) -> Self {
        Self { restart, oneshot: None, stopped: None, seen: None }
    }
}

/// Returns true for a service that ran once, as configured.
fn is_over(status: &Status, restart: RestartMode) -> bool {
    match (restart, status.exit()) {
        (RestartMode::Never, Some(_)) | (RestartMode::OnFailure, Some(ExitStatus::Code(0))) => true,
        (RestartMode::Always | RestartMode::OnFailure | RestartMode::Never, _) => false,
    }
}

/// Returns the path of the file of a service.
fn file_of(name: &str) -> PathBuf {
    [CONFIG_DIR, &format!("{name}.yaml")].iter().collect()
}

fn busy(name: &str) -> ProcessError {
    rejected(name, "is being changed by somebody else: try again")
}

fn rejected(name: &str, what: &str) -> ProcessError {
    ProcessError::Rejected { reason: format!("process {name:?} {what}") }
}
