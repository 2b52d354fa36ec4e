//! A private Redis, actors on it, and a supervisor's view of the queue.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use hero_supervisor::adapters::redis::{RedisConfig, RedisQueue};
use hero_supervisor::domain::model::id::{ActorId, JobId};
use hero_supervisor::domain::model::job::{
    Finished, Job, JobError, JobKind, JobQuota, JobResult, JobSpec, JobState, JobView, Outcome,
};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::ports::job_queue::JobQueue;
use hero_supervisor::ports::job_submission::{Completion, JobSubmission, Submission};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::redis::PrivateRedis;
use crate::support::wait::eventually;

/// For facts that come at once on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) struct OsisProgram {
    pub(crate) redis: PrivateRedis,
    pub(crate) queue: RedisQueue,
    dir: TempDir,
    lease: Duration,
}

impl OsisProgram {
    pub(crate) async fn start() -> Self {
        Self::with_lease(Duration::from_secs(15)).await
    }

    pub(crate) async fn with_lease(lease: Duration) -> Self {
        Self::on(PrivateRedis::start().await, lease)
    }

    /// Its Redis loses nothing by a restart.
    pub(crate) async fn append_only(lease: Duration) -> Self {
        Self::on(PrivateRedis::start_append_only().await, lease)
    }

    fn on(redis: PrivateRedis, lease: Duration) -> Self {
        let config = RedisConfig { url: redis.url(), lease, ..RedisConfig::default() };
        let queue = RedisQueue::new(config).unwrap();
        let dir = tempfile::Builder::new().prefix("osis").tempdir().unwrap();
        Self { redis, queue, dir, lease }
    }

    /// Starts an actor; it takes jobs as soon as it is up.
    pub(crate) fn actor(&self, name: &str) -> Actor {
        self.actor_with(name, &[])
    }

    pub(crate) fn actor_with(&self, name: &str, flags: &[&str]) -> Actor {
        self.start_actor(env!("CARGO_BIN_EXE_osis_actor"), name, flags)
    }

    /// Starts an actor for the system functions.
    pub(crate) fn sal_actor(&self, name: &str, flags: &[&str]) -> Actor {
        self.start_actor(env!("CARGO_BIN_EXE_sal_actor"), name, flags)
    }

    /// Starts an actor of any kind.
    pub(crate) fn start_actor(&self, program: &str, name: &str, flags: &[&str]) -> Actor {
        let log = self.dir.path().join(format!("{name}.log"));
        let child = Command::new(program)
            .args(["--redis-url", &self.redis.url(), "--actor-id", name])
            .arg(format!("--lease={}ms", self.lease.as_millis()))
            .args(flags)
            .env("RUST_LOG", "info,hero_supervisor=debug")
            .env("HERO_SECRET", "s3cret")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Actor { child, log, name: name.to_owned() }
    }

    /// An actor that is known to work.
    pub(crate) async fn ready_actor(&self, name: &str) -> Actor {
        let actor = self.actor(name);
        let finished = self.end_of(ping(Some(name))).await;
        assert!(matches!(finished.outcome, Outcome::Succeeded(_)), "{finished:?}");
        actor
    }

    pub(crate) async fn submit(&self, spec: JobSpec) -> (JobId, Completion) {
        self.submit_all(vec![spec]).await.pop().unwrap()
    }

    pub(crate) async fn submit_all(&self, specs: Vec<JobSpec>) -> Vec<(JobId, Completion)> {
        let jobs = specs.into_iter().map(|spec| Submission {
            id: JobId::mint(),
            spec,
            request: None,
            wanted: true,
            unroutable: false,
            quota: JobQuota::default(),
        });
        let submitted = self.queue.submit(jobs.collect()).await.unwrap();
        let taken = submitted.into_iter().map(|job| {
            let job = job.unwrap();
            (job.job.id, job.completion.unwrap())
        });
        taken.collect()
    }

    pub(crate) async fn end_of(&self, spec: JobSpec) -> Finished {
        let (id, completion) = self.submit(spec).await;
        end(&id, completion).await
    }

    pub(crate) async fn run(&self, text: &str) -> JobResult {
        let finished = self.end_of(script(text)).await;
        match finished.outcome {
            Outcome::Succeeded(result) => result,
            other @ (Outcome::Failed(_) | Outcome::Cancelled(_)) => panic!("{text}: {other:?}"),
        }
    }

    pub(crate) async fn error(&self, spec: JobSpec) -> JobError {
        let finished = self.end_of(spec).await;
        match finished.outcome {
            Outcome::Failed(error) => error,
            other @ (Outcome::Succeeded(_) | Outcome::Cancelled(_)) => panic!("{other:?}"),
        }
    }

    pub(crate) async fn job(&self, id: &JobId) -> Job {
        self.queue.get(id, JobView::Full).await.unwrap().unwrap()
    }

    pub(crate) async fn until_running(&self, id: &JobId) -> Job {
        eventually("the job runs", SOON, || async {
            // The start of a job is reported a little later, so a record alone is no hurry.
            Some(self.job(id).await).filter(|job| job.state == JobState::Running && job.started_at.is_some())
        })
        .await
    }
}

pub(crate) async fn end(id: &JobId, completion: Completion) -> Finished {
    let finished = timeout(Duration::from_secs(60), completion.wait()).await;
    finished.unwrap_or_else(|_| panic!("job {id} does not end")).unwrap()
}

pub(crate) fn script(text: &str) -> JobSpec {
    JobSpec::new(ScriptType::OSIS, text)
}

pub(crate) fn script_for(text: &str, run_timeout: Duration) -> JobSpec {
    JobSpec { run_timeout, ..script(text) }
}

pub(crate) fn ping(actor: Option<&str>) -> JobSpec {
    let target_actor = actor.map(|name| ActorId::parse(name).unwrap());
    JobSpec { kind: JobKind::Ping, target_actor, ..script("ping") }
}

/// A running actor; killed when dropped, and its log shown when a test fails.
pub(crate) struct Actor {
    child: Child,
    log: PathBuf,
    name: String,
}

impl Actor {
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    pub(crate) async fn exit(&mut self) -> ExitStatus {
        eventually("the actor exits", SOON, || {
            let status = self.child.try_wait().unwrap();
            async move { status }
        })
        .await
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Processes whose parent is the actor.
    pub(crate) fn children(&self) -> Vec<i32> {
        children_of(self.pid())
    }

    /// Its one engine host.
    pub(crate) async fn host(&self) -> i32 {
        eventually("one engine host", SOON, || async {
            match self.children().as_slice() {
                [host] => Some(*host),
                _ => None,
            }
        })
        .await
    }
}

impl Drop for Actor {
    #[expect(clippy::print_stderr, reason = "shown with a failed test")]
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            eprintln!("--- last lines of {}:\n{}", self.name, tail.join("\n"));
        }
    }
}

pub(crate) fn children_of(parent: i32) -> Vec<i32> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // The name is in parentheses and may hold anything; state and parent follow it.
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let mut fields = rest.split_whitespace();
        let (state, ppid) = (fields.next(), fields.next());
        if ppid == Some(&parent.to_string()) && state != Some("Z") {
            children.push(pid);
        }
    }
    children
}

pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
}
