//! A crowd on one Zinit: all come back however many are killed, none twice. What the watch over it costs is measured by
//! `make bench`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pb::actor::State;
use tokio::time::{Instant, interval, sleep};

use crate::support::full_service::{Client, FullService, osis, run, span};
use crate::support::wait::eventually;

/// Actors whose process does nothing: it is the number of processes that counts here.
const IDLE: usize = 196;
/// Actors that run scripts.
const REAL: usize = 4;
/// Rounds of killing, a second each.
const ROUNDS: usize = 8;
/// Two cores and many other tests share the machine.
const LIMIT: Duration = Duration::from_secs(240);

fn idle(id: &str) -> pb::CreateActorRequest {
    let policy = pb::RestartPolicy {
        initial_backoff: span(Duration::from_millis(400)),
        max_backoff: span(Duration::from_secs(1)),
        max_restarts: Some(0),
        ..Default::default()
    };
    let config = pb::ActorConfig {
        script_type: pb::ScriptType::Sal.into(),
        binary_path: "/bin/sleep".to_owned(),
        args: vec!["100000".to_owned()],
        readiness: pb::actor_config::Readiness::Process.into(),
        start_timeout: span(LIMIT),
        restart_policy: Some(policy),
        ..Default::default()
    };
    pb::CreateActorRequest {
        actor_id: id.to_owned(),
        config: Some(config),
        start: Some(false),
        ..Default::default()
    }
}

async fn crowd(whole: &FullService) -> Client {
    let mut client = whole.client();
    for number in 0..IDLE {
        client.create_actor(idle(&format!("idle_{number}"))).await.unwrap();
    }
    for number in 0..REAL {
        let mut definition = whole.definition(&format!("osis_actor_{number}"));
        let config = definition.config.as_mut().unwrap();
        config.restart_policy = idle("").config.unwrap().restart_policy;
        definition.start = Some(false);
        client.create_actor(definition).await.unwrap();
    }
    let all = Some(pb::ActorSelector { all: true, ..Default::default() });
    let begun = Instant::now();
    let started = pb::StartActorsRequest { selector: all, max_wait: span(LIMIT), local_only: false };
    let mut patient = crate::support::full_service::patient_client(&whole.service, LIMIT);
    let results = patient.start_actors(started).await.unwrap().into_inner().results;
    let failed: Vec<_> = results.iter().filter(|result| result.error.is_some()).collect();
    assert!(failed.is_empty() && results.len() == IDLE + REAL, "{failed:?}");
    report(&format!("{} actors started in {:.1?}", results.len(), begun.elapsed()));
    client
}

/// Figures are what such a test is for; `cargo test -- --nocapture` shows them.
#[expect(clippy::print_stderr, reason = "a measurement is to be read")]
fn report(line: &str) {
    eprintln!("crowd: {line}");
}

/// All of them, on one page.
async fn actors(client: &Client) -> Vec<pb::Actor> {
    let request = pb::ListActorsRequest { page_size: 1000, ..Default::default() };
    client.clone().list_actors(request).await.unwrap().into_inner().actors
}

async fn until_all_run(client: &Client, is_so: impl Fn(&pb::Actor) -> bool) -> Vec<pb::Actor> {
    eventually("all run", LIMIT, || async {
        let all = actors(client).await;
        sleep(Duration::from_millis(200)).await;
        all.iter()
            .all(|actor| actor.state() == State::Running && actor.pid.is_some() && is_so(actor))
            .then_some(all)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_actors_a_tenth_is_killed_each_second_and_all_come_back_once() {
    let whole = FullService::start().await;
    let client = crowd(&whole).await;
    until_all_run(&client, |_actor| true).await;

    let mut killed: BTreeMap<String, i32> = BTreeMap::new();
    let mut seconds = interval(Duration::from_secs(1));
    for _round in 0..ROUNDS {
        seconds.tick().await;
        let mut running: Vec<pb::Actor> = actors(&client)
            .await
            .into_iter()
            .filter(|actor| actor.state() == State::Running && actor.pid() > 1)
            .collect();
        fastrand::shuffle(&mut running);
        for victim in running.iter().take((IDLE + REAL) / 10) {
            // One that ended in this moment, by a kill of the last round, does not count twice.
            if kill(Pid::from_raw(victim.pid()), Signal::SIGKILL).is_ok() {
                *killed.entry(victim.actor_id.clone()).or_default() += 1;
            }
        }
    }
    let total: i32 = killed.values().sum();
    let back = Instant::now();
    let all = until_all_run(&client, |actor| {
        let deaths = killed.get(&actor.actor_id).copied().unwrap_or_default();
        // A pid that was shown may have been killed before already.
        actor.restart_count <= deaths && (deaths == 0) == (actor.restart_count == 0)
    })
    .await;
    report(&format!("{total} were killed; all were back {:.1?} after the last", back.elapsed()));
    let counted: i32 = all.iter().map(|actor| actor.restart_count).sum();
    report(&format!("{counted} ends were counted"));
    assert!(counted <= total && counted * 10 >= total * 9, "{counted} of {total} ends were counted");
    let living = whole.zinit.living_actors();
    for actor in &all {
        let pids = living.get(&actor.actor_id).cloned().unwrap_or_default();
        assert_eq!(pids, BTreeSet::from([actor.pid()]), "{} runs once", actor.actor_id);
    }
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");
}
