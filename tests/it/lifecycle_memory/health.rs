//! The loop of the health monitor with paused time.

use hero_supervisor::domain::model::event::EventKind;

use hero_supervisor::domain::events::Events;
use hero_supervisor::domain::model::health::{Health, HealthSettings, Scope, UnhealthyAction};
use hero_supervisor::domain::model::job::{JobError, JobResult};
use hero_supervisor::ports::work_queue::{AttemptError, Retryability};

use super::*;

#[expect(clippy::wildcard_enum_match_arm, reason = "only what is about health is of interest")]
fn events_of(
    told: &mut tokio::sync::mpsc::Receiver<hero_supervisor::domain::model::event::Event>,
) -> Vec<String> {
    let mut names = Vec::new();
    while let Ok(event) = told.try_recv() {
        names.push(match event.kind {
            EventKind::PingSent => "sent".to_owned(),
            EventKind::PingOk { .. } => "ok".to_owned(),
            EventKind::PingFailed { .. } => "failed".to_owned(),
            EventKind::HealthChanged { new, .. } => new.as_str().to_owned(),
            EventKind::ActorRestarted => "restarted".to_owned(),
            _ => continue,
        });
    }
    names
}

/// An actor that runs, and what is told of it.
async fn watched(
    health: HealthSettings,
) -> (
    LifecycleOnMemory,
    ActorId,
    MemoryWorkQueue,
    tokio::sync::mpsc::Receiver<hero_supervisor::domain::model::event::Event>,
) {
    let (events, told) = Events::channel();
    let mut world = LifecycleOnMemory::new();
    world.manager = manager_with(&world.broker, &world.processes, events);
    let config = config("a").with_readiness(Readiness::Queue).with_health(health);
    let (actor, worker) = world.start_worker(config).await;
    (world, actor, worker, told)
}

/// Answers whatever comes, for ever.
async fn answer(worker: &MemoryWorkQueue) {
    answer_with(worker, Ok(JobResult::default())).await;
}

/// The same with this outcome.
async fn answer_with(worker: &MemoryWorkQueue, outcome: Result<JobResult, AttemptError>) {
    loop {
        for work in worker.take(1, WAIT).await.unwrap() {
            if let Work::Job(job) = work {
                let end = hero_supervisor::ports::work_queue::AttemptEnd {
                    lease: job.lease,
                    started_at: std::time::SystemTime::UNIX_EPOCH,
                    outcome: outcome.clone(),
                    usage: None,
                    output: Default::default(),
                };
                worker.finish(vec![end]).await.unwrap();
            }
        }
    }
}

/// Runs the monitor and `other` for this long.
async fn for_time(world: &LifecycleOnMemory, other: impl Future<Output = ()>, span: Duration) {
    let monitor = world.manager.start_health_monitoring();
    let both = async { tokio::join!(monitor, other) };
    assert!(tokio::time::timeout(span, both).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_idle_actor_is_pinged_every_ten_minutes_and_an_answer_makes_it_healthy() {
    let (world, actor, worker, mut told) = watched(HealthSettings::default()).await;
    for_time(&world, answer(&worker), Duration::from_secs(599)).await;
    assert_eq!(events_of(&mut told), Vec::<String>::new());
    for_time(&world, answer(&worker), Duration::from_secs(5)).await;
    assert_eq!(events_of(&mut told), ["sent", "ok", "healthy"]);
    let health = world.manager.actor(&actor).await.unwrap().health;
    assert!(health.last_ping.unwrap().round_trip.is_some());
    for_time(&world, answer(&worker), Duration::from_secs(605)).await;
    assert_eq!(events_of(&mut told), ["sent", "ok"]);
}

#[tokio::test(start_paused = true)]
async fn three_misses_a_pause_apart_lead_to_a_restart_after_which_nothing_is_held_against_it() {
    let (world, actor, _worker, mut told) = watched(HealthSettings::default()).await;
    let first = world.manager.actor(&actor).await.unwrap().pid.0;
    // Missed at 630, 690 and 750; asked to drain for five seconds; killed.
    for_time(&world, std::future::pending(), Duration::from_secs(745)).await;
    assert_eq!(events_of(&mut told), ["sent", "failed", "degraded", "sent", "failed", "sent"]);
    let reborn = async {
        let pid = eventually("another pid", WAIT, || async {
            world.manager.actor(&actor).await.unwrap().pid.0.filter(|pid| Some(*pid) != first)
        })
        .await;
        let worker = world.broker.work_queue(ScriptType::OSIS.into(), actor.clone(), pid);
        worker.announce(false).await.unwrap();
        answer(&worker).await;
    };
    Box::pin(for_time(&world, reborn, Duration::from_secs(60))).await;
    // The monitor that was dropped with its ping in the air is followed by one that pings again.
    assert_eq!(events_of(&mut told), ["sent", "failed", "restarted", "unhealthy"]);
    let health = world.manager.actor(&actor).await.unwrap().health;
    assert_eq!((health.health, health.consecutive_failures), (Health::Unknown, 0));
}

#[tokio::test(start_paused = true)]
async fn misses_are_remembered_by_the_next_supervisor() {
    let (world, actor, _worker, _told) = watched(HealthSettings::default()).await;
    for_time(&world, std::future::pending(), Duration::from_secs(640)).await;
    world.manager.close().await;
    let next = manager(&world.broker, &world.processes, "here", Vec::new());
    next.open().await.unwrap();
    eventually("the miss is known", WAIT, || async {
        let health = next.actor(&actor).await.unwrap().health;
        (health.consecutive_failures == 1 && health.health == Health::Degraded).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_without_an_engine_is_reported_and_not_restarted_in_vain() {
    let (world, actor, worker, mut told) = watched(HealthSettings::default()).await;
    let pid = world.manager.actor(&actor).await.unwrap().pid;
    let error = JobError::new(JobErrorKind::EngineUnavailable, "there is no compiler");
    let missing = AttemptError { error, retry: Retryability::Final };
    for_time(&world, answer_with(&worker, Err(missing)), Duration::from_secs(680)).await;
    assert_eq!(
        events_of(&mut told),
        ["sent", "failed", "degraded", "sent", "failed", "sent", "failed", "unhealthy"]
    );
    let status = world.manager.actor(&actor).await.unwrap();
    assert_eq!((status.pid, status.health.health), (pid, Health::Unhealthy));
    assert!(status.health.reason.contains("there is no compiler"), "{}", status.health.reason);
    // Now it is installed.
    for_time(&world, answer(&worker), Duration::from_secs(60)).await;
    assert_eq!(events_of(&mut told), ["sent", "ok", "healthy"]);
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_is_only_to_be_reported_is_not_restarted() {
    let own = HealthSettings {
        idle_after: Some(Duration::from_secs(10)),
        failure_threshold: Some(1),
        action: Some(UnhealthyAction::ReportOnly),
        ..HealthSettings::default()
    };
    let (world, actor, _worker, mut told) = watched(own).await;
    let pid = world.manager.actor(&actor).await.unwrap().pid;
    for_time(&world, std::future::pending(), Duration::from_secs(105)).await;
    assert_eq!(events_of(&mut told), ["sent", "failed", "unhealthy", "sent", "failed"]);
    let status = world.manager.actor(&actor).await.unwrap();
    assert_eq!((status.pid, status.health.consecutive_failures), (pid, 2));
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_became_busy_before_its_ping_has_missed_nothing() {
    let (world, actor, worker, _told) = watched(HealthSettings::default()).await;
    let supervisor = world.manager.supervisor();
    supervisor.submit(JobRequest::new(JobSpec::new(ScriptType::OSIS, "1"))).await.unwrap();
    let all = ActorSelector::default();
    let checked = world.manager.check_health(&all, Scope::All, WAIT);
    let works = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // It takes both, and works on the job.
        let taken = worker.take(2, Duration::from_secs(1)).await.unwrap();
        assert_eq!(taken.len(), 2, "the ping and the job");
    };
    let (reports, ()) = tokio::join!(checked, works);
    let report = &reports.unwrap()[0];
    assert_eq!((report.actor_id.clone(), report.consecutive_failures), (actor, 0), "{report:?}");
    assert!(report.reason.contains("busy"), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_not_waited_for_reports_what_is_known() {
    let (world, actor, _worker, _told) = watched(HealthSettings::default()).await;
    let all = ActorSelector::default();
    let soon = world.manager.check_health(&all, Scope::Idle, Duration::from_secs(1)).await.unwrap();
    assert_eq!((soon[0].actor_id.clone(), soon[0].consecutive_failures), (actor, 0));
    assert!(soon[0].reason.contains("wait was over"), "{:?}", soon[0]);
    let none = world.manager.check_health(&all, Scope::None, WAIT).await.unwrap();
    assert_eq!(none[0].action, HealthAction::None);
    let reports = world.manager.health_reports(&all).await.unwrap();
    assert_eq!(reports.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_has_just_ended_its_job_is_idle_for_a_check() {
    let (world, actor, worker, _told) = watched(HealthSettings::default()).await;
    let supervisor = world.manager.supervisor();
    supervisor.submit(JobRequest::new(JobSpec::new(ScriptType::OSIS, "1"))).await.unwrap();
    let taken = worker.take(1, WAIT).await.unwrap();
    let [Work::Job(job)] = &taken[..] else { panic!("{taken:?}") };
    // What is shown of it says that it is busy, and will go on to say so for a moment.
    while world.manager.actor(&actor).await.unwrap().in_flight == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let end = hero_supervisor::ports::work_queue::AttemptEnd {
        lease: job.lease.clone(),
        started_at: std::time::SystemTime::UNIX_EPOCH,
        outcome: Ok(Default::default()),
        usage: None,
        output: Default::default(),
    };
    worker.finish(vec![end]).await.unwrap();
    let all = ActorSelector::default();
    let checked = world.manager.check_health(&all, Scope::Idle, WAIT);
    let reports = tokio::select! {
        reports = checked => reports.unwrap(),
        () = answer(&worker) => unreachable!("it answers for ever"),
    };
    assert_eq!(
        (reports[0].health, reports[0].action),
        (Health::Healthy, HealthAction::Pinged),
        "{reports:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_heeds_its_drain_at_whatever_moment_is_restarted_and_not_left_drained() {
    for after in (0..1100).step_by(25) {
        let own = HealthSettings {
            idle_after: Some(Duration::from_secs(10)),
            ping_timeout: Some(Duration::from_secs(1)),
            failure_threshold: Some(1),
            ..HealthSettings::default()
        };
        let (world, actor, worker, mut told) = watched(own).await;
        let first = world.manager.actor(&actor).await.unwrap().pid.0;
        let heeds = async {
            loop {
                // Takes no job, so no ping; only what it is told beside them.
                for work in worker.take(0, WAIT).await.unwrap() {
                    if let Work::Drain { .. } = work {
                        // The manager may see it before or after the monitor does.
                        tokio::time::sleep(Duration::from_millis(after)).await;
                        worker.announce(true).await.unwrap();
                        // The process that comes after it announces itself under the same name.
                        std::future::pending::<()>().await;
                    }
                }
            }
        };
        let reborn = async {
            let pid = eventually("another pid", WAIT, || async {
                world.manager.actor(&actor).await.unwrap().pid.0.filter(|pid| Some(*pid) != first)
            })
            .await;
            world
                .broker
                .work_queue(ScriptType::OSIS.into(), actor.clone(), pid)
                .announce(false)
                .await
                .unwrap();
        };
        let both = async {
            tokio::join!(heeds, reborn);
        };
        Box::pin(for_time(&world, both, Duration::from_secs(20))).await;
        let told = events_of(&mut told);
        assert!(told.contains(&"restarted".to_owned()), "heeded after {after} ms: {told:?}");
        assert_ne!(world.manager.actor(&actor).await.unwrap().pid.0, first, "heeded after {after} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_actor_is_pinged_and_restarted_after_three_misses_and_a_busy_one_never() {
    let world = LifecycleOnMemory::new();
    let (idle, worker) = world.start_worker(config("a").with_readiness(Readiness::Queue)).await;
    let reports = world.manager.monitor_actor_health().await.unwrap();
    assert_eq!(reports[0].reason, "had a job lately", "it was started just now");
    tokio::time::sleep(Duration::from_secs(601)).await;
    // It takes its ping and says nothing for ever: busy by the queue's count, so its lease judges it.
    let (reports, _taken) = tokio::join!(world.manager.monitor_actor_health(), worker.take(1, WAIT));
    let report = &reports.unwrap()[0];
    assert_eq!((report.consecutive_failures, report.action), (1, HealthAction::Pinged));
    tokio::time::sleep(Duration::from_secs(30)).await;
    let second = &world.manager.monitor_actor_health().await.unwrap()[0];
    assert_eq!((second.health, second.consecutive_failures), (Health::Degraded, 2), "{second:?}");
    tokio::time::sleep(Duration::from_secs(30)).await;
    // The third miss restarts it; the new process announces itself.
    let first_pid = world.manager.actor(&idle).await.unwrap().pid.0;
    let (third, ()) = tokio::join!(world.manager.monitor_actor_health(), async {
        let pid = eventually("another pid", WAIT, || async {
            world.manager.actor(&idle).await.unwrap().pid.0.filter(|pid| Some(*pid) != first_pid)
        })
        .await;
        world.broker.work_queue(ScriptType::OSIS.into(), idle.clone(), pid).announce(false).await.unwrap();
    });
    let third = &third.unwrap()[0];
    assert_eq!((third.health, third.action), (Health::Unhealthy, HealthAction::Restarted), "{third:?}");
    assert_eq!(world.manager.actor(&idle).await.unwrap().state, ActorState::Running);
}
