//! What every object store promises, on memory, on a real Redis, and on a real Redis Cluster.

use std::sync::Arc;

use hero_supervisor::ScriptType;
use hero_supervisor::adapters::memory::object_store::MemoryObjectStore;
use hero_supervisor::adapters::redis::{RedisConfig, RedisObjectStore};
use hero_supervisor::ports::object_store::{Content, MAX_OBJECT_BYTES, ObjectStore, Put, Shelf};
use hero_supervisor::ports::store_fault::StoreFault;

use crate::support::lent_cluster::LentCluster;
use crate::support::redis::PrivateRedis;

struct ObjectStoreContract {
    store: Arc<dyn ObjectStore>,
    redis: Option<PrivateRedis>,
    _cluster: Option<LentCluster>,
}

impl ObjectStoreContract {
    fn memory() -> Self {
        Self { store: Arc::new(MemoryObjectStore::default()), redis: None, _cluster: None }
    }

    async fn redis() -> Self {
        let redis = PrivateRedis::start().await;
        redis.load_functions().await;
        let access = redis.actors(ScriptType::OSIS);
        let config = RedisConfig { url: redis.url(), access, ..RedisConfig::default() };
        Self { store: Arc::new(RedisObjectStore::new(&config).unwrap()), redis: Some(redis), _cluster: None }
    }

    async fn cluster() -> Self {
        let cluster = LentCluster::take().await;
        let access = cluster.actors(ScriptType::OSIS);
        let config = RedisConfig { url: cluster.url(), access, ..RedisConfig::default() };
        let store = Arc::new(RedisObjectStore::new(&config).unwrap());
        Self { store, redis: None, _cluster: Some(cluster) }
    }

    async fn put(&self, shelf: &Shelf, id: &str, text: &str, fields: &[(&str, &str)]) -> Put {
        self.store.put(shelf, id, &content(text, fields), None).await.unwrap()
    }

    async fn find(&self, shelf: &Shelf, field: &str, value: &str) -> Vec<String> {
        self.store.find(shelf, field, value).await.unwrap()
    }
}

fn content(text: &str, fields: &[(&str, &str)]) -> Content {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Content { text: text.to_owned(), fields }
}

fn shelf(context: &str, kind: &str) -> Shelf {
    Shelf { context: context.to_owned(), kind: kind.to_owned() }
}

macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::ObjectStoreContract::memory()).await;
            })*
        }

        mod on_redis {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::ObjectStoreContract::redis().await).await;
            })*
        }

        mod on_cluster {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::ObjectStoreContract::cluster().await).await;
            })*
        }
    };
}

on_every_store! {
    an_object_is_written_read_and_removed,
    shelves_do_not_see_each_other,
    objects_come_back_as_they_were,
    objects_are_found_by_what_they_hold_now,
    many_objects_with_one_value_are_all_found,
    a_write_can_depend_on_the_revision,
    writers_that_depend_on_the_revision_lose_nothing,
}

async fn an_object_is_written_read_and_removed(stage: &ObjectStoreContract) {
    let notes = shelf("ctx", "note");
    let store = &stage.store;
    assert_eq!(store.get(&notes, "a").await.unwrap(), None);
    assert_eq!(store.list(&notes).await.unwrap(), [""; 0]);
    assert_eq!(stage.put(&notes, "b", "B", &[]).await, Put::Written(1));
    assert_eq!(stage.put(&notes, "a", "A", &[]).await, Put::Written(1));
    assert_eq!(stage.put(&notes, "a", "A 2", &[]).await, Put::Written(2));
    let read = store.get(&notes, "a").await.unwrap().unwrap();
    assert_eq!((read.text.as_str(), read.revision), ("A 2", 2));
    assert_eq!(store.list(&notes).await.unwrap(), ["a", "b"]);
    assert!(store.delete(&notes, "a").await.unwrap());
    assert!(!store.delete(&notes, "a").await.unwrap());
    assert_eq!(store.list(&notes).await.unwrap(), ["b"]);
    assert_eq!(stage.put(&notes, "a", "new", &[]).await, Put::Written(1));
}

async fn shelves_do_not_see_each_other(stage: &ObjectStoreContract) {
    let shelves =
        [("a", "note"), ("b", "note"), ("a", "task"), ("", "note"), ("a}:x{", "note"), ("a", "note:f")]
            .map(|(context, kind)| shelf(context, kind));
    for (number, at) in shelves.iter().enumerate() {
        stage.put(at, "same", &number.to_string(), &[("k", "v")]).await;
    }
    for (number, at) in shelves.iter().enumerate() {
        assert_eq!(stage.store.get(at, "same").await.unwrap().unwrap().text, number.to_string());
    }
    assert!(stage.store.delete(&shelves[0], "same").await.unwrap());
    assert_eq!(stage.find(&shelves[0], "k", "v").await, [""; 0]);
    for at in &shelves[1..] {
        assert_eq!(stage.find(at, "k", "v").await, ["same"]);
    }
}

async fn objects_come_back_as_they_were(stage: &ObjectStoreContract) {
    let at = shelf("ctx", "blob");
    let big = "x".repeat(MAX_OBJECT_BYTES);
    for text in
        ["", " 7 words", "grüße ✓ 世界 🦀", "a\0b\r\n", "{\"n\":12345678901234567890,\"f\":1.0}", &big]
    {
        for id in ["1", "ü:{}", " ", "a\nb"] {
            stage.put(&at, id, text, &[("ключ", text), ("a:b", id)]).await;
            assert_eq!(stage.store.get(&at, id).await.unwrap().unwrap().text, text);
            assert!(stage.find(&at, "ключ", text).await.contains(&id.to_owned()));
            assert_eq!(stage.find(&at, "a:b", id).await, [id]);
        }
    }
}

async fn objects_are_found_by_what_they_hold_now(stage: &ObjectStoreContract) {
    let at = shelf("ctx", "task");
    stage.put(&at, "1", "", &[("state", "open"), ("owner", "ann")]).await;
    stage.put(&at, "2", "", &[("state", "open"), ("owner", "bob")]).await;
    stage.put(&at, "3", "", &[("state", "done")]).await;
    assert_eq!(stage.find(&at, "state", "open").await, ["1", "2"]);
    assert_eq!(stage.find(&at, "state", "nowhere").await, [""; 0]);
    assert_eq!(stage.find(&at, "owner", "open").await, [""; 0]);
    stage.put(&at, "1", "", &[("state", "done")]).await;
    assert_eq!(stage.find(&at, "state", "open").await, ["2"]);
    assert_eq!(stage.find(&at, "state", "done").await, ["1", "3"]);
    assert_eq!(stage.find(&at, "owner", "ann").await, [""; 0]);
    stage.store.delete(&at, "3").await.unwrap();
    assert_eq!(stage.find(&at, "state", "done").await, ["1"]);
}

async fn many_objects_with_one_value_are_all_found(stage: &ObjectStoreContract) {
    let notes = shelf("alice", "note");
    let mut ids: Vec<String> = (0..2500).map(|number| format!("n{number}")).collect();
    for id in &ids {
        assert_eq!(stage.put(&notes, id, "text", &[("color", "red")]).await, Put::Written(1));
    }
    ids.sort_unstable();
    assert_eq!(stage.find(&notes, "color", "red").await, ids);
}

async fn a_write_can_depend_on_the_revision(stage: &ObjectStoreContract) {
    let at = shelf("ctx", "note");
    let put = |expected| {
        let store = stage.store.clone();
        let at = at.clone();
        async move { store.put(&at, "1", &content("x", &[]), Some(expected)).await.unwrap() }
    };
    assert_eq!(put(1).await, Put::Conflict(0));
    assert_eq!(put(0).await, Put::Written(1));
    assert_eq!(put(0).await, Put::Conflict(1));
    assert_eq!(put(1).await, Put::Written(2));
    assert_eq!(put(1).await, Put::Conflict(2));
}

async fn writers_that_depend_on_the_revision_lose_nothing(stage: &ObjectStoreContract) {
    let at = shelf("ctx", "counter");
    let count = |_| async {
        for _ in 0..20 {
            loop {
                let read = stage.store.get(&at, "n").await.unwrap();
                let (value, revision) =
                    read.map_or((0, 0), |object| (object.text.parse::<u32>().unwrap(), object.revision));
                let next = content(&(value + 1).to_string(), &[]);
                match stage.store.put(&at, "n", &next, Some(revision)).await.unwrap() {
                    Put::Written(_) => break,
                    Put::Conflict(_) => tokio::task::yield_now().await,
                    Put::Full => panic!("there is one object"),
                }
            }
        }
    };
    futures::future::join_all((0..4).map(count)).await;
    let end = stage.store.get(&at, "n").await.unwrap().unwrap();
    assert_eq!((end.text.as_str(), end.revision), ("80", 80));
}

#[tokio::test]
async fn without_redis_every_call_fails_in_time_and_works_again_later() {
    let mut stage = ObjectStoreContract::redis().await;
    let at = shelf("ctx", "note");
    stage.put(&at, "1", "x", &[]).await;
    stage.redis.as_mut().unwrap().kill9();
    let failed = stage.store.get(&at, "1").await.unwrap_err();
    assert!(matches!(failed.fault(), StoreFault::Unavailable(_) | StoreFault::TimedOut { .. }), "{failed:?}");
    stage.redis.as_mut().unwrap().restart().await;
    // The functions are gone, and only supervisors load them.
    stage.redis.as_ref().unwrap().load_functions().await;
    crate::support::wait::eventually("it answers", std::time::Duration::from_secs(30), || async {
        stage.store.get(&at, "1").await.ok()
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_objects_that_are_gone() {
    let stage = ObjectStoreContract::redis().await;
    let at = shelf("ctx", "note");
    stage.put(&at, "1", "x", &[("a", "1"), ("b", "2")]).await;
    stage.put(&at, "1", "x", &[("a", "3")]).await;
    stage.store.delete(&at, "1").await.unwrap();
    let mut connection = stage.redis.as_ref().unwrap().connection().await;
    let left: Vec<String> = redis::cmd("KEYS").arg("hero:obj:*").query_async(&mut connection).await.unwrap();
    assert_eq!(left, [""; 0]);
}
