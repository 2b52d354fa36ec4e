//! What is done to the stage: one fault after another, by the seed, each undone before the next one begins.

mod actors;
mod redis;
mod supervisors;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::history::Fault;
use crate::stage::{Stage, now};
use crate::wire::Mode;

/// A kind of fault, with its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    RedisKill,
    RedisFreeze,
    RedisRefuses(redis::Refusal),
    RedisForgetsFunctions,
    RedisDropsConnections,
    /// Seconds to half an hour, ahead or back, and back again.
    RedisClockSteps,
    /// Of one supervisor, or of all actors.
    Wire(Mode),
    SupervisorKill,
    SupervisorTerm,
    SupervisorFreeze,
    /// One after the other is replaced, in order.
    SupervisorsRoll,
    ActorKill,
    ActorFreeze,
    ActorRestart,
    /// More actors of one type, and then one again.
    Scale,
    ZinitKill,
    ZinitFreeze,
    /// An actor that ends as soon as it has begun; it is to disturb nobody.
    CrashLoop,
}

const KINDS: [(Kind, usize); 25] = [
    (Kind::RedisKill, 2),
    (Kind::RedisFreeze, 2),
    (Kind::RedisRefuses(redis::Refusal::NoReplicas), 2),
    (Kind::RedisRefuses(redis::Refusal::Full), 2),
    (Kind::RedisRefuses(redis::Refusal::ReadOnly), 2),
    (Kind::RedisRefuses(redis::Refusal::CannotSave), 2),
    (Kind::RedisRefuses(redis::Refusal::FullDisk), 2),
    (Kind::RedisRefuses(redis::Refusal::NotAllowed), 2),
    (Kind::RedisRefuses(redis::Refusal::Busy), 1),
    (Kind::RedisForgetsFunctions, 1),
    (Kind::RedisDropsConnections, 1),
    (Kind::RedisClockSteps, 2),
    (Kind::Wire(Mode::Cut), 2),
    (Kind::Wire(Mode::Stall), 2),
    (Kind::Wire(Mode::LoseAnswers), 3),
    (Kind::SupervisorKill, 3),
    (Kind::SupervisorTerm, 2),
    (Kind::SupervisorFreeze, 2),
    (Kind::SupervisorsRoll, 2),
    (Kind::ActorKill, 3),
    (Kind::ActorFreeze, 3),
    (Kind::ActorRestart, 2),
    (Kind::Scale, 2),
    (Kind::ZinitKill, 1),
    (Kind::ZinitFreeze, 1),
];

/// Does things to the stage until it is time to end; gives back what it did, and the stage whole.
pub(crate) async fn inflict(stage: &mut Stage, mut rng: fastrand::Rng, until: Instant) -> Vec<Fault> {
    let mut faults = Vec::new();
    while Instant::now() < until {
        let kind = pick(&mut rng);
        let from = now();
        let complaints = one(stage, kind, &mut rng).await;
        let excuses = kind != Kind::CrashLoop;
        faults.push(Fault { from, to: now(), kind: name(kind), excuses, complaints });
        // In most of the pauses nothing excuses anything.
        let pause = if rng.bool() { rng.u64(100..1000) } else { rng.u64(4000..7000) };
        sleep(Duration::from_millis(pause)).await;
    }
    faults
}

fn pick(rng: &mut fastrand::Rng) -> Kind {
    let whole: usize = KINDS.iter().map(|(_, weight)| weight).sum();
    let mut at = rng.usize(..=whole);
    for (kind, weight) in KINDS {
        if at < weight {
            return kind;
        }
        at -= weight;
    }
    Kind::CrashLoop
}

/// Words for people, and for the checker.
fn name(kind: Kind) -> String {
    match kind {
        Kind::RedisRefuses(refusal) => format!("redis refuses: {refusal:?}"),
        Kind::Wire(mode) => format!("wire: {mode:?}"),
        Kind::SupervisorKill => "supervisor killed".to_owned(),
        Kind::SupervisorTerm => "supervisor told to end".to_owned(),
        Kind::SupervisorFreeze => "supervisor frozen".to_owned(),
        Kind::SupervisorsRoll => "supervisors replaced".to_owned(),
        Kind::RedisKill
        | Kind::RedisFreeze
        | Kind::RedisForgetsFunctions
        | Kind::RedisDropsConnections
        | Kind::RedisClockSteps
        | Kind::ActorKill
        | Kind::ActorFreeze
        | Kind::ActorRestart
        | Kind::Scale
        | Kind::ZinitKill
        | Kind::ZinitFreeze
        | Kind::CrashLoop => format!("{kind:?}"),
    }
}

/// How long a fault lasts: a moment, or longer than a lease.
fn span(rng: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(if rng.bool() { rng.u64(200..2000) } else { rng.u64(4500..8000) })
}

async fn one(stage: &mut Stage, kind: Kind, rng: &mut fastrand::Rng) -> Vec<String> {
    let span = span(rng);
    match kind {
        Kind::RedisKill => redis::kill(stage, span).await,
        Kind::RedisFreeze => redis::freeze(stage, span).await,
        Kind::RedisRefuses(refusal) => redis::refuse(stage, refusal, span).await,
        Kind::RedisForgetsFunctions => redis::order(stage, &["FUNCTION", "FLUSH"]).await,
        Kind::RedisDropsConnections => redis::order(stage, &["CLIENT", "KILL", "TYPE", "normal"]).await,
        Kind::RedisClockSteps => {
            let seconds = if rng.bool() { rng.i64(1..10) } else { rng.i64(10..1800) };
            redis::step_clock(stage, seconds * if rng.bool() { 1000 } else { -1000 }, span).await
        }
        Kind::Wire(mode) => {
            let wire = &stage.wires[rng.usize(..stage.wires.len())];
            wire.set(mode);
            sleep(span).await;
            wire.set(Mode::Pass);
            Vec::new()
        }
        Kind::SupervisorKill => supervisors::kill(stage, rng.usize(..2), span / 2).await,
        Kind::SupervisorTerm => supervisors::term(stage, rng.usize(..2), span / 2).await,
        Kind::SupervisorFreeze => supervisors::freeze(stage, rng.usize(..2), span).await,
        Kind::SupervisorsRoll => supervisors::roll(stage, rng.bool(), rng.bool()).await,
        Kind::ActorKill => actors::kill(stage, rng),
        Kind::ActorFreeze => actors::freeze(stage, rng, span).await,
        Kind::ActorRestart => actors::restart(stage, rng).await,
        Kind::Scale => actors::scale(stage, rng, span).await,
        Kind::ZinitKill => actors::kill_zinit(stage, span / 2).await,
        Kind::ZinitFreeze => actors::freeze_zinit(stage, span).await,
        Kind::CrashLoop => actors::crash_loop(stage, rng, span).await,
    }
}
