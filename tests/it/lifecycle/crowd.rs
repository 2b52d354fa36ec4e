//! Two hundred actors on one Zinit: all come back however many are killed, and the watch over them costs next to nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hero_supervisor::grpc::proto as pb;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pb::actor::State;
use tokio::time::{Instant, interval, sleep};

use crate::support::wait::eventually;
use crate::support::whole::{Client, Whole, osis, run, span};

/// Actors whose process does nothing: it is the number of processes that counts here.
const IDLE: usize = 196;
/// Actors that run scripts.
const REAL: usize = 4;
/// Rounds of killing, a second each.
const ROUNDS: usize = 20;
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

async fn crowd(whole: &Whole) -> Client {
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
    let started = pb::StartActorsRequest { selector: all, max_wait: span(LIMIT) };
    let mut patient = crate::support::whole::patient_client(&whole.service, LIMIT);
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

/// Processor time that a process has used, in seconds.
fn cpu_seconds(pid: i32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// The pids of living processes by the actor that they were started as; hosts of engines are left out.
fn living(whole: &Whole) -> BTreeMap<String, BTreeSet<i32>> {
    let mark = format!("HERO_TEST_ZINIT={}", whole.zinit.path("").display());
    let mark = mark.trim_end_matches('/').to_owned();
    let mut found: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let variables: Vec<&[u8]> = environ.split(|byte| *byte == 0).collect();
        if !variables.contains(&mark.as_bytes()) {
            continue;
        }
        // A leader of a group is the process that Zinit started; what it started itself follows it.
        if nix::unistd::getpgid(Some(Pid::from_raw(pid))).ok() != Some(Pid::from_raw(pid)) {
            continue;
        }
        let name = variables.iter().find_map(|variable| variable.strip_prefix(b"HERO_ACTOR_ID="));
        if let Some(name) = name {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if stat.contains("sleep") || stat.contains("--actor-id") {
                found.entry(String::from_utf8_lossy(name).into_owned()).or_default().insert(pid);
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes of both cores: run it with --ignored, and alone"]
async fn of_two_hundred_actors_a_tenth_is_killed_each_second_and_all_come_back_once() {
    let whole = Whole::start().await;
    let client = crowd(&whole).await;
    until_all_run(&client, |_actor| true).await;

    // At rest: what does the watch cost?
    let (supervisor, begun) = (whole.service.pid(), Instant::now());
    let before = cpu_seconds(supervisor);
    sleep(Duration::from_secs(10)).await;
    let share = (cpu_seconds(supervisor) - before) / begun.elapsed().as_secs_f64() * 100.0;
    report(&format!("the idle supervisor uses {share:.1} % of a core with {} actors", IDLE + REAL));
    assert!(share < 25.0, "{share} %");

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
    let living = living(&whole);
    for actor in &all {
        let pids = living.get(&actor.actor_id).cloned().unwrap_or_default();
        assert_eq!(pids, BTreeSet::from([actor.pid()]), "{} runs once", actor.actor_id);
    }
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");
}
