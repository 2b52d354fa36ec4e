//! Fixture of a case: a queue on a private Redis, and actors that it starts, signals and ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::LEASE;
use super::scripts::Scripts;
use crate::adapters::redis::{RedisConfig, RedisQueue};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{Finished, Job, JobError, JobQuota, JobSpec, JobState, JobView, Outcome};
use crate::domain::model::output::{OutputMark, StoredChunk};
use crate::domain::model::script_type::ScriptType;
use crate::error::chain;
use crate::ports::actor_presence::ActorPresence;
use crate::ports::actor_presence::Presence;
use crate::ports::job_queue::{JobFilter, JobQueue};
use crate::ports::job_submission::{Completion, JobSubmission, Submission};
use crate::ports::queue_maintenance::QueueMaintenance;

/// Interval of checks.
const LOOK: Duration = Duration::from_millis(20);
/// Interval of maintenance.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(200);

/// Result of a case; the error is one sentence.
pub(super) type Verdict = Result<(), String>;

/// Parts that a case needs.
pub(super) struct Kit {
    pub(super) queue: RedisQueue,
    pub(super) scripts: Scripts,
    pub(super) script_type: ScriptType,
    url: String,
    exec: Vec<String>,
    time_factor: u32,
    dir: PathBuf,
}

/// A running actor. When it is dropped, the actor and its children are killed.
pub(super) struct Subject {
    child: Child,
    pid: i32,
    log: PathBuf,
}

impl Kit {
    pub(super) fn new(
        url: String,
        script_type: ScriptType,
        exec: Vec<String>,
        scripts: Scripts,
        time_factor: u32,
        dir: PathBuf,
    ) -> Result<Self, String> {
        let config = RedisConfig { url: url.clone(), lease: LEASE, ..RedisConfig::default() };
        let queue = RedisQueue::new(config).map_err(|error| chain(&error))?;
        Ok(Self { queue, scripts, script_type, url, exec, time_factor, dir })
    }

    /// Returns a limit of the protocol, multiplied for slow machines.
    pub(super) fn within(&self, limit: Duration) -> Duration {
        limit * self.time_factor
    }

    /// Runs a case beside the maintenance that a supervisor does.
    pub(super) async fn while_kept(&self, case: impl Future<Output = Verdict>) -> Verdict {
        let maintenance = async {
            loop {
                if let Err(error) = self.queue.maintain().await {
                    tracing::debug!(%error, "maintenance: failed ({error})");
                }
                sleep(MAINTENANCE_INTERVAL).await;
            }
        };
        let limit = self.within(Duration::from_secs(60));
        tokio::select! {
            ended = timeout(limit, case) => ended.unwrap_or_else(|_| Err(format!("it was not over after {limit:?}"))),
            () = maintenance => Ok(()),
        }
    }

    /// Removes the leftovers of a case.
    pub(super) async fn clear(&self) {
        let filter = JobFilter::default();
        let left = self.queue.list(&filter, None, 1000).await.unwrap_or_default();
        for job in left.jobs.iter().filter(|job| !job.state.is_terminal()) {
            drop(self.queue.cancel(&job.id, "the case is over").await);
        }
        for presence in self.queue.presences(self.script_type.into()).await.unwrap_or_default() {
            drop(self.queue.forget_actor(self.script_type.into(), &presence.actor_id).await);
        }
        self.queue.close().await;
    }

    /// Starts an actor and waits until it has announced itself.
    pub(super) async fn actor(&self, name: &str) -> Result<Subject, String> {
        let mut subject = self.start(name, &[])?;
        let limit = self.within(Duration::from_secs(10));
        let announces = self.until("it announces itself at its queue", limit, || self.presence(name));
        let waited = tokio::select! {
            waited = announces => waited.map(drop),
            ended = subject.child.wait() => match ended {
                Ok(status) => Err(format!("it ended before it had announced itself: {status}")),
                Err(error) => Err(error.to_string()),
            },
        };
        waited.map_err(|why| format!("{why}{}", subject.last_words()))?;
        Ok(subject)
    }

    /// Starts the program with the flags of the contract and the given ones.
    pub(super) fn start(&self, name: &str, flags: &[&str]) -> Result<Subject, String> {
        let log = self.dir.join(format!("{name}.log"));
        let said = File::create(&log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let errors = said.try_clone().map_err(|error| error.to_string())?;
        let program = self.exec.first().map(String::as_str).unwrap_or_default();
        let child = Command::new(program)
            .args(self.exec.iter().skip(1))
            .args(["--redis-url", &self.url, "--actor-id", name, "--concurrency", "1"])
            .args(["--lease", &format!("{}s", LEASE.as_secs())])
            .args(flags)
            .env("HERO_ACTOR_ID", name)
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).ok_or("it ended at once")?;
        Ok(Subject { child, pid, log })
    }

    pub(super) fn spec(&self, script: &str) -> JobSpec {
        let env = BTreeMap::from([("GREETING".to_owned(), "grüße".to_owned())]);
        JobSpec {
            caller_id: "kit".to_owned(),
            context_id: "conformance".to_owned(),
            env,
            run_timeout: Duration::from_secs(120),
            ..JobSpec::new(self.script_type, script)
        }
    }

    pub(super) async fn submit(&self, spec: JobSpec) -> Result<(JobId, Completion), String> {
        let submission = Submission {
            id: JobId::mint(),
            spec,
            request: None,
            wanted: true,
            unroutable: false,
            quota: JobQuota::default(),
        };
        let answers = self.queue.submit(vec![submission]).await.map_err(|error| chain(&error))?;
        let submitted = answers.into_iter().next().ok_or("the queue gave no answer")?;
        let submitted = submitted.map_err(|refused| refused.to_string())?;
        let completion = submitted.completion.ok_or("the queue lets nobody wait")?;
        Ok((submitted.job.id, completion))
    }

    /// Waits for the end of a job.
    pub(super) async fn end(&self, completion: Completion) -> Result<Finished, String> {
        let limit = self.within(Duration::from_secs(10));
        match timeout(limit, completion.wait()).await {
            Ok(Some(finished)) => Ok(finished),
            Ok(None) => Err("the queue lost the job".to_owned()),
            Err(_) => Err(format!("the job did not end within {limit:?}")),
        }
    }

    pub(super) async fn run(&self, spec: JobSpec) -> Result<Finished, String> {
        let (_id, completion) = self.submit(spec).await?;
        self.end(completion).await
    }

    pub(super) async fn job(&self, id: &JobId) -> Result<Job, String> {
        let job = self.queue.get(id, JobView::Basic).await.map_err(|error| chain(&error))?;
        job.ok_or_else(|| format!("job {id} is gone"))
    }

    pub(super) async fn until_running(&self, id: &JobId) -> Result<Job, String> {
        let limit = self.within(Duration::from_secs(10));
        self.until("the job is running (hero_start)", limit, async || {
            let job = self.job(id).await?;
            Ok((job.state == JobState::Running).then_some(job))
        })
        .await
    }

    pub(super) async fn presence(&self, name: &str) -> Result<Option<Presence>, String> {
        let all = self.queue.presences(self.script_type.into()).await.map_err(|error| chain(&error))?;
        Ok(all.into_iter().find(|presence| presence.actor_id.as_str() == name))
    }

    pub(super) async fn output(&self, id: &JobId) -> Result<Vec<StoredChunk>, String> {
        let all = self.queue.output(self.script_type.into(), id, &OutputMark::default(), 10_000).await;
        all.map_err(|error| chain(&error))
    }

    /// Waits for a condition.
    pub(super) async fn until<T, F: Future<Output = Result<Option<T>, String>>>(
        &self,
        what: &str,
        limit: Duration,
        look: impl Fn() -> F,
    ) -> Result<T, String> {
        let begun = Instant::now();
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if begun.elapsed() > limit {
                return Err(format!("not seen within {limit:?}: {what}"));
            }
            sleep(LOOK).await;
        }
    }
}

impl Subject {
    /// Returns the process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    pub(super) fn signal(&self, signal: Signal) -> Verdict {
        kill(Pid::from_raw(self.pid), signal).map_err(|error| format!("cannot send {signal}: {error}"))
    }

    /// Waits for the exit.
    pub(super) async fn exit(&mut self, limit: Duration) -> Result<ExitStatus, String> {
        match timeout(limit, self.child.wait()).await {
            Ok(status) => status.map_err(|error| error.to_string()),
            Err(_) => Err(format!("it had not ended after {limit:?}")),
        }
    }

    /// Returns the last lines of the log, for an error.
    pub(super) fn last_words(&self) -> String {
        match tail(&self.log) {
            Some(line) => format!("; it said: {line}"),
            None => String::new(),
        }
    }

    /// Returns the whole log.
    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Err(error) = killpg(Pid::from_raw(self.pid), Signal::SIGKILL) {
            tracing::debug!(%error, pid = self.pid, "actor: ended already ({error})");
        }
    }
}

fn tail(log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned)
}

/// Makes the name of an actor.
pub(super) fn actor_id(name: &str) -> Result<ActorId, String> {
    ActorId::parse(name)
}

/// Returns the text of a result.
pub(super) fn succeeded(finished: &Finished) -> Result<&str, String> {
    match &finished.outcome {
        Outcome::Succeeded(result) => Ok(&result.text),
        Outcome::Failed(error) => Err(format!("the job failed as {}: {error}", error.kind.as_str())),
        Outcome::Cancelled(reason) => Err(format!("the job was cancelled: {reason}")),
    }
}

/// Returns the error of a job that should have failed.
pub(super) fn failed(finished: &Finished) -> Result<&JobError, String> {
    match &finished.outcome {
        Outcome::Failed(error) => Ok(error),
        Outcome::Succeeded(result) => Err(format!("the job succeeded with {:?}", result.text)),
        Outcome::Cancelled(reason) => Err(format!("the job was cancelled: {reason}")),
    }
}

/// Fails with the observed value unless both are equal.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Verdict {
    if seen == expected { Ok(()) } else { Err(format!("{what} is {seen:?}, not {expected:?}")) }
}
