//! Zinit 0.3.9 (GEN3): its words, and a way round each of its defects.
//!
//! | defect | way round |
//! |---|---|
//! | defining a name again hangs the server | [`slots`]: only unknown names are added; a changed one is stopped, deleted and added |
//! | deleting corrupts another service | [`slots`]: a tombstone takes the place |
//! | deleting a running service blocks the server for 5 s | only stopped ones are deleted |
//! | deleting deletes dependents as well | refused, with their names |
//! | a stop during backoff does not hold | the service is deleted, which ends its timer |
//! | a stop right after the start fails, as the process has no group yet | it is repeated |
//! | a start while stopping is lost | starts and stops of a name take turns ([`NameLocks`]), and a start waits for the end |
//! | the pid is a shell's, whose program may survive it | [`definition`]: the shell is replaced by the program |
//! | what ignores SIGTERM survives its leader | its group is killed when the leader is gone |
//! | a stop is forgotten when Zinit restarts | [`slots`]: the service's file is set aside |
//! | files with secrets are readable by all | [`slots`]: they are made private |
//! | at the limit of open files it spins and serves nobody | a start that would come near it is refused |
//! | a service with more than 256 dependents hangs the server | services have no dependencies in Zinit: their order is ours |
//! | ping answers although the server hangs | the list of services is asked for instead |
//! | a health check that hangs is left running | `timeout` ends it |
//! | a kill for a health check is told as any other | the check notes how it failed (`exec_shim`) |
//! | a byte that is not UTF-8 ends an output, and its program | all programs but our own have a filter (`exec_shim`) |
//! | setting a service overwrites the file of one that is not loaded | [`slots`]: it is looked whose the file is |
//!
//! Gaps that remain:
//! * processes of a killed Zinit live on, and the next Zinit starts them a second time: those of actors are searched for
//!   (`find_orphans`) and ended (`end_orphan`);
//! * a program that cannot be executed ends with the shell's exit code 126 or 127 and is restarted by its policy;
//! * a stop also stops the services of other people that depend on the stopped one;
//! * health checks run in Zinit's own environment and folder;
//! * deleting a service that is not the last one leaves a tombstone, a line in a list, until all behind it are
//!   gone or Zinit is restarted. Only a changed definition, a stop during backoff and a removal delete.

mod cache;
mod calls;
mod definition;
mod list;
mod lock;
mod logs;
mod slots;
mod states;
mod stop;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use self::cache::ServiceCache;
use self::calls::Calls;
use self::definition::{Definition, Lifecycle};
use self::slots::{Refusal, Slots};
use self::states::State;
use self::stop::has_arrived;
use super::client::Client;
use super::name_locks::NameLocks;
use super::owners::{Env, Owners};
use super::shim::Shim;
use crate::ports::process_manager::{LogLine, ProcessError, ProcessSpec};

/// Prefix of the names of services that stand where a deleted one stood.
const TOMBSTONE: &str = "hero-tombstone-";
/// Files that Zinit has open for each service that runs.
const FILES_EACH: u64 = 3;
/// And for itself and its callers.
const FILES_OF_ITS_OWN: u64 = 50;
/// Time for a killed process to be gone.
const AFTER_KILL: Duration = Duration::from_secs(10);
/// Time for the end of a killed process to be noticed by Zinit.
const DYING: Duration = Duration::from_secs(2);
/// Times that a start or a stop looks again after somebody else was faster.
const ROUNDS: usize = 10;

/// Processes as services of a GEN3 Zinit.
pub(super) struct Gen3 {
    calls: Calls,
    slots: Slots,
    cache: Arc<ServiceCache>,
    name_locks: NameLocks,
    shim: Shim,
    owners: Arc<Owners>,
}

impl Gen3 {
    pub(super) fn new(
        reads: Arc<Client>,
        changes: Arc<Client>,
        socket: &Path,
        shim: Shim,
        owners: Arc<Owners>,
    ) -> Self {
        let calls = Calls { reads, changes };
        let cache = Arc::new(ServiceCache::default());
        let slots = Slots::new(calls.clone(), cache.clone(), owners.clone(), socket);
        Self { calls, slots, cache, name_locks: NameLocks::default(), shim, owners }
    }

    /// Asks for something that only a healthy server answers.
    pub(super) async fn probe(&self) -> Result<(), ProcessError> {
        self.calls.list().await?;
        Ok(())
    }

    pub(super) async fn start(&self, spec: &ProcessSpec) -> Result<(), ProcessError> {
        let definition = Definition::new(spec, &self.shim)?;
        let name = spec.name.as_str();
        let _lock = self.name_locks.lock(name).await;
        for _round in 0..ROUNDS {
            let Some(state) = self.state(name).await? else {
                self.spare_files(name).await?;
                match self.slots.add(definition.clone()).await {
                    Ok(()) => return Ok(()),
                    Err(Refusal::Exists) => continue,
                    Err(refusal) => return Err(refused(name, refusal)),
                }
            };
            let Some(config) = self.calls.config(name).await? else { continue };
            self.owners.judge(name, &env_of(&config)).map_err(|foreign| foreign.refusal(name))?;
            let lifecycle = Lifecycle::of(&config);
            let same = definition.matches(&config);
            match state {
                State::Stopping { .. } => self.wait_while_stopping(name, lifecycle.stop_timeout).await?,
                State::Starting { .. } | State::Running { .. } | State::Blocked { .. } if same => {
                    return Ok(());
                }
                State::Starting { .. } | State::Running { .. } | State::Blocked { .. } => {
                    self.end(name, || Some(Instant::now() + lifecycle.stop_timeout)).await?;
                    self.delete(name).await?;
                }
                State::Inactive | State::Exited { .. } | State::Failed(_) => {
                    // While a timer may start it, it must not be started: the timer would survive the next stop.
                    if same && self.is_settled(name, &state, lifecycle).await? {
                        self.slots.enable_autostart(name).await.map_err(|refusal| refused(name, refusal))?;
                        return Ok(self.calls.start(name).await?);
                    }
                    self.calls.stop(name).await?;
                    self.delete(name).await?;
                }
            }
        }
        Err(busy(name))
    }

    /// Refuses one more service when Zinit would run out of open files: it would then serve nobody, and fill its log.
    async fn spare_files(&self, name: &str) -> Result<(), ProcessError> {
        let Some(limit) = self.calls.reads.who(Duration::from_secs(2)).await?.open_files else {
            return Ok(());
        };
        let services = self.calls.list().await?;
        let active = services.iter().filter(|service| service.state.is_active()).count() as u64;
        if (active + 1) * FILES_EACH + FILES_OF_ITS_OWN <= limit {
            return Ok(());
        }
        let advice = "start it with a higher ulimit -n, 3 for each service and 100 more";
        Err(rejected(
            name,
            &format!(
                "would be one too many: zinit may open {limit} files and runs {active} services; {advice}"
            ),
        ))
    }

    pub(super) async fn stop(&self, name: &str, grace: Duration) -> Result<(), ProcessError> {
        let lock = self.name_locks.lock_to_stop(name, grace).await;
        self.end(name, || lock.kill_at()).await
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), ProcessError> {
        let _lock = self.name_locks.lock(name).await;
        let Some(state) = self.state(name).await? else {
            self.cache.forget(name);
            return Ok(());
        };
        let Some(config) = self.calls.config(name).await? else { return Ok(()) };
        if self.owners.judge(name, &env_of(&config)).is_err() {
            self.cache.forget(name);
            return Ok(());
        }
        if state.is_active() || !self.is_settled(name, &state, Lifecycle::of(&config)).await? {
            return Err(rejected(name, "still runs: stop it first"));
        }
        self.delete(name).await?;
        self.cache.forget(name);
        self.shim.forget_check(name).await;
        Ok(())
    }

    pub(super) async fn signal(&self, name: &str, signal: i32) -> Result<(), ProcessError> {
        let Some(config) = self.calls.config(name).await? else {
            return Err(ProcessError::NotFound { name: name.to_owned() });
        };
        self.owners.judge(name, &env_of(&config)).map_err(|foreign| foreign.refusal(name))?;
        for _round in 0..ROUNDS {
            // Zinit would signal its own group for a target, whose pid is 0.
            if self.calls.state(name).await?.is_none_or(|state| state.pid().is_none()) {
                break;
            }
            if has_arrived(self.calls.kill(name, signal).await)? {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err(rejected(name, "does not run"))
    }

    pub(super) async fn log_tail(&self, name: &str, lines: usize) -> Result<Vec<LogLine>, ProcessError> {
        let mut tail = self.calls.log_tail(name, lines).await?;
        if tail.len() < lines {
            let mut older = self.cache.lines_of(name);
            older.append(&mut tail);
            tail = older;
        }
        tail.drain(..tail.len().saturating_sub(lines));
        Ok(tail)
    }

    pub(super) async fn close(&self) {
        self.slots.close().await;
        self.calls.reads.close().await;
        self.calls.changes.close().await;
    }

    /// Reads the state of a service, once that can be relied on.
    async fn state(&self, name: &str) -> Result<Option<State>, ProcessError> {
        let begun = Instant::now();
        loop {
            let state = self.calls.state(name).await?;
            if begun.elapsed() >= DYING || !state.as_ref().is_some_and(State::is_dying) {
                return Ok(state);
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn delete(&self, name: &str) -> Result<(), ProcessError> {
        match self.slots.delete(name).await {
            Ok(()) => Ok(()),
            Err(refusal) => Err(refused(name, refusal)),
        }
    }

    async fn wait_while_stopping(&self, name: &str, stop_timeout: Duration) -> Result<(), ProcessError> {
        let begun = Instant::now();
        while let Some(State::Stopping { .. }) = self.calls.state(name).await? {
            if begun.elapsed() > stop_timeout + AFTER_KILL {
                return Err(ProcessError::TimedOut { after: begun.elapsed() });
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// The environment that a service was defined with.
fn env_of(config: &Value) -> Env {
    let variables = config["service"]["env"].as_object().into_iter().flatten();
    variables.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn refused(name: &str, refusal: Refusal) -> ProcessError {
    match refusal {
        Refusal::Foreign(foreign, file) => foreign.refusal_of_file(name, &file.display().to_string()),
        Refusal::Lock(why) => rejected(name, &format!("cannot be changed: {why}")),
        Refusal::Exists | Refusal::Busy => busy(name),
        Refusal::Active => rejected(name, "still runs: stop it first"),
        Refusal::Dependents(names) => {
            let names = names.join(", ");
            rejected(
                name,
                &format!("cannot be deleted: zinit would delete with it what depends on it ({names})"),
            )
        }
        Refusal::Call(error) => error.into(),
    }
}

fn busy(name: &str) -> ProcessError {
    rejected(name, "is being changed by somebody else: try again")
}

fn rejected(name: &str, what: &str) -> ProcessError {
    ProcessError::Rejected { reason: format!("process {name:?} {what}") }
}
