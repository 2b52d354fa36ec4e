//! Cases with intervention: cancel, drain, freeze.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::LEASE;
use super::cases::{Case, attempts};
use super::kit::{Kit, Verdict, actor_id, failed, same, succeeded};
use crate::domain::model::job::{JobErrorKind, JobSpec, JobState};
use crate::ports::actor_presence::ActorPresence;
use crate::ports::job_queue::JobQueue;

/// All cases.
pub(super) const ALL: &[Case] = &[
    ("heartbeat: a job longer than the lease is kept", |kit| Box::pin(heartbeat(kit))),
    ("cancel: a running script is killed within a second", |kit| Box::pin(cancel(kit))),
    ("drain: SIGTERM finishes what runs, takes nothing, exits 0", |kit| Box::pin(sigterm(kit))),
    ("drain: a message stops taking until its time has come", |kit| Box::pin(drain_message(kit))),
    ("fence: a result after a lost lease changes nothing", |kit| Box::pin(fence(kit))),
    ("lease loss: another actor does the job, once", |kit| Box::pin(lease_loss(kit))),
];

async fn heartbeat(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let script = kit.scripts.sleeps_for(LEASE.as_secs_f64() * 2.0);
    let finished = kit.run(attempts(kit.spec(&script), 2)).await?;
    same("the result", succeeded(&finished)?, "slept")?;
    same("the attempts", finished.attempt, 1)
}

async fn cancel(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let (id, _completion) = kit.submit(kit.spec(&kit.scripts.sleeps_for(60.0))).await?;
    kit.until_running(&id).await?;
    let begun = Instant::now();
    let cancelled = kit.queue.cancel(&id, "enough").await.map_err(|error| error.to_string())?;
    same("what the cancel changed", cancelled.map(|cancelled| cancelled.changed), Some(true))?;
    let next = kit.run(kit.spec(&kit.scripts.value)).await?;
    same("the result of the next job", succeeded(&next)?, "42")?;
    let limit = kit.within(Duration::from_secs(1));
    if begun.elapsed() > limit {
        return Err(format!(
            "the next job ended {:?} after the cancel, not within {limit:?}",
            begun.elapsed()
        ));
    }
    same("the state of the cancelled job", kit.job(&id).await?.state, JobState::Cancelled)
}

async fn sigterm(kit: &Kit) -> Verdict {
    let mut actor = kit.actor("one").await?;
    let (id, completion) = kit.submit(kit.spec(&kit.scripts.sleeps_for(1.5))).await?;
    kit.until_running(&id).await?;
    actor.signal(Signal::SIGTERM)?;
    let limit = kit.within(Duration::from_secs(3));
    kit.until("it announces that it drains", limit, async || {
        Ok(kit.presence("one").await?.filter(|presence| presence.draining))
    })
    .await?;
    let (later, _completion) = kit.submit(kit.spec(&kit.scripts.value)).await?;
    same("the result", succeeded(&kit.end(completion).await?)?, "slept")?;
    let status = actor.exit(kit.within(Duration::from_secs(10))).await?;
    same("the exit code", status.code(), Some(0))?;
    let later = kit.job(&later).await?;
    same("the state of a later job", (later.state, later.attempt), (JobState::Queued, 0))
}

async fn drain_message(kit: &Kit) -> Verdict {
    let _actor = kit.actor("one").await?;
    let resume = kit.within(Duration::from_secs(3));
    let begun = Instant::now();
    let asked = kit.queue.request_drain(kit.script_type.into(), &actor_id("one")?, resume).await;
    asked.map_err(|error| error.to_string())?;
    kit.until("it announces that it drains", resume / 2, async || {
        Ok(kit.presence("one").await?.filter(|presence| presence.draining))
    })
    .await?;
    let finished = kit.run(kit.spec(&kit.scripts.value)).await?;
    same("the result", succeeded(&finished)?, "42")?;
    // Both sides have clocks of milliseconds.
    if begun.elapsed() + Duration::from_millis(100) < resume {
        return Err(format!(
            "it took a job {:?} after it was told to take none for {resume:?}",
            begun.elapsed()
        ));
    }
    Ok(())
}

async fn fence(kit: &Kit) -> Verdict {
    let actor = kit.actor("one").await?;
    let (id, completion) = kit.submit(kit.spec(&kit.scripts.sleeps_for(1.0))).await?;
    kit.until_running(&id).await?;
    actor.signal(Signal::SIGSTOP)?;
    let finished = kit.end(completion).await?;
    same("the kind", failed(&finished)?.kind, JobErrorKind::ActorLost)?;
    let before = kit.job(&id).await?;
    actor.signal(Signal::SIGCONT)?;
    let next = kit.run(kit.spec(&kit.scripts.value)).await?;
    same("the result of the next job", succeeded(&next)?, "42")?;
    let after = kit.job(&id).await?;
    if after == before { Ok(()) } else { Err(format!("the job changed after its end: {:?}", after.state)) }
}

async fn lease_loss(kit: &Kit) -> Verdict {
    let frozen = kit.actor("one").await?;
    let spec = attempts(kit.spec(&kit.scripts.sleeps_for(1.0)), 2);
    let (id, completion) = kit.submit(spec).await?;
    kit.until_running(&id).await?;
    frozen.signal(Signal::SIGSTOP)?;
    let _other = kit.actor("two").await?;
    let finished = kit.end(completion).await?;
    same("the result", succeeded(&finished)?, "slept")?;
    let actor = finished.actor_id.as_ref().map(|id| id.as_str());
    same("attempt and actor", (finished.attempt, actor), (2, Some("two")))?;
    let before = kit.job(&id).await?;
    frozen.signal(Signal::SIGCONT)?;
    let target_actor = Some(actor_id("one")?);
    let next = kit.run(JobSpec { target_actor, ..kit.spec(&kit.scripts.value) }).await?;
    same("the result of the next job of the one that was frozen", succeeded(&next)?, "42")?;
    let after = kit.job(&id).await?;
    if after == before { Ok(()) } else { Err(format!("the job changed after its end: {:?}", after.state)) }
}
