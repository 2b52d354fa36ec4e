//! Queues by name in the whole service: a real supervisor, real actors with `--queue`, a real Redis.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::job::State as JobState;
use tempfile::NamedTempFile;
use tonic::Code;

use crate::support::full_service::{
    Client, FullService, OSIS_ACTOR, client, end_of, job, osis, run, submit, told,
};
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// An actor process that nobody manages. Dropped, it is killed.
struct Actor {
    child: Child,
    log: NamedTempFile,
}

impl Actor {
    fn start(redis: &PrivateRedis, name: &str, queue: &str) -> Self {
        let log = NamedTempFile::new().unwrap();
        let mut command = Command::new(OSIS_ACTOR);
        command.args(["--redis-url", &redis.url(), "--actor-id", name]).env("HERO_QUEUE", queue);
        let child = command.stdout(Stdio::null()).stderr(log.reopen().unwrap()).spawn().unwrap();
        Self { child, log }
    }

    /// Waits until the actor has written this.
    async fn until_says(&self, text: &str) {
        let said = || async { fs::read_to_string(self.log.path()).unwrap().contains(text).then_some(()) };
        eventually(&format!("the actor says {text:?}"), LIMIT, said).await;
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Names of the keys of a pattern.
async fn keys(redis: &PrivateRedis, pattern: &str) -> Vec<String> {
    redis::cmd("KEYS").arg(pattern).query_async(&mut redis.connection().await).await.unwrap()
}

/// Commands that Redis has processed.
async fn commands(redis: &PrivateRedis) -> u64 {
    let stats: String =
        redis::cmd("INFO").arg("stats").query_async(&mut redis.connection().await).await.unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    line.unwrap().trim().parse().unwrap()
}

fn for_queue(script: &str, queue: &str) -> pb::JobSpec {
    pb::JobSpec { queue: queue.to_owned(), ..osis(script) }
}

async fn create(
    client: &mut Client,
    queue: &str,
    script_type: pb::ScriptType,
) -> Result<pb::Queue, tonic::Status> {
    let request = pb::CreateQueueRequest { queue: queue.to_owned(), script_type: script_type.into() };
    Ok(client.create_queue(request).await?.into_inner().queue.unwrap())
}

async fn numbers(client: &mut Client, queue: &str) -> pb::Queue {
    let request = pb::GetQueueRequest { queue: queue.to_owned() };
    client.get_queue(request).await.unwrap().into_inner().queue.unwrap()
}

#[tokio::test]
async fn a_pool_of_actors_has_a_queue_of_its_own() {
    let world = FullService::start().await;
    let mut caller = world.client();
    let created = create(&mut caller, "osis-big", pb::ScriptType::Osis).await.unwrap();
    assert_eq!((created.queue.as_str(), created.script_type()), ("osis-big", pb::ScriptType::Osis));
    assert_eq!(create(&mut caller, "osis-big", pb::ScriptType::Osis).await.unwrap(), created, "a repeat");

    let waits = submit(&caller, for_queue("40 + 2", "osis-big")).await;
    world.running_actor("osis_actor_0").await;
    assert_eq!(run(&caller, osis("1 + 1")).await.result.as_deref(), Some("2"));
    assert_eq!(
        job(&caller, &waits).await.state(),
        JobState::Queued,
        "no actor of the default queue takes it"
    );

    let _actor = Actor::start(&world.redis, "big_0", "osis-big");
    let ended = end_of(&caller, &waits).await;
    assert_eq!((ended.result.as_deref(), ended.actor_id.as_str()), (Some("42"), "big_0"));
    assert_eq!(ended.spec.unwrap().queue, "osis-big");
    let ran = run(&caller, for_queue("6 * 7", "osis-big")).await;
    assert_eq!((ran.result.as_deref(), ran.actor_id.as_str()), (Some("42"), "big_0"));
    assert_eq!(numbers(&mut caller, "osis-big").await.actors_total, 1);

    // Another supervisor finds it by its id, and lists it by its queue.
    let other = world.another(&[]).await;
    assert_eq!(job(&client(&other), &waits).await.state(), JobState::Succeeded);
    let of_queue = pb::ListJobsRequest { queues: vec!["osis-big".to_owned()], ..Default::default() };
    let listed = client(&other).list_jobs(of_queue).await.unwrap().into_inner().jobs;
    assert_eq!(listed.iter().map(|job| job.job_id.as_str()).collect::<Vec<_>>(), [&*ran.job_id, &*waits]);
    let listed = client(&other).list_jobs(pb::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    assert_eq!(listed.len(), 1, "who names no queue means the default ones");
}

#[tokio::test]
async fn refusals_name_the_queue_and_leave_nothing_behind() {
    let world = FullService::start().await;
    let mut caller = world.client();
    let refused = async |job: pb::JobSpec| {
        let request = pb::SubmitJobRequest { job: Some(job), ..Default::default() };
        told(&world.client().submit_job(request).await.unwrap_err())
    };
    assert_eq!(refused(for_queue("1", "none")).await.why(), (Code::NotFound, "QUEUE_NOT_FOUND"));
    for bad in ["OSIS", "a b", "sal", &"a".repeat(64)] {
        assert_eq!(
            refused(for_queue("1", bad)).await.why(),
            (Code::InvalidArgument, "INVALID_FIELD"),
            "{bad}"
        );
    }
    create(&mut caller, "v-2", pb::ScriptType::V).await.unwrap();
    assert_eq!(refused(for_queue("1", "v-2")).await.why(), (Code::InvalidArgument, "INVALID_FIELD"));
    let taken = told(&create(&mut caller, "v-2", pb::ScriptType::Osis).await.unwrap_err());
    assert_eq!(taken.why(), (Code::AlreadyExists, "QUEUE_EXISTS"));
    for bad in ["V-2", "osis", ""] {
        let told = told(&create(&mut caller, bad, pb::ScriptType::Osis).await.unwrap_err());
        assert_eq!(told.why(), (Code::InvalidArgument, "INVALID_FIELD"), "{bad:?}");
    }

    create(&mut caller, "osis-2", pb::ScriptType::Osis).await.unwrap();
    let delete = async |queue: &str| {
        let request = pb::DeleteQueueRequest { queue: queue.to_owned() };
        world.client().delete_queue(request).await.map_err(|status| told(&status))
    };
    let waits = submit(&caller, for_queue("1", "osis-2")).await;
    assert_eq!(delete("osis-2").await.unwrap_err().why(), (Code::FailedPrecondition, "QUEUE_IN_USE"));
    assert_eq!(numbers(&mut caller, "osis-2").await.jobs_queued, 1);
    caller.cancel_job(pb::CancelJobRequest { job_id: waits.clone(), ..Default::default() }).await.unwrap();
    delete("osis-2").await.unwrap();
    assert_eq!(delete("osis-2").await.unwrap_err().why(), (Code::NotFound, "QUEUE_NOT_FOUND"));
    assert_eq!(delete("osis").await.unwrap_err().why(), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(refused(for_queue("1", "osis-2")).await.why(), (Code::NotFound, "QUEUE_NOT_FOUND"));

    // An actor of another script type is not there, and its queue can be deleted.
    let actor = Actor::start(&world.redis, "osis_x", "v-2");
    actor.until_says("queue v-2 takes v jobs").await;
    assert_eq!(numbers(&mut caller, "v-2").await.actors_total, 0);
    delete("v-2").await.unwrap();
    drop(actor);
    for pattern in ["hero:{v-2}:*", "hero:{osis-2}:*", "hero:job:{osis-2}:*"] {
        assert_eq!(keys(&world.redis, pattern).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn queues_are_listed_by_pages() {
    let world = FullService::start().await;
    let mut caller = world.client();
    for n in 0..7 {
        create(&mut caller, &format!("pool-{n}"), pb::ScriptType::Python).await.unwrap();
    }
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListQueuesRequest { page_size: 3, page_token, ..Default::default() };
        let page = caller.list_queues(request).await.unwrap().into_inner();
        assert!(page.queues.len() <= 3);
        names.extend(page.queues.into_iter().map(|queue| queue.queue));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let expected = "osis pool-0 pool-1 pool-2 pool-3 pool-4 pool-5 pool-6 python sal v";
    assert_eq!(names.join(" "), expected);

    submit(&caller, pb::JobSpec { script_type: pb::ScriptType::Python.into(), ..for_queue("1", "pool-1") })
        .await;
    let request =
        pb::ListQueuesRequest { named_only: true, include_status: true, page_size: 2, ..Default::default() };
    let page = caller.list_queues(request).await.unwrap().into_inner();
    let told: Vec<(&str, i32, bool)> = page
        .queues
        .iter()
        .map(|queue| (queue.queue.as_str(), queue.jobs_queued, queue.status.is_some()))
        .collect();
    assert_eq!(told, [("pool-0", 0, true), ("pool-1", 1, true)]);
    assert!(!page.next_page_token.is_empty());
}

#[tokio::test]
async fn a_thousand_idle_queues_cost_nothing() {
    let world = FullService::start().await;
    let mut caller = world.client();
    let per_second = async || {
        let before = commands(&world.redis).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        (commands(&world.redis).await - before) / 3
    };
    let without = per_second().await;
    for n in 0..1000 {
        create(&mut caller, &format!("pool-{n}"), pb::ScriptType::Python).await.unwrap();
    }
    eventually("the service is idle again", LIMIT, || async {
        (per_second().await <= without + 5).then_some(())
    })
    .await;
}
