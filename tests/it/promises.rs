//! Promises about actors and their jobs, kept by real processes: Redis, Zinit, supervisor and actors.

use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::State;
use pb::event::Type;
use pb::job::State as JobState;
use tokio::time::Instant;
use tonic::{Code, Streaming};

use crate::support::full_service::{
    Client, FullService, create, end_of, osis, pinned, run, signal, span, submit, told, until_actor,
    until_running,
};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// An actor that counts as idle after a second, and may miss three pings of a second each.
async fn impatient(whole: &FullService, id: &str) -> pb::Actor {
    let mut definition = whole.definition(id);
    definition.config.as_mut().unwrap().health_policy = Some(pb::HealthPolicy {
        idle_after: span(Duration::from_secs(1)),
        ping_timeout: span(Duration::from_secs(1)),
        ping_interval_after_failure: span(Duration::from_millis(200)),
        ..Default::default()
    });
    create(&mut whole.client(), definition).await
}

/// What was told of an actor, oldest first.
async fn told_of(client: &Client, id: &str) -> Vec<pb::Event> {
    let request =
        pb::ListEventsRequest { actor_ids: vec![id.to_owned()], page_size: 1000, ..Default::default() };
    let mut events = client.clone().list_events(request).await.unwrap().into_inner().events;
    events.reverse();
    events
}

fn nanos(at: Option<prost_types::Timestamp>) -> i128 {
    let at = at.unwrap();
    i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos)
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_frozen_idle_actor_is_found_by_its_pings_and_replaced() {
    let whole = FullService::start().await;
    let client = whole.client();
    let frozen = impatient(&whole, "osis_actor_0").await;
    signal(frozen.pid(), Signal::SIGSTOP);
    let after = until_actor(&client, "osis_actor_0", "is another process", |actor| {
        actor.state() == State::Running && actor.pid() != frozen.pid()
    })
    .await;
    assert!(run(&client, osis("40 + 2")).await.result() == "42", "{after:?}");
    let told = eventually("its restart is told", LIMIT, || async {
        let told = told_of(&client, "osis_actor_0").await;
        told.iter().any(|event| event.r#type() == Type::ActorRestarted).then_some(told)
    })
    .await;
    let restart = told.iter().position(|event| event.r#type() == Type::ActorRestarted).unwrap();
    let missed = told[..restart].iter().filter(|event| event.r#type() == Type::PingFailed).count();
    assert_eq!(missed, 3, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_busy_actor_is_neither_pinged_nor_restarted() {
    let whole = FullService::start().await;
    let client = whole.client();
    let actor = impatient(&whole, "osis_actor_0").await;
    // Many times longer than three misses would take.
    let id = submit(&client, osis("sleep(12); 7")).await;
    let job = end_of(&client, &id).await;
    assert_eq!((job.state(), job.result(), job.attempt), (JobState::Succeeded, "7", 1));
    let after = until_actor(&client, "osis_actor_0", "runs", |actor| actor.state() == State::Running).await;
    assert_eq!((after.pid(), after.restart_count), (actor.pid(), 0));
    let (begun, ended) = (nanos(job.start_time), nanos(job.finish_time));
    let told = told_of(&client, "osis_actor_0").await;
    let pinged = told.iter().filter(|event| event.r#type() == Type::PingSent);
    // A ping that was sent just before the job came is no ping of a busy actor.
    let within = pinged.filter(|event| (begun + 1_000_000_000..ended).contains(&nanos(event.time))).count();
    assert_eq!(within, 0, "{told:?}");
}

/// A job that takes five seconds, and runs.
async fn long_job(client: &Client, actor_id: &str) -> String {
    let id = submit(client, pinned("sleep(5); 7", actor_id)).await;
    until_running(client, &id).await;
    id
}

async fn assert_undisturbed(client: &Client, id: &str) {
    let job = end_of(client, id).await;
    assert_eq!((job.state(), job.result(), job.attempt), (JobState::Succeeded, "7", 1), "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_a_long_job_survives_scale_in_restart_and_stop() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    whole.running_actor("osis_actor_0").await;
    let scale = |replicas| pb::ScaleActorsRequest {
        script_type: pb::ScriptType::Osis.into(),
        replicas: Some(replicas),
        max_wait: span(LIMIT),
        ..Default::default()
    };
    client.scale_actors(scale(2)).await.unwrap();
    let jobs = [long_job(&client, "osis_actor_0").await, long_job(&client, "osis_actor_1").await];
    let fewer = client.scale_actors(scale(1)).await.unwrap().into_inner();
    assert_eq!(fewer.removed_actor_ids.len(), 1);
    for id in &jobs {
        assert_undisturbed(&client, id).await;
    }

    let left = if fewer.removed_actor_ids == ["osis_actor_0"] { "osis_actor_1" } else { "osis_actor_0" };
    let restarted = long_job(&client, left).await;
    let restart =
        pb::RestartActorRequest { actor_id: left.to_owned(), max_wait: span(LIMIT), ..Default::default() };
    client.restart_actor(restart).await.unwrap();
    assert_undisturbed(&client, &restarted).await;

    let stopped = long_job(&client, left).await;
    let stop =
        pb::StopActorRequest { actor_id: left.to_owned(), max_wait: span(LIMIT), ..Default::default() };
    client.stop_actor(stop).await.unwrap();
    assert_undisturbed(&client, &stopped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_wakes_a_type_that_was_scaled_to_zero() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    whole.running_actor("osis_actor_0").await;
    let policy = pb::ScalingPolicy {
        mode: pb::scaling_policy::Mode::Auto.into(),
        min_replicas: Some(0),
        max_replicas: Some(2),
        scale_in_delay: span(Duration::from_secs(1)),
        scale_to_zero_delay: span(Duration::from_secs(1)),
        ..Default::default()
    };
    let settings = pb::ScriptTypeSettings { scaling_policy: Some(policy), ..Default::default() };
    let script_type = pb::ScriptType::Osis.into();
    let update = pb::UpdateScriptTypeRequest { script_type, settings: Some(settings), ..Default::default() };
    client.update_script_type(update).await.unwrap();
    let until_none = |client: Client| async move {
        eventually("no actor runs", LIMIT, || async {
            let request = pb::GetScriptTypeRequest { script_type, ..Default::default() };
            let status = client.clone().get_script_type(request).await.ok()?.into_inner().status?;
            (status.actors_running == 0).then_some(())
        })
        .await;
    };
    // The second wake comes right behind a scale-in, which must not hold it up.
    for _wake in 0..2 {
        until_none(client.clone()).await;
        let begun = Instant::now();
        let job = run(&client, osis("40 + 2")).await;
        assert_eq!(job.result(), "42");
        assert!(begun.elapsed() < Duration::from_secs(10), "woken at once, not at the next round: {job:?}");
    }
}

/// Reads a watch of health until this actor has this verdict; answers with the change.
async fn until_verdict(
    watch: &mut tonic::Streaming<pb::WatchHealthResponse>,
    id: &str,
    verdict: pb::actor::Health,
) -> pb::HealthEvent {
    loop {
        let message =
            tokio::time::timeout(LIMIT, watch.message()).await.expect("a watch is never silent for long");
        let item = message.unwrap().expect("the watch goes on").item;
        if let Some(pb::watch_health_response::Item::Event(event)) = item
            && event.actor_id == id
            && event.new_health() == verdict
        {
            return event;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_health_hears_when_an_actor_is_unhealthy_and_when_it_is_well_again() {
    let whole = FullService::start().await;
    let client = whole.client();
    let mut definition = whole.definition("osis_actor_0");
    definition.config.as_mut().unwrap().health_policy = Some(pb::HealthPolicy {
        idle_after: span(Duration::from_secs(1)),
        ping_timeout: span(Duration::from_secs(1)),
        ping_interval_after_failure: span(Duration::from_millis(200)),
        failure_threshold: Some(2),
        action: pb::health_policy::Action::ReportOnly.into(),
        ..Default::default()
    });
    let actor = create(&mut whole.client(), definition).await;
    let mut watch =
        client.clone().watch_health(pb::WatchHealthRequest::default()).await.unwrap().into_inner();
    signal(actor.pid(), Signal::SIGSTOP);
    let ill = until_verdict(&mut watch, "osis_actor_0", pb::actor::Health::Unhealthy).await;
    assert_eq!((ill.consecutive_failures, ill.action()), (2, pb::health_event::Action::Pinged), "{ill:?}");
    assert!(!ill.reason.is_empty(), "{ill:?}");
    until_actor(&client, "osis_actor_0", "is shown so", |actor| {
        actor.health() == pb::actor::Health::Unhealthy
    })
    .await;
    signal(actor.pid(), Signal::SIGCONT);
    let well = until_verdict(&mut watch, "osis_actor_0", pb::actor::Health::Healthy).await;
    assert_eq!((well.old_health(), well.consecutive_failures), (pb::actor::Health::Unhealthy, 0), "{well:?}");
    assert!(well.ping_round_trip.is_some(), "{well:?}");
    let same =
        until_actor(&client, "osis_actor_0", "is well", |actor| actor.health() == pb::actor::Health::Healthy)
            .await;
    assert_eq!(same.pid, actor.pid, "it was only reported");
}

/// Resident memory of a process, in KiB.
fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Reads so many changes of jobs. Whoever was too slow for a moment goes on behind the last message, as clients do.
async fn read_changes(mut client: Client, mut watch: Streaming<pb::WatchEventsResponse>, count: usize) {
    let (mut changes, mut cursor) = (0, String::new());
    while changes < count {
        let message = match watch.message().await {
            Ok(message) => message.expect("a watch of events has no end"),
            Err(cut_off) => {
                assert_eq!(told(&cut_off).why(), (Code::Aborted, "CONSUMER_TOO_SLOW"));
                let request = pb::WatchEventsRequest { resume_after: cursor.clone(), ..Default::default() };
                watch = client.watch_events(request).await.unwrap().into_inner();
                continue;
            }
        };
        if let Some(pb::watch_events_response::Item::Event(event)) = &message.item {
            changes += usize::from(event.r#type() == Type::JobStateChanged);
        }
        cursor = message.cursor;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_memory_stays_bounded_while_readers_do_not_read() {
    const CONNECTIONS: usize = 20;
    const READERS: usize = 10;
    const BATCHES: usize = 10;
    const JOBS: usize = 1000;
    let whole = FullService::start().await;
    let live = pb::WatchEventsRequest { include_snapshot: Some(false), ..Default::default() };
    let mut unread = Vec::new();
    for _connection in 0..CONNECTIONS {
        let client = whole.client();
        for _reader in 0..READERS {
            let mut watch = client.clone().watch_events(live.clone()).await.unwrap().into_inner();
            assert!(watch.message().await.unwrap().is_some());
            unread.push(watch);
        }
    }
    let mut client = whole.client();
    let watch = client.watch_events(live).await.unwrap().into_inner();
    let read = read_changes(client, watch, 2 * BATCHES * JOBS);
    let client = whole.client();
    let before = resident(whole.service.pid());
    let flood = async {
        let (mut accepted, mut purged) = (0, 0);
        // On a busy machine a call may be late: then its jobs are refused, or it has its effect and says that it failed.
        while accepted < BATCHES * JOBS || purged < BATCHES * JOBS {
            let one = pb::SubmitJobRequest { job: Some(osis("1")), ..Default::default() };
            let batch = pb::SubmitJobsRequest { requests: vec![one; JOBS] };
            if let Ok(answer) = client.clone().submit_jobs(batch).await {
                accepted += answer.into_inner().results.iter().filter(|item| item.error.is_none()).count();
            }
            let purge =
                pb::PurgeQueueRequest { script_type: pb::ScriptType::Osis.into(), ..Default::default() };
            if let Ok(answer) = client.clone().purge_queue(purge).await {
                purged += usize::try_from(answer.into_inner().purged_count).unwrap();
            }
        }
    };
    let ((), ()) = tokio::join!(read, flood);
    // Every reader's own copy of 20 000 events would be more than a gigabyte.
    let grown = resident(whole.service.pid()).saturating_sub(before);
    assert!(grown < 200 << 10, "it has grown by {grown} KiB under {} readers", unread.len());
}
