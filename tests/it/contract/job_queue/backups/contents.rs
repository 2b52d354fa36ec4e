//! A Redis with something of everything in it.

use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::adapters::redis::{RedisAccess, RedisConfig, RedisObjectStore};
use hero_supervisor::domain::model::id::{JobId, RequestId};
use hero_supervisor::domain::model::job::JobSpec;
use hero_supervisor::domain::model::queue_name::{QueueName, TypedQueue};
use hero_supervisor::domain::model::settings::ScriptTypeSettings;
use hero_supervisor::ports::job_submission::{RequestKey, Submission};
use hero_supervisor::ports::object_store::{Content, ObjectStore, Shelf};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::shared_store::SharedStore;

use super::super::actors::record;
use super::super::priorities::at;
use super::super::queue_contract::{
    OSIS, QueueContract, actor_id, failure, finish, offer, spec, submission, submit, success, take_one, text,
    with_attempts,
};

/// The queue that is created by name.
pub(super) const NAMED: &str = "osis-big";
/// The largest result.
const LARGE: usize = 1024 * 1024;

/// Jobs by what a restore does to them.
pub(super) struct Contents {
    /// They come back as they were.
    pub(super) same: Vec<JobId>,
    /// An actor had it, and it may be tried again.
    pub(super) tried_again: JobId,
    /// An actor had it, and it had no further attempt.
    pub(super) lost: JobId,
    /// Scripts of the default queue in the order in which they are handed out.
    pub(super) order: Vec<String>,
    /// A job that was made by a request.
    pub(super) by_request: Submission,
}

pub(super) fn named() -> QueueName {
    QueueName::parse(NAMED).unwrap()
}

fn named_spec(script: &str) -> JobSpec {
    JobSpec { queue: Some(named()), ..spec(script) }
}

/// The objects of scripts on this Redis, whose user may do all.
pub(super) fn objects(bench: &QueueContract) -> RedisObjectStore {
    let config = RedisConfig { access: RedisAccess::default(), ..bench.backups() };
    RedisObjectStore::new(&config).unwrap()
}

pub(super) fn shelf() -> Shelf {
    Shelf { context: "a}:x {b".to_owned(), kind: "note:é".to_owned() }
}

/// Puts everything in.
pub(super) async fn fill(bench: &QueueContract, queue: &Arc<dyn Queue>) -> Contents {
    let actor = bench.actor("osis_actor_0", 41).await;
    let mut same = Vec::new();
    // Ended: with a large result, by an error, by a cancel.
    for script in ["large", "bad"] {
        same.push(submit(queue, spec(script)).await.id);
        let taken = take_one(&actor).await;
        let end = match script {
            "large" => success(bench, &taken.lease, text(&"ü".repeat(LARGE / 2))),
            _bad => failure(bench, &taken.lease, "no \u{0} good"),
        };
        assert!(finish(&actor, end).await);
    }
    let cancelled = submit(queue, spec("cancelled")).await.id;
    queue.cancel(&cancelled, "not needed").await.unwrap();
    same.push(cancelled);
    // In the hands of an actor.
    let tried_again = submit(queue, with_attempts("tried again", 3)).await.id;
    let taken = take_one(&actor).await;
    actor.start(&[(taken.lease, bench.now())]).await.unwrap();
    let lost = submit(queue, spec("lost")).await.id;
    take_one(&actor).await;
    // Waiting, of every priority, by number, and with all kinds of texts.
    let mut waiting = Vec::new();
    for number in 0..60_i64 {
        let priority = if number < 20 { 3 } else { 1 + number % 5 };
        let script = format!("{number:02} grüße 🦀 \u{0}\n");
        let mut spec = at(priority, &script);
        spec.labels.insert("team".to_owned(), format!("{number}"));
        spec.input = Some("{\"a\": [1, \"é\"]}".to_owned());
        waiting.push((priority, script));
        same.push(submit(queue, spec).await.id);
    }
    waiting.sort_by_key(|(priority, _script)| *priority);
    let mut order = vec!["tried again".to_owned()];
    order.extend(waiting.into_iter().map(|(_priority, script)| script));
    let pinned = JobSpec { target_actor: Some(actor_id("osis_actor_7")), ..spec("pinned") };
    same.push(submit(queue, pinned).await.id);
    let later = JobSpec { run_at: Some(bench.now() + Duration::from_secs(3600)), ..spec("later") };
    same.push(submit(queue, later).await.id);
    let limited = JobSpec { queue_timeout: Some(Duration::from_secs(3600)), ..at(5, "zz limited") };
    same.push(submit(queue, limited).await.id);
    order.push("zz limited".to_owned());
    let key = RequestKey { id: RequestId::parse("r-1").unwrap(), fingerprint: "f".to_owned(), owner: None };
    let by_request = Submission { request: Some(key), ..submission(at(5, "zzz by request")) };
    same.push(offer(queue, by_request.clone()).await.unwrap().job.id);
    order.push("zzz by request".to_owned());
    fill_named(queue, &mut same).await;
    fill_stores(bench).await;
    Contents { same, tried_again, lost, order, by_request }
}

async fn fill_named(queue: &Arc<dyn Queue>, same: &mut Vec<JobId>) {
    queue.create_queue(named(), OSIS).await.unwrap();
    // Its id does not tell its queue.
    let chosen = Submission { id: JobId::parse("chosen").unwrap(), ..submission(named_spec("named 1")) };
    same.push(offer(queue, chosen).await.unwrap().job.id);
    let minted = Submission { id: JobId::mint_for(named()), ..submission(named_spec("named 2")) };
    same.push(offer(queue, minted).await.unwrap().job.id);
    assert!(queue.pause(named(), "repairs", Some("token:k1")).await.unwrap());
}

async fn fill_stores(bench: &QueueContract) {
    let store = bench.store();
    store.insert(&record("osis_actor_0", bench)).await.unwrap();
    store.set_template(&record("osis_actor_1", bench).config, true).await.unwrap();
    for queue in [OSIS.into(), TypedQueue { name: named(), script_type: OSIS }] {
        let settings = ScriptTypeSettings { max_queue_depth: Some(77), ..ScriptTypeSettings::new(queue) };
        assert!(bench.settings().put_settings(&settings).await.unwrap());
    }
    let objects = objects(bench);
    let fields = vec![("team".to_owned(), "blü".to_owned())];
    for (id, text) in [("n1", "a \u{0} b"), ("n2", "x")] {
        let content = Content { text: text.to_owned(), fields: fields.clone() };
        objects.put(&shelf(), id, &content, None).await.unwrap();
        objects.put(&shelf(), id, &content, Some(1)).await.unwrap();
    }
}
