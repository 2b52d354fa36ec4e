//! Supervisors die, hang, end and are replaced; actors go on meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::sleep;

use crate::stage::Stage;

pub(super) async fn kill(stage: &mut Stage, number: usize, span: Duration) -> Vec<String> {
    let before = stage.settled_actors().await;
    replace(stage, number, Signal::SIGKILL, span).await;
    same_actors(stage, &before)
}

pub(super) async fn term(stage: &mut Stage, number: usize, span: Duration) -> Vec<String> {
    let before = stage.settled_actors().await;
    replace(stage, number, Signal::SIGTERM, span).await;
    same_actors(stage, &before)
}

pub(super) async fn freeze(stage: &Stage, number: usize, span: Duration) -> Vec<String> {
    let before = stage.settled_actors().await;
    stage.supervisors[number].signal(Signal::SIGSTOP);
    sleep(span).await;
    stage.supervisors[number].signal(Signal::SIGCONT);
    same_actors(stage, &before)
}

pub(super) async fn roll(stage: &mut Stage, backwards: bool, hard: bool) -> Vec<String> {
    let before = stage.settled_actors().await;
    let signal = if hard { Signal::SIGKILL } else { Signal::SIGTERM };
    for number in if backwards { [1, 0] } else { [0, 1] } {
        replace(stage, number, signal, Duration::ZERO).await;
    }
    same_actors(stage, &before)
}

async fn replace(stage: &mut Stage, number: usize, signal: Signal, span: Duration) {
    let supervisor = &mut stage.supervisors[number];
    supervisor.signal(signal);
    supervisor.ended().await;
    sleep(span).await;
    supervisor.restart().await;
}

/// P10: what a supervisor goes through is not felt by actors.
fn same_actors(stage: &Stage, before: &BTreeMap<String, Vec<i32>>) -> Vec<String> {
    let after = stage.actors();
    if after == *before {
        return Vec::new();
    }
    vec![format!("actors were {before:?} and are {after:?}")]
}
