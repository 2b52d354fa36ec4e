//! The rules, and how each is checked.

use std::time::{Duration, SystemTime};

use hero_supervisor::domain::model::job::{Job, JobError, JobErrorKind, JobResult, Outcome, ResultKind};
use tokio::time::Instant;

use super::engine_actor::EngineActor;

/// Why some engines cannot break some rules.
pub(super) const SPAWNS_NOTHING: &str = "scripts of this kind cannot start processes";
/// The limit of the scripts that run into it; long enough for its tenth to be longer than a busy machine may take.
const LIMIT: Duration = Duration::from_secs(6);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// `{"answer":42}` comes back as JSON.
    Value,
    /// Without a value, what was printed ("seen") is the result.
    NoValue,
    /// "grüße, 世界 🦀" comes back as text.
    Unicode,
    /// "out 0", "err 0", "out 1" to 4 are heard in the order in which they were written; then the script fails.
    Order,
    /// The error of a running script has the line.
    ErrorPosition,
    /// A script that does not parse is invalid, on line 2.
    Invalid,
    /// 7 is told.
    ExitCode,
    /// An endless script ends at its limit, no more than a tenth later.
    Timeout,
    /// A sleeping script ends within a second of its cancellation.
    Cancel,
    /// A process that was started (its pid is the result) is gone with the job.
    Grandchildren,
    /// The same for one that has left group, session and parent.
    Daemon,
    /// Ten megabytes are cut, and it is said so.
    Output,
    /// Two megabytes are refused.
    ResultTooBig,
    /// `GREETING|caller|context|job|actor`.
    Environment,
    /// `name|the second of list|ok of deep|length of pad` of a large input.
    Input,
    /// Nothing of the actor's own environment can be seen.
    Secrets,
    /// Endless recursion.
    StackBomb,
    /// Endless memory.
    MemoryBomb,
    /// Endless processes.
    ForkBomb,
    /// A script that brings its process down.
    Crash,
    /// 0.3 seconds of processor time and 50 MB of memory are told with the end of the job.
    Usage,
}

impl Rule {
    pub(crate) const ALL: [Self; 21] = [
        Self::Value,
        Self::NoValue,
        Self::Unicode,
        Self::Order,
        Self::ErrorPosition,
        Self::Invalid,
        Self::ExitCode,
        Self::Timeout,
        Self::Cancel,
        Self::Grandchildren,
        Self::Daemon,
        Self::Output,
        Self::ResultTooBig,
        Self::Environment,
        Self::Input,
        Self::Secrets,
        Self::StackBomb,
        Self::MemoryBomb,
        Self::ForkBomb,
        Self::Crash,
        Self::Usage,
    ];

    pub(crate) async fn check(self, stage: &EngineActor, script: &str) {
        match self {
            Self::Value => {
                let expected = JobResult { text: r#"{"answer":42}"#.to_owned(), kind: ResultKind::Json };
                assert_eq!(stage.result(script).await, expected);
            }
            Self::NoValue => {
                let expected = JobResult { text: "seen".to_owned(), kind: ResultKind::None };
                assert_eq!(stage.result(script).await, expected);
            }
            Self::Unicode => {
                let expected = JobResult { text: "grüße, 世界 🦀".to_owned(), kind: ResultKind::Text };
                assert_eq!(stage.result(script).await, expected);
            }
            Self::Order => {
                let error = stage.error(script).await;
                let expected: Vec<String> =
                    (0..5).flat_map(|i| [format!("out {i}"), format!("err {i}")]).collect();
                assert_eq!(error.log_tail, expected);
            }
            Self::ErrorPosition => {
                let error = self.failed(stage, script, JobErrorKind::ScriptError).await;
                assert!(error.line.is_some() && error.message.contains("no_such_thing"), "{error:?}");
            }
            Self::Invalid => {
                let error = self.failed(stage, script, JobErrorKind::ScriptInvalid).await;
                assert_eq!(error.line, Some(2), "{error:?}");
            }
            Self::ExitCode => {
                let error = self.failed(stage, script, JobErrorKind::ScriptError).await;
                assert_eq!(error.exit_code, Some(7), "{error:?}");
            }
            Self::Timeout => timeout(stage, script).await,
            Self::Usage => usage(stage, script).await,
            Self::Cancel => cancel(stage, script).await,
            Self::Grandchildren | Self::Daemon => {
                let pid: i32 = stage.result(script).await.text.trim().parse().unwrap();
                assert!(!super::engine_actor::is_alive(pid), "{self:?}: {pid} has survived its job");
            }
            Self::Output => {
                let printed = stage.result(script).await.text;
                assert!(printed.len() <= 1 << 20 && printed.len() > 1_000_000, "{}", printed.len());
                assert!(printed.starts_with("xxx") && printed.ends_with("x\nend"));
                assert!(printed.contains(" bytes truncated ...]\n"));
            }
            Self::ResultTooBig => {
                let error = self.failed(stage, script, JobErrorKind::LimitExceeded).await;
                assert!(error.message.contains("result"), "{error:?}");
            }
            Self::Environment => {
                let (job, result) = stage.with_environment(script).await;
                let expected = format!("hello|alice|billing|{job}|{}", stage.actor_id);
                assert_eq!(result.text, expected);
            }
            Self::Input => {
                let pad = "x".repeat(1_000_000);
                let input = format!(
                    r#"{{"name": "ann é", "list": [1, 2.5], "deep": {{"ok": true, "no": null}}, "pad": "{pad}"}}"#
                );
                assert_eq!(stage.with_input(script, input).await.text, "ann é|2.5|true|1000000");
            }
            Self::Secrets => {
                let seen = stage.result(script).await.text;
                for secret in
                    ["s3cret", stage.redis_url.as_str(), "REDIS_URL", "REDIS_PASSWORD", "HERO_LEASE"]
                {
                    assert!(!seen.contains(secret), "{secret} can be seen: {seen}");
                }
            }
            Self::StackBomb | Self::MemoryBomb | Self::ForkBomb | Self::Crash => {
                let error = stage.error(script).await;
                let stack = [JobErrorKind::LimitExceeded, JobErrorKind::EngineCrash];
                let allowed: &[JobErrorKind] = if self == Self::Crash {
                    &stack[1..]
                } else if self == Self::StackBomb {
                    &stack
                } else {
                    &stack[..1]
                };
                assert!(allowed.contains(&error.kind), "{self:?}: {error:?}");
            }
        }
    }

    async fn failed(self, stage: &EngineActor, script: &str, kind: JobErrorKind) -> JobError {
        let error = stage.error(script).await;
        assert_eq!(error.kind, kind, "{self:?}: {error:?}");
        error
    }
}

async fn timeout(stage: &EngineActor, script: &str) {
    let (job, outcome) = stage.ended(script, LIMIT).await;
    assert!(
        matches!(&outcome, Outcome::Failed(error) if error.kind == JobErrorKind::RunTimeout),
        "{outcome:?}"
    );
    let took = lasted(&job);
    assert!(took >= LIMIT && took <= LIMIT + LIMIT / 10, "{took:?}");
    let used = job.usage.unwrap();
    assert!(used.cpu >= LIMIT / 10 && used.cpu <= LIMIT * 2, "an endless script is busy: {used:?}");
}

async fn usage(stage: &EngineActor, script: &str) {
    const LITTLE: Duration = Duration::from_millis(250);
    let idle = stage.used(&stage.number(3)).await;
    let busy = stage.used(script).await;
    let again = stage.used(&stage.number(3)).await;
    assert!(busy.cpu >= Duration::from_millis(300) && busy.cpu < Duration::from_secs(30), "{busy:?}");
    let peak = busy.peak_memory.unwrap();
    assert!((50_000_000..250_000_000).contains(&peak), "{busy:?}");
    for idle in [idle, again] {
        assert!(idle.cpu < LITTLE, "{idle:?}");
        assert!(
            idle.peak_memory.is_none_or(|idle| (1_000_000..peak - 20_000_000).contains(&idle)),
            "{idle:?}"
        );
    }
}

/// From its start to its end, as they are recorded.
fn lasted(job: &Job) -> Duration {
    let (started, ended): (SystemTime, SystemTime) = (job.started_at.unwrap(), job.finished_at.unwrap());
    ended.duration_since(started).unwrap()
}

async fn cancel(stage: &EngineActor, script: &str) {
    let before = stage.processes();
    let (id, completion) = stage.submit(script, Duration::from_secs(600)).await;
    stage.until_running(&id).await;
    let begun = Instant::now();
    // Of a host that lets its script end, only what the script is made of goes.
    let children = stage.leaves(&before).await;
    stage.cancel(&id).await;
    let finished = completion.wait().await.unwrap();
    assert!(matches!(finished.outcome, Outcome::Cancelled(_)), "{finished:?}");
    stage.until_gone(&children, Duration::from_secs(1), begun).await;
}
