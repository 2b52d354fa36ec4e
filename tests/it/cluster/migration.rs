//! While the keys of a slot go to another server one by one, no function does half of its work.

use std::collections::BTreeMap;
use std::time::Duration;

use hero_supervisor::ScriptType;
use hero_supervisor::adapters::redis::{RedisConfig, RedisQueue, RedisWorkQueue};
use hero_supervisor::domain::model::id::ActorId;
use hero_supervisor::domain::model::job::{JobQuota, JobSpec};
use hero_supervisor::ports::job_submission::{JobSubmission, Submission};
use hero_supervisor::ports::queue_maintenance::QueueMaintenance;
use hero_supervisor::ports::work_queue::WorkQueue;
use redis::Value;

use crate::support::cluster::PrivateCluster;
use crate::support::lent_cluster::LentCluster;

/// Tags of the slots that have several keys, and the key by which functions name them.
const TAGS: [(&str, u16); 3] =
    [("hero:{osis}:q", 13090), ("hero:{events}:log", 9102), ("hero:obj:{obj:c}:note", 8878)];
/// Keys of a slot that are moved in every order.
const MOVED: usize = 6;
/// Arguments of a call; functions that want fewer do not look at the others, and none is to look at them.
const ARGS: [&str; 8] = ["osis_actor_0", "1", "2", "3", "4", "5", "6", "7"];

/// What servers have: the contents of both of them, whatever is where.
async fn contents(cluster: &PrivateCluster, servers: [usize; 2], slot: u16) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut all = BTreeMap::new();
    for place in servers {
        for key in cluster.keys_in(place, slot).await {
            let mut connection = cluster.connection(place).await.unwrap();
            let mut dump = redis::pipe();
            dump.cmd("ASKING").cmd("DUMP").arg(&key);
            let dumped: (Value, Option<Vec<u8>>) = dump.query_async(&mut connection).await.unwrap();
            // The last ten bytes are a version and a sum.
            all.insert(key, dumped.1.unwrap_or_default());
        }
    }
    all
}

/// The names of all functions in the library.
async fn functions(cluster: &PrivateCluster) -> Vec<String> {
    let mut list = redis::cmd("FUNCTION");
    let libraries: Vec<BTreeMap<String, Value>> = cluster.ask(0, list.arg("LIST")).await.unwrap();
    let functions: Vec<BTreeMap<String, Value>> =
        redis::from_redis_value(libraries[0]["functions"].clone()).unwrap();
    functions.iter().map(|function| redis::from_redis_value(function["name"].clone()).unwrap()).collect()
}

/// Calls a function on one server, as clients do that are led there; returns its error.
async fn refusal(
    cluster: &PrivateCluster,
    place: usize,
    name: &str,
    key: &str,
    asking: bool,
) -> Option<String> {
    let mut connection = cluster.connection(place).await.unwrap();
    let mut call = redis::pipe();
    if asking {
        call.cmd("ASKING");
    }
    call.cmd("FCALL").arg(name).arg(1).arg(key).arg(&ARGS);
    call.query_async::<Vec<Value>>(&mut connection).await.err().map(|error| error.to_string())
}

/// The places to which keys have gone, such that one key goes or comes back at each step and every set of keys is away once. So each
/// order in which keys can go has no state that is not seen.
fn steps(keys: usize) -> impl Iterator<Item = (usize, bool)> {
    let gray = |number: usize| number ^ (number >> 1);
    (1..1_usize << keys).map(move |number| {
        let changed = gray(number) ^ gray(number - 1);
        let key = usize::try_from(changed.trailing_zeros()).unwrap();
        (key, gray(number) & changed != 0)
    })
}

async fn fill(cluster: &PrivateCluster) {
    let config = || RedisConfig { url: cluster.url(), ..RedisConfig::default() };
    let queue = RedisQueue::new(config()).unwrap();
    let actor = ActorId::parse("osis_actor_0").unwrap();
    let work = RedisWorkQueue::new(config(), ScriptType::OSIS.into(), actor.clone(), 41).unwrap();
    work.announce(false).await.unwrap();
    let job = |target: Option<ActorId>| Submission {
        id: hero_supervisor::domain::model::id::JobId::mint(),
        spec: JobSpec {
            caller_id: "alice".to_owned(),
            context_id: "c".to_owned(),
            target_actor: target,
            ..JobSpec::new(ScriptType::OSIS, "1")
        },
        request: None,
        wanted: false,
        unroutable: false,
        quota: JobQuota::default(),
    };
    let answers = queue.submit(vec![job(None), job(None), job(Some(actor))]).await.unwrap();
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(work.take(2, Duration::ZERO).await.unwrap().len(), 2);
    queue.close().await;
    for (key, slot) in [TAGS[1], TAGS[2]] {
        let place = cluster.owner(slot).await.unwrap();
        let mut connection = cluster.connection(place).await.unwrap();
        let mut call = redis::pipe();
        match slot == TAGS[1].1 {
            true => {
                call.cmd("FCALL")
                    .arg("hero_emit")
                    .arg(1)
                    .arg(key)
                    .arg(&["state", "a", "running", "{}", "call"]);
                // It is kept for a minute, and the test may take longer.
                call.cmd("PERSIST").arg(format!("{key}:call:call"));
            }
            false => {
                call.cmd("FCALL").arg("hero_object_put").arg(1).arg(key);
                call.arg(&["id1", "text", "", "10", "field", "value"]);
            }
        }
        call.query_async::<()>(&mut connection).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_function_does_half_of_its_work_whichever_keys_are_away() {
    let cluster = LentCluster::take().await;
    fill(&cluster).await;
    let names = functions(&cluster).await;
    assert!(names.len() > 40, "{names:?}");
    for (key, slot) in TAGS {
        let from = cluster.owner(slot).await.unwrap();
        let to = (from + 1) % 3;
        let mut keys = cluster.keys_in(from, slot).await;
        keys.truncate(MOVED);
        assert!(keys.len() >= 2, "{key}: {keys:?}");
        let before = contents(&cluster, [from, to], slot).await;
        cluster.begin_move(slot, from, to).await;
        nothing_is_done(&cluster, &names, key, [from, to]).await;
        for (index, goes) in steps(keys.len()) {
            match goes {
                true => cluster.move_key(&keys[index], from, to).await,
                false => cluster.take_back(&keys[index], slot, from, to).await,
            }
            nothing_is_done(&cluster, &names, key, [from, to]).await;
        }
        assert_eq!(contents(&cluster, [from, to], slot).await, before, "{key}");
        for key in cluster.keys_in(from, slot).await {
            cluster.move_key(&key, from, to).await;
        }
        cluster.end_move(slot, to).await;
        assert_eq!(contents(&cluster, [from, to], slot).await, before, "{key}");
        cluster.move_slot(slot, to, from).await;
    }
}

/// Sees that each function is refused by both servers, whether it is sent on to the second one or not. What has changed is seen in the end,
/// since nothing that a function writes is taken back.
async fn nothing_is_done(cluster: &PrivateCluster, names: &[String], key: &str, [from, to]: [usize; 2]) {
    for name in names {
        for (place, asking) in [(from, false), (to, false), (to, true)] {
            let refused = refusal(cluster, place, name, key, asking).await;
            let words = ["TRYAGAIN", "ASK", "MOVED", "TryAgain", "Ask", "Moved"];
            let is_refused = |error: &str| words.iter().any(|word| error.contains(word));
            assert!(refused.as_deref().is_some_and(is_refused), "{name} at {place}: {refused:?}");
        }
    }
}
