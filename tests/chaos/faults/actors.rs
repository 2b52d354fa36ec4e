//! Actors and their process manager die and hang.

use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::{Signal, kill as send};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::stage::{ACTORS, Stage};
use crate::support::full_service::span as in_request;

/// A process of an actor, if there is one just now.
fn victim(stage: &Stage, rng: &mut fastrand::Rng) -> Option<Pid> {
    let pids: Vec<i32> = stage.actors().into_values().flatten().collect();
    (!pids.is_empty()).then(|| Pid::from_raw(pids[rng.usize(..pids.len())]))
}

pub(super) fn kill(stage: &Stage, rng: &mut fastrand::Rng) -> Vec<String> {
    if let Some(pid) = victim(stage, rng) {
        let _gone = send(pid, Signal::SIGKILL);
    }
    Vec::new()
}

pub(super) async fn freeze(stage: &Stage, rng: &mut fastrand::Rng, span: Duration) -> Vec<String> {
    if let Some(pid) = victim(stage, rng) {
        let _gone = send(pid, Signal::SIGSTOP);
        sleep(span).await;
        let _gone = send(pid, Signal::SIGCONT);
    }
    Vec::new()
}

/// By the book.
pub(super) async fn restart(stage: &Stage, rng: &mut fastrand::Rng) -> Vec<String> {
    let (actor_id, ..) = ACTORS[rng.usize(..ACTORS.len())];
    let max_wait = in_request(Duration::from_secs(20));
    let request = pb::RestartActorRequest { actor_id: actor_id.to_owned(), max_wait, ..Default::default() };
    let client = &stage.clients()[rng.usize(..2)];
    match client.clone().restart_actor(request).await {
        Ok(_restarted) => Vec::new(),
        Err(status) => vec![format!("{actor_id} was not restarted: {status:?}")],
    }
}

/// One more actor of a type for a while.
pub(super) async fn scale(stage: &Stage, rng: &mut fastrand::Rng, span: Duration) -> Vec<String> {
    let (_id, script_type, _program) = ACTORS[rng.usize(..ACTORS.len())];
    let client = &stage.clients()[rng.usize(..2)];
    let request = pb::ScaleActorsRequest {
        script_type: script_type.into(),
        replicas: Some(2),
        max_wait: in_request(Duration::from_secs(20)),
        ..Default::default()
    };
    let added = match client.clone().scale_actors(request).await {
        Ok(scaled) => scaled.into_inner().added_actor_ids,
        Err(status) => return vec![format!("{script_type:?} was not scaled: {status:?}")],
    };
    sleep(span).await;
    let mut complaints = Vec::new();
    if added.len() != 1 {
        complaints.push(format!("one more {script_type:?} was asked for, and {added:?} were made"));
    }
    for actor_id in added {
        let request = pb::DeleteActorRequest { actor_id, ..Default::default() };
        let deleted = client.clone().delete_actor(request).await;
        complaints.extend(deleted.err().map(|status| format!("it was not deleted: {status:?}")));
    }
    complaints
}

pub(super) async fn kill_zinit(stage: &mut Stage, span: Duration) -> Vec<String> {
    stage.zinit.kill_server();
    sleep(span).await;
    stage.zinit.launch().await;
    Vec::new()
}

pub(super) async fn freeze_zinit(stage: &Stage, span: Duration) -> Vec<String> {
    stage.zinit.signal_server(Signal::SIGSTOP);
    sleep(span).await;
    stage.zinit.signal_server(Signal::SIGCONT);
    Vec::new()
}

/// P9.
pub(super) async fn crash_loop(stage: &Stage, rng: &mut fastrand::Rng, span: Duration) -> Vec<String> {
    let client = &stage.clients()[rng.usize(..2)];
    let before = stage.settled_actors().await;
    let config = pb::ActorConfig {
        script_type: pb::ScriptType::Sal.into(),
        binary_path: "/bin/false".to_owned(),
        readiness: pb::actor_config::Readiness::Process.into(),
        restart_policy: Some(pb::RestartPolicy {
            initial_backoff: in_request(Duration::from_millis(1)),
            max_backoff: in_request(Duration::from_millis(1)),
            ..Default::default()
        }),
        ..Default::default()
    };
    let actor_id = "crasher".to_owned();
    let create =
        pb::CreateActorRequest { actor_id: actor_id.clone(), config: Some(config), ..Default::default() };
    // It fails to start, or is found to crash soon after.
    let _failed = client.clone().create_actor(create).await;
    let start = pb::StartActorRequest { actor_id: actor_id.clone(), ..Default::default() };
    let _failed = client.clone().start_actor(start).await;
    sleep(span).await;
    let delete = pb::DeleteActorRequest { actor_id, force: true, ..Default::default() };
    let deleted = client.clone().delete_actor(delete).await;
    let mut complaints: Vec<String> =
        deleted.err().map(|status| format!("it was not deleted: {status:?}")).into_iter().collect();
    let after = stage.actors();
    if after != before {
        complaints.push(format!("actors were {before:?} and are {after:?}"));
    }
    complaints
}
