//! Announcements, drain, and the records of actors.

use std::path::PathBuf;
use std::time::Duration;

use hero_supervisor::domain::model::actor::{
    ActorRecord, Desired, ExitStatus, Fault, FaultKind, LastExit, ManagedBy, OperationLease, Readiness,
    RestartMode, Verb,
};
use hero_supervisor::domain::model::id::NodeName;
use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, JobState, Outcome};
use hero_supervisor::ports::actor_store::Stored;
use hero_supervisor::ports::work_queue::Work;
use hero_supervisor::{ActorConfig, ScriptType};

use super::queue_contract::{
    Kind, LIMIT, OSIS, actor_id, finish, killed, read, spec, submit, submit_wanted, success, take_nothing,
    take_one, text,
};
use crate::support::wait::eventually;

pub(super) async fn an_actor_is_there_until_it_leaves(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    assert_eq!(queue.presences(OSIS.into()).await.unwrap(), []);
    let actor = bench.actor("osis_actor_0", 41).await;
    bench.actor("osis_actor_1", 42).await;
    assert_eq!(queue.presences(ScriptType::SAL.into()).await.unwrap(), []);
    let presence = async || {
        let all = queue.presences(OSIS.into()).await.unwrap();
        all.into_iter().find(|presence| presence.actor_id == actor_id("osis_actor_0"))
    };
    let first = presence().await.unwrap();
    assert_eq!((first.pid, first.draining, first.in_flight, first.last_job_at), (41, false, 0, None));
    let age = bench.now().duration_since(first.heartbeat_at).unwrap_or_default();
    assert!(age < LIMIT, "{age:?}");

    submit(&queue, spec("1")).await;
    let taken = take_one(&actor).await;
    assert_eq!(presence().await.unwrap().in_flight, 1);
    assert!(finish(&actor, success(&bench, &taken.lease, text(""))).await);
    tokio::time::sleep(Duration::from_millis(2)).await;
    actor.announce(true).await.unwrap();
    let later = presence().await.unwrap();
    assert_eq!((later.draining, later.in_flight), (true, 0));
    assert!(later.last_job_at.is_some() && later.heartbeat_at > first.heartbeat_at);

    let reborn = bench.actor("osis_actor_0", 43).await;
    actor.close().await;
    assert_eq!(presence().await.unwrap().pid, 43, "the announcement of another process stays");
    reborn.close().await;
    assert_eq!(presence().await, None);
    assert_eq!(queue.presences(OSIS.into()).await.unwrap().len(), 1);
    queue.close().await;
}

pub(super) async fn a_dead_process_is_no_longer_there(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    bench.actor("osis_actor_0", 41).await;
    queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), 40, &killed()).await.unwrap();
    assert_eq!(queue.presences(OSIS.into()).await.unwrap().len(), 1);
    queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), 41, &killed()).await.unwrap();
    assert_eq!(queue.presences(OSIS.into()).await.unwrap(), []);
    queue.close().await;
}

pub(super) async fn a_drain_reaches_the_process_that_is_there(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let id = actor_id("osis_actor_0");
    queue.request_drain(OSIS.into(), &id, Duration::from_secs(60)).await.unwrap();
    let actor = bench.actor("osis_actor_0", 41).await;
    take_nothing(&actor).await;
    queue.request_drain(OSIS.into(), &id, Duration::from_secs(60)).await.unwrap();
    let work = actor.take(0, LIMIT).await.unwrap();
    let [Work::Drain { resume_after }] = work[..] else { panic!("{work:?}") };
    assert!(
        resume_after <= Duration::from_secs(60) && resume_after > Duration::from_secs(30),
        "{resume_after:?}"
    );
    take_nothing(&actor).await;

    queue.request_drain(OSIS.into(), &id, Duration::from_secs(60)).await.unwrap();
    let reborn = bench.actor("osis_actor_0", 42).await;
    take_nothing(&reborn).await;
    queue.close().await;
}

pub(super) async fn a_waiting_take_can_be_ended(kind: Kind) {
    let bench = kind.bench().await;
    let actor = bench.actor("osis_actor_0", 41).await;
    actor.interrupt_take().await.unwrap();
    let waiting = {
        let actor = actor.clone();
        tokio::task::JoinSet::from_iter([async move { actor.take(1, Duration::from_secs(600)).await }])
    };
    let mut waiting = waiting;
    let ended = eventually("the take has ended", LIMIT, || {
        let ended = waiting.try_join_next();
        let actor = actor.clone();
        async move {
            if ended.is_none() {
                actor.interrupt_take().await.unwrap();
            }
            ended
        }
    })
    .await;
    assert_eq!(ended.unwrap().unwrap(), []);
}

pub(super) async fn a_full_actor_takes_messages_only(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    submit(&queue, spec("for all")).await;
    submit(&queue, JobSpec { target_actor: Some(actor_id("osis_actor_0")), ..spec("for one") }).await;
    assert_eq!(actor.take(0, Duration::from_millis(50)).await.unwrap(), []);
    assert_eq!(actor.take(1, LIMIT).await.unwrap().len(), 1, "no more than was asked for");
    assert_eq!(actor.take(1, LIMIT).await.unwrap().len(), 1);
    queue.close().await;
}

pub(super) async fn a_forgotten_actor_takes_its_own_jobs_with_it(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    bench.actor("osis_actor_0", 41).await;
    let other = bench.actor("osis_actor_1", 42).await;
    let pinned = JobSpec { target_actor: Some(actor_id("osis_actor_0")), ..spec("pinned") };
    let (job, completion) = submit_wanted(&queue, pinned).await;
    let free = submit(&queue, spec("free")).await;
    queue.forget_actor(OSIS.into(), &actor_id("osis_actor_0")).await.unwrap();
    let Outcome::Failed(error) = completion.wait().await.unwrap().outcome else { panic!("it should fail") };
    assert_eq!(error.kind, JobErrorKind::ActorLost);
    assert_eq!(read(&queue, &job.id).await.state, JobState::Failed);
    let left = queue.presences(OSIS.into()).await.unwrap();
    assert_eq!(left.iter().map(|presence| presence.pid).collect::<Vec<_>>(), [42]);
    assert_eq!(take_one(&other).await.lease.job_id, free.id);
    queue.forget_actor(OSIS.into(), &actor_id("osis_actor_0")).await.unwrap();
    queue.close().await;
}

/// A record with something in every field.
pub(super) fn record(name: &str, bench: &super::queue_contract::QueueContract) -> ActorRecord {
    let mut config = ActorConfig::new(name.to_owned(), PathBuf::from("/bin/osis_actor"), OSIS)
        .with_args(vec!["--flag".to_owned(), "with space".to_owned()])
        .with_dependencies(vec!["redis".to_owned()])
        .with_readiness(Readiness::Process);
    config.env.insert("A".to_owned(), "b=c".to_owned());
    config.labels.insert("team".to_owned(), "blue".to_owned());
    config.restart.mode = RestartMode::OnFailure;
    let earlier = config.clone().with_args(vec!["--earlier".to_owned()]);
    ActorRecord {
        id: actor_id(name),
        node: NodeName::parse("host-1").unwrap(),
        config,
        desired: Desired::Up,
        managed_by: ManagedBy::Scaler,
        created_at: std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_123),
        generation: 0,
        restart_count: 3,
        last_pid: Some(77),
        last_exit: Some(LastExit {
            status: ExitStatus::Signal(9),
            at: std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_456),
            pid: 76,
            requested: false,
            reason: "why".to_owned(),
            log_tail: vec!["oh no".to_owned()],
        }),
        fault: Some(Fault { kind: FaultKind::CrashLoop, message: format!("{:?}", bench.now()) }),
        outdated: true,
        started_by: Some(Box::new(earlier)),
        requests_made: 5,
        operation: Some(OperationLease {
            verb: Verb::Delete { force: true },
            id: "one-of-many".to_owned(),
            heartbeat: 12,
        }),
    }
}

pub(super) async fn an_actor_record_is_changed_by_who_has_read_it_last(kind: Kind) {
    let bench = kind.bench().await;
    let store = bench.store();
    assert_eq!(store.load().await.unwrap().records, []);
    let fresh = record("osis_actor_0", &bench);
    assert_eq!(store.update(&fresh).await.unwrap(), Stored::Missing);
    assert_eq!(store.insert(&fresh).await.unwrap(), Stored::Written(1));
    let first = ActorRecord { generation: 1, ..fresh.clone() };
    assert_eq!(store.load().await.unwrap().records, std::slice::from_ref(&first));
    assert_eq!(store.insert(&fresh).await.unwrap(), Stored::Conflict(Box::new(first.clone())));

    let changed = ActorRecord { desired: Desired::Down, last_exit: None, fault: None, ..first.clone() };
    assert_eq!(store.update(&changed).await.unwrap(), Stored::Written(2));
    let second = ActorRecord { generation: 2, ..changed };
    assert_eq!(store.update(&first).await.unwrap(), Stored::Conflict(Box::new(second.clone())));
    assert_eq!(store.load().await.unwrap().records, [second]);
    assert!(store.remove(&fresh.id).await.unwrap());
    assert!(!store.remove(&fresh.id).await.unwrap());
    assert_eq!(store.update(&first).await.unwrap(), Stored::Missing);
}

pub(super) async fn a_template_is_set_once_or_replaced_on_request(kind: Kind) {
    let bench = kind.bench().await;
    let store = bench.store();
    assert_eq!(store.template(OSIS.into()).await.unwrap(), None);
    let first = record("osis_actor_0", &bench).config;
    let second = record("osis_actor_9", &bench).config;
    store.set_template(&first, false).await.unwrap();
    store.set_template(&second, false).await.unwrap();
    assert_eq!(store.template(OSIS.into()).await.unwrap(), Some(first));
    store.set_template(&second, true).await.unwrap();
    assert_eq!(store.template(OSIS.into()).await.unwrap(), Some(second));
    assert_eq!(store.template(ScriptType::V.into()).await.unwrap(), None);
}
