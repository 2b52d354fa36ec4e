//! Cases without intervention.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::kit::{Kit, Verdict, actor_id, failed, same, succeeded};
use crate::domain::model::backoff::Backoff;
use crate::domain::model::job::{JobErrorKind, JobKind, JobSpec, JobState, RetryPolicy};
use crate::domain::model::output::LogStream;
use crate::domain::model::output::OutputItem;
use crate::domain::model::script_type::ScriptType;
use crate::error::chain;
use crate::ports::job_queue::JobQueue;
use crate::ports::queue_admin::QueueAdmin;

/// The future of a case.
pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Verdict> + 'a>>;
/// A case.
pub(super) type Case = (&'static str, for<'a> fn(&'a Kit) -> Running<'a>);

/// The case on which all others depend.
pub(super) const FIRST: &str = "announce: the actor is seen, and gone after its end";

/// The case that is skipped where scripts cannot report progress.
pub(super) const PROGRESS: &str = "progress: seen while the script runs";

/// All cases, in the order in which they build on each other.
pub(super) const ALL: &[Case] = &[
    ("health check: exit code 0 and a line", |kit| Box::pin(health_check(kit))),
    (FIRST, |kit| Box::pin(announce(kit))),
    ("take: a job is run and its result given", |kit| Box::pin(take(kit))),
    ("take: a script too large for its entry", |kit| Box::pin(large(kit))),
    ("environment, caller and context are seen", |kit| Box::pin(environment(kit))),
    ("order: jobs that wait are run, oldest first", |kit| Box::pin(order(kit))),
    ("pause: nothing is taken from a paused queue", |kit| Box::pin(pause(kit))),
    ("fail: an error of the script is script_error", |kit| Box::pin(script_error(kit))),
    ("fail: what does not parse is script_invalid, tried once", |kit| Box::pin(invalid(kit))),
    ("fail: an overrun is run_timeout", |kit| Box::pin(overrun(kit))),
    ("retry: as often as allowed", |kit| Box::pin(retry(kit))),
    ("ping: answered by the engine", |kit| Box::pin(ping(kit))),
    ("pinned: only its actor takes a job", |kit| Box::pin(pinned(kit))),
    ("logs: lines of both outputs, in order", |kit| Box::pin(logs(kit))),
    (PROGRESS, |kit| Box::pin(progress(kit))),
];

async fn health_check(kit: &Kit) -> Verdict {
    let mut checked = kit.start("checked", &["--health-check"])?;
    let status = checked.exit(kit.within(Duration::from_secs(15))).await?;
    same("the exit code", status.code(), Some(0)).map_err(|why| format!("{why}{}", checked.last_words()))?;
    if checked.said().trim().is_empty() { Err("it said nothing".to_owned()) } else { Ok(()) }
}

async fn announce(kit: &Kit) -> Verdict {
    let mut actor = kit.actor("one").await?;
    let presence = kit.presence("one").await?.ok_or("it is not announced")?;
    same("the announced pid", i32::try_from(presence.pid).unwrap_or(0), actor.pid())?;
    actor.signal(nix::sys::signal::Signal::SIGTERM)?;
    let status = actor.exit(kit.within(Duration::from_secs(8))).await?;
    same("the exit code after SIGTERM", status.code(), Some(0))?;
    match kit.presence("one").await? {
        None => Ok(()),
        Some(_) => Err("it did not leave (hero_leave)".to_owned()),
    }
}

async fn take(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let finished = kit.run(kit.spec(&kit.scripts.value)).await?;
    same("the result", succeeded(&finished)?, "42")?;
    same("the attempt", finished.attempt, 1)?;
    same("the actor", finished.actor_id.as_ref().map(|id| id.as_str()), Some("one"))?;
    if finished.started_at.is_none() { Err("the start is missing".to_owned()) } else { Ok(()) }
}

async fn large(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let script = format!("{} {}\n{}", kit.scripts.comment, "x".repeat(100_000), kit.scripts.value);
    let finished = kit.run(kit.spec(&script)).await?;
    same("the result", succeeded(&finished)?, "42")
}

async fn environment(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let finished = kit.run(kit.spec(&kit.scripts.sees)).await?;
    same("what the script saw", succeeded(&finished)?, "grüße kit/conformance")
}

async fn order(kit: &Kit) -> Verdict {
    const JOBS: usize = 20;
    let mut waiting = Vec::new();
    for _ in 0..JOBS {
        waiting.push(kit.submit(kit.spec(&kit.scripts.value)).await?.1);
    }
    let _actor = kit.actor("one").await?;
    let mut last = None;
    for (number, completion) in waiting.into_iter().enumerate() {
        let finished = kit.end(completion).await?;
        same("the result", succeeded(&finished)?, "42")?;
        // Concurrent jobs may overtake each other, except where the order is promised.
        if kit.script_type == ScriptType::OSIS && last.is_some_and(|last| finished.finished_at < last) {
            return Err(format!("job {number} ended before the one in front of it"));
        }
        last = Some(finished.finished_at);
    }
    Ok(())
}

async fn pause(kit: &Kit) -> Verdict {
    /// Time in which the actor could take the job that it must not take.
    const QUIET: Duration = Duration::from_secs(1);
    let _actor = kit.actor("one").await?;
    let first = kit.run(kit.spec(&kit.scripts.value)).await?;
    same("the result", succeeded(&first)?, "42")?;
    let failed = |error| format!("the queue: {}", chain(&error));
    kit.queue.pause(kit.script_type.into(), "a case", None).await.map_err(failed)?;
    let (id, completion) = kit.submit(kit.spec(&kit.scripts.value)).await?;
    sleep(QUIET).await;
    let waiting = kit.job(&id).await?;
    same("the state of a job in the paused queue", (waiting.state, waiting.attempt), (JobState::Queued, 0))?;
    kit.queue.resume(kit.script_type.into()).await.map_err(failed)?;
    same("the result after the pause", succeeded(&kit.end(completion).await?)?, "42")
}

async fn script_error(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let finished = kit.run(kit.spec(&kit.scripts.fails)).await?;
    let error = failed(&finished)?;
    same("the kind", error.kind, JobErrorKind::ScriptError)?;
    if error.message.contains("broken") { Ok(()) } else { Err(format!("the message is {:?}", error.message)) }
}

async fn invalid(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let finished = kit.run(attempts(kit.spec(&kit.scripts.invalid), 3)).await?;
    same("the kind", failed(&finished)?.kind, JobErrorKind::ScriptInvalid)?;
    same("the attempts", finished.attempt, 1)
}

async fn overrun(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let mut spec = kit.spec(&kit.scripts.sleeps_for(60.0));
    spec.run_timeout = Duration::from_secs(1);
    let finished = kit.run(spec).await?;
    same("the kind", failed(&finished)?.kind, JobErrorKind::RunTimeout)?;
    let next = kit.run(kit.spec(&kit.scripts.value)).await?;
    same("the result of the next job", succeeded(&next)?, "42")
}

async fn retry(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let finished = kit.run(attempts(kit.spec(&kit.scripts.fails), 3)).await?;
    failed(&finished)?;
    same("the attempts", finished.attempt, 3)
}

async fn ping(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let target_actor = Some(actor_id("one")?);
    let finished =
        kit.run(JobSpec { kind: JobKind::Ping, target_actor, ..kit.spec(&kit.scripts.value) }).await?;
    succeeded(&finished).map(drop)
}

async fn pinned(kit: &Kit) -> Verdict {
    let _one = kit.actor("one").await?;
    let _two = kit.actor("two").await?;
    for name in ["two", "one", "two"] {
        let target_actor = Some(actor_id(name)?);
        let finished = kit.run(JobSpec { target_actor, ..kit.spec(&kit.scripts.value) }).await?;
        same("the result", succeeded(&finished)?, "42")?;
        same("the actor", finished.actor_id.as_ref().map(|id| id.as_str()), Some(name))?;
    }
    Ok(())
}

async fn logs(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let (id, completion) = kit.submit(kit.spec(&kit.scripts.writes)).await?;
    succeeded(&kit.end(completion).await?)?;
    let kept = kit.output(&id).await?;
    let of = |wanted: LogStream| -> Vec<&str> {
        let line = |said| match said {
            &OutputItem::Line { stream, ref text } if stream == wanted => Some(text.as_str()),
            OutputItem::Line { .. } | OutputItem::Progress { .. } => None,
        };
        kept.iter().filter_map(|kept| line(&kept.chunk.item)).collect()
    };
    same("standard output", of(LogStream::Stdout), vec!["line 1", "line 2", "line 3"])?;
    same("standard error", of(LogStream::Stderr), vec!["err 1", "err 2", "err 3"])?;
    let numbers: Vec<u64> = kept.iter().map(|kept| kept.chunk.number).collect();
    same("the numbers of the lines", numbers, (1..=6).collect())
}

async fn progress(kit: &Kit) -> Verdict {
    let reports = kit.scripts.reports.as_ref().ok_or("there is no script for it")?;
    let _actor = kit.actor("one").await?;
    let (id, _completion) = kit.submit(kit.spec(reports)).await?;
    let limit = kit.within(Duration::from_secs(10));
    let seen =
        kit.until("the progress in the record", limit, async || Ok(kit.job(&id).await?.progress)).await?;
    same("the progress", (seen.percent, seen.message.as_str()), (Some(40.0), "copying"))?;
    let first = kit.output(&id).await?.into_iter().next().ok_or("the line before it is missing")?;
    let begins = OutputItem::Line { stream: LogStream::Stdout, text: "begins".to_owned() };
    same("the first line", first.chunk.item, begins)?;
    let begun = Instant::now();
    kit.queue.cancel(&id, "seen").await.map_err(|error| error.to_string())?;
    let finished = kit.run(kit.spec(&kit.scripts.value)).await?;
    same("the result of the next job", succeeded(&finished)?, "42")
        .map_err(|why| format!("{why} after {:?}", begun.elapsed()))
}

/// The job with a retry policy of short delays.
pub(super) fn attempts(spec: JobSpec, max_attempts: u32) -> JobSpec {
    let backoff = Backoff::of_millis(100, 200);
    JobSpec { retry: RetryPolicy { max_attempts, backoff }, ..spec }
}
