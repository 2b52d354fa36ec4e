//! A private Redis with one actor of a kind, and what is left of its jobs.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hero_supervisor::adapters::redis::{RedisConfig, RedisQueue};
use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{
    Job, JobError, JobQuota, JobResult, JobSpec, JobState, JobUsage, JobView, Outcome,
};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::ports::job_queue::JobQueue;
use hero_supervisor::ports::job_submission::{Completion, JobSubmission, Submission};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::Language;
use crate::support::redis::PrivateRedis;
use crate::support::wait::eventually;

/// For what comes at once on an idle machine.
const SOON: Duration = Duration::from_secs(60);
/// Jobs in a row that leave nothing behind.
const MANY: u32 = 1000;

pub(crate) struct EngineActor {
    queue: RedisQueue,
    script_type: ScriptType,
    number: fn(u32) -> String,
    numbers: u32,
    starts_programs: bool,
    pub(crate) actor_id: String,
    pub(crate) redis_url: String,
    child: Child,
    /// What was there before the first job.
    work: TempDir,
    log: PathBuf,
    redis: PrivateRedis,
}

impl EngineActor {
    pub(crate) async fn start(language: &Language) -> Self {
        let redis = PrivateRedis::start().await;
        let work = tempfile::Builder::new().prefix("engines").tempdir().unwrap();
        let actor_id = format!("{}_actor_0", language.script_type);
        let log = work.path().join("actor.log");
        let jobs = work.path().join("jobs");
        fs::create_dir(&jobs).unwrap();
        let access = redis.supervisors();
        let config = RedisConfig { url: redis.url(), access, ..RedisConfig::default() };
        let queue = RedisQueue::new(config).unwrap();
        redis.load_functions().await;
        let access = redis.actors(language.script_type);
        let child = Command::new(language.binary)
            .args(["--actor-id", &actor_id])
            .args(&language.flags)
            .env("REDIS_URL", redis.url())
            .env("REDIS_USER", access.user.unwrap())
            .env("REDIS_PASSWORD_FILE", access.password_file.unwrap())
            .env("HERO_SECRET", "s3cret")
            .env("HERO_LEASE", "15s")
            .env("TMPDIR", &jobs)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self {
            queue,
            script_type: language.script_type,
            number: language.number,
            numbers: language.numbers,
            starts_programs: language.starts_programs,
            actor_id,
            redis_url: redis.url(),
            child,
            work,
            log,
            redis,
        }
    }

    fn spec(&self, script: &str) -> JobSpec {
        JobSpec { run_timeout: SOON, ..JobSpec::new(self.script_type, script) }
    }

    async fn submit_spec(&self, spec: JobSpec) -> (JobId, Completion) {
        let job = Submission {
            id: JobId::mint(),
            spec,
            request: None,
            wanted: true,
            unroutable: false,
            quota: JobQuota::default(),
        };
        let job = self.queue.submit(vec![job]).await.unwrap().pop().unwrap().unwrap();
        (job.job.id, job.completion.unwrap())
    }

    async fn run(&self, spec: JobSpec) -> (JobId, Outcome) {
        let (id, completion) = self.submit_spec(spec).await;
        let finished = timeout(SOON * 2, completion.wait()).await;
        (id.clone(), finished.unwrap_or_else(|_| panic!("job {id} does not end")).unwrap().outcome)
    }

    pub(crate) async fn submit(&self, script: &str, run_timeout: Duration) -> (JobId, Completion) {
        self.submit_spec(JobSpec { run_timeout, ..self.spec(script) }).await
    }

    pub(crate) async fn result(&self, script: &str) -> JobResult {
        succeeded(script, self.run(self.spec(script)).await.1)
    }

    pub(crate) async fn error(&self, script: &str) -> JobError {
        match self.run(self.spec(script)).await.1 {
            Outcome::Failed(error) => error,
            other @ (Outcome::Succeeded(_) | Outcome::Cancelled(_)) => panic!("{script}: {other:?}"),
        }
    }

    pub(crate) async fn with_environment(&self, script: &str) -> (JobId, JobResult) {
        let spec = JobSpec {
            caller_id: "alice".to_owned(),
            context_id: "billing".to_owned(),
            env: [("GREETING".to_owned(), "hello".to_owned())].into(),
            ..self.spec(script)
        };
        let (id, outcome) = self.run(spec).await;
        (id, succeeded(script, outcome))
    }

    pub(crate) async fn with_input(&self, script: &str, input: String) -> JobResult {
        let spec = JobSpec { input: Some(input), ..self.spec(script) };
        succeeded(script, self.run(spec).await.1)
    }

    /// A job with its record after its end.
    pub(crate) async fn ended(&self, script: &str, run_timeout: Duration) -> (Job, Outcome) {
        let (id, outcome) = self.run(JobSpec { run_timeout, ..self.spec(script) }).await;
        (self.job(&id).await, outcome)
    }

    /// What a job has used, as its record and who has waited for it say.
    pub(crate) async fn used(&self, script: &str) -> JobUsage {
        let (id, completion) = self.submit(script, SOON).await;
        let finished = timeout(SOON * 2, completion.wait()).await.unwrap().unwrap();
        let usage = self.job(&id).await.usage.unwrap_or_else(|| panic!("{script}: no usage"));
        assert_eq!(finished.usage, Some(usage));
        succeeded(script, finished.outcome);
        usage
    }

    /// A script that gives this number back.
    pub(crate) fn number(&self, number: u32) -> String {
        (self.number)(number)
    }

    async fn job(&self, id: &JobId) -> Job {
        self.queue.get(id, JobView::Full).await.unwrap().unwrap()
    }

    pub(crate) async fn until_running(&self, id: &JobId) {
        eventually("the job runs", SOON, || async {
            let job = self.job(id).await;
            (job.state == JobState::Running && job.started_at.is_some()).then_some(())
        })
        .await;
    }

    pub(crate) async fn cancel(&self, id: &JobId) {
        self.queue.cancel(id, "a test").await.unwrap().unwrap();
    }

    pub(crate) async fn next_job_runs(&self, after: &str) {
        assert_eq!(self.result(&(self.number)(7)).await.text, "7", "after {after}");
    }

    fn hosts(&self) -> Vec<i32> {
        crate::support::full_service::children_of(self.child.id().cast_signed())
    }

    /// Everything below the actor.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mut found = vec![self.child.id().cast_signed()];
        let mut next = 0;
        while let Some(parent) = found.get(next) {
            found.extend(crate::support::full_service::children_of(*parent));
            next += 1;
        }
        found.split_off(1)
    }

    /// Those of them that have started nothing: scripts and their programs, or a host that runs its script itself. Waits
    /// for a program that the script starts; `before` are the processes before the job.
    pub(crate) async fn leaves(&self, before: &[i32]) -> Vec<i32> {
        eventually("the script has started its program", SOON, || async {
            let mut found = self.processes();
            // A host that has just come up in place of another one has started nothing either, and stays.
            let hosts = if self.starts_programs { self.hosts() } else { Vec::new() };
            found.retain(|pid| {
                !hosts.contains(pid) && crate::support::full_service::children_of(*pid).is_empty()
            });
            let has_started = found.iter().any(|pid| !before.contains(pid));
            (has_started || !self.starts_programs).then_some(found)
        })
        .await
    }

    pub(crate) async fn until_gone(&self, pids: &[i32], limit: Duration, begun: Instant) {
        eventually("the processes of a cancelled job are gone", SOON, || async {
            (!pids.iter().any(|pid| is_alive(*pid))).then_some(())
        })
        .await;
        let took = begun.elapsed();
        // What a busy machine takes beyond it is no fault of the engine.
        assert!(took < limit + Duration::from_secs(2), "{took:?}");
    }

    /// Many jobs more, and neither a process nor a file nor much memory.
    pub(crate) async fn nothing_is_left(&self) {
        self.next_job_runs("everything").await;
        assert_eq!(self.redis.refused_to_users(), Vec::<String>::new(), "it has the rights that it needs");
        let (hosts, processes, memory) = (self.hosts(), self.processes().len(), self.memory());
        let mut jobs = Vec::new();
        for number in 0..MANY {
            jobs.push(self.submit(&(self.number)(number % self.numbers), SOON).await);
        }
        for (number, (id, completion)) in (0..).zip(jobs) {
            let outcome = timeout(SOON * 5, completion.wait()).await.unwrap().unwrap().outcome;
            assert_eq!(succeeded(id.as_str(), outcome).text, (number % self.numbers).to_string());
        }
        assert_eq!(self.hosts(), hosts, "the same hosts");
        // One that waits for the next job may just be made.
        eventually("as many processes as before", SOON, || async {
            (self.processes().len() == processes).then_some(())
        })
        .await;
        let grown = self.memory().saturating_sub(memory);
        assert!(grown < 16 << 10, "{MANY} jobs have left {grown} KiB behind");
        let folders: Vec<PathBuf> = files_in(&self.work.path().join("jobs"));
        let jobs: Vec<PathBuf> = folders.iter().flat_map(|host| files_in(host)).collect();
        assert!(jobs.len() <= hosts.len(), "{jobs:?}");
        let files: Vec<PathBuf> = jobs.iter().flat_map(|job| files_in(job)).collect();
        assert!(files.is_empty(), "{files:?}");
    }

    /// Resident memory of everything below the actor and of the actor, in KiB.
    fn memory(&self) -> u64 {
        let all = self.processes().into_iter().chain([self.child.id().cast_signed()]);
        all.map(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
            line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0)
        })
        .sum()
    }
}

impl Drop for EngineActor {
    #[expect(clippy::print_stderr, reason = "shown with a failed test")]
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

fn succeeded(script: &str, outcome: Outcome) -> JobResult {
    match outcome {
        Outcome::Succeeded(result) => result,
        other @ (Outcome::Failed(_) | Outcome::Cancelled(_)) => panic!("{script}: {other:?}"),
    }
}

fn files_in(folder: &std::path::Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
}
