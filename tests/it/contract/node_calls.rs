//! What every way of calls between supervisors promises, on memory, on a real Redis, and on a real Redis Cluster.

use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::adapters::memory::node_calls::MemoryNodeCalls;
use hero_supervisor::adapters::redis::{RedisConfig, RedisNodeCalls, RedisQueue};
use hero_supervisor::domain::model::id::NodeName;
use hero_supervisor::ports::node_calls::{
    HOLD_TERM, MAX_CALL_BYTES, MAX_WAITING, NodeCallError, NodeCalls, NodeInbox, TAKE_LIMIT, TakenCall,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::support::lent_cluster::LentCluster;
use crate::support::redis::PrivateRedis;

struct NodeCallsContract {
    calls: Arc<dyn NodeCalls>,
    /// The same way, as another supervisor has it.
    others: Arc<dyn NodeCalls>,
    _redis: Option<PrivateRedis>,
    _cluster: Option<LentCluster>,
}

impl NodeCallsContract {
    fn memory() -> Self {
        let calls = Arc::new(MemoryNodeCalls::default());
        Self { others: Arc::clone(&calls) as _, calls, _redis: None, _cluster: None }
    }

    async fn redis() -> Self {
        let redis = PrivateRedis::start().await;
        redis.load_functions().await;
        let config =
            || RedisConfig { url: redis.url(), access: redis.supervisors(), ..RedisConfig::default() };
        let (calls, others) = (on_redis_at(config()), on_redis_at(config()));
        Self { calls, others, _redis: Some(redis), _cluster: None }
    }

    async fn cluster() -> Self {
        let cluster = LentCluster::take().await;
        let config =
            || RedisConfig { url: cluster.url(), access: cluster.supervisors(), ..RedisConfig::default() };
        let (calls, others) = (on_redis_at(config()), on_redis_at(config()));
        Self { calls, others, _redis: None, _cluster: Some(cluster) }
    }

    /// Passes a call on to a node.
    async fn call(&self, to: &str, call: &[u8]) -> Result<Vec<u8>, NodeCallError> {
        self.calls.call(&node(to), call.to_vec()).await
    }

    /// Answers each call to a node by what it says, backwards, in a task.
    fn echo(&self, name: &str) -> JoinSet<()> {
        let mut inbox = self.others.inbox(&node(name));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let taken = take(inbox.as_mut()).await;
                let answer = taken.call().iter().rev().copied().collect();
                taken.answer(answer).await.unwrap();
            }
        });
        tasks
    }
}

fn on_redis_at(config: RedisConfig) -> Arc<dyn NodeCalls> {
    Arc::new(RedisNodeCalls::new(&RedisQueue::new(config).unwrap()))
}

fn node(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

async fn take(inbox: &mut dyn NodeInbox) -> Box<dyn TakenCall> {
    inbox.next().await.unwrap_or_else(|error| panic!("no call: {error:?}"))
}

macro_rules! on_every_way {
    ($($name:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::NodeCallsContract::memory()).await;
            })*
        }

        mod on_redis {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::NodeCallsContract::redis().await).await;
            })*
        }

        mod on_cluster {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::NodeCallsContract::cluster().await).await;
            })*
        }
    };
}

on_every_way! {
    a_call_is_answered_by_the_supervisor_of_its_node,
    calls_and_answers_are_any_bytes,
    a_call_that_nobody_takes_is_never_taken_later,
    each_call_goes_to_one_of_several,
    too_many_waiting_calls_are_refused,
    an_answer_that_nobody_waits_for_harms_nobody,
}

async fn a_call_is_answered_by_the_supervisor_of_its_node(stage: &NodeCallsContract) {
    let (_a, mut b) = (stage.echo("a"), stage.others.inbox(&node("b")));
    assert_eq!(stage.call("a", b"abc").await.unwrap(), b"cba");
    let (answer, ()) = tokio::join!(stage.call("b", b"for b"), async {
        let taken = take(b.as_mut()).await;
        assert_eq!(taken.call(), b"for b");
        taken.hold().await.unwrap();
        taken.answer(b"by b".to_vec()).await.unwrap();
    });
    assert_eq!(answer.unwrap(), b"by b");
}

async fn calls_and_answers_are_any_bytes(stage: &NodeCallsContract) {
    let _a = stage.echo("a");
    for call in [Vec::new(), vec![0, 255, 10, 13, 0], vec![7; MAX_CALL_BYTES]] {
        let backwards: Vec<u8> = call.iter().rev().copied().collect();
        assert_eq!(stage.call("a", &call).await.unwrap(), backwards);
    }
}

async fn a_call_that_nobody_takes_is_never_taken_later(stage: &NodeCallsContract) {
    let begun = Instant::now();
    let unanswered = stage.call("a", b"late").await;
    assert!(matches!(unanswered, Err(NodeCallError::NotTaken)), "{unanswered:?}");
    assert!(begun.elapsed() >= TAKE_LIMIT, "{:?}", begun.elapsed());
    // What comes next is the first call that is taken.
    let mut inbox = stage.others.inbox(&node("a"));
    let (answer, ()) = tokio::join!(stage.call("a", b"in time"), async {
        let taken = take(inbox.as_mut()).await;
        assert_eq!(taken.call(), b"in time");
        taken.answer(Vec::new()).await.unwrap();
    });
    assert_eq!(answer.unwrap(), b"");
}

async fn each_call_goes_to_one_of_several(stage: &NodeCallsContract) {
    let _several = [stage.echo("a"), stage.echo("a"), stage.echo("a")];
    let calls = (0..40).map(|number: u32| async move {
        let call = format!("{number:04}").into_bytes();
        let backwards: Vec<u8> = call.iter().rev().copied().collect();
        assert_eq!(stage.call("a", &call).await.unwrap(), backwards);
    });
    futures::future::join_all(calls).await;
    // Had one been taken twice, it would still be there for nobody to take.
    let mut inbox = stage.others.inbox(&node("a"));
    assert!(timeout(Duration::from_millis(200), inbox.next()).await.is_err());
}

async fn too_many_waiting_calls_are_refused(stage: &NodeCallsContract) {
    let calls = (0..MAX_WAITING + 5).map(|_one| stage.call("a", &[1]));
    let ends = futures::future::join_all(calls).await;
    let refused = ends.iter().filter(|end| matches!(end, Err(NodeCallError::TooMany))).count();
    let not_taken = ends.iter().filter(|end| matches!(end, Err(NodeCallError::NotTaken))).count();
    assert_eq!((refused, not_taken), (5, MAX_WAITING), "{ends:?}");
}

async fn an_answer_that_nobody_waits_for_harms_nobody(stage: &NodeCallsContract) {
    let mut inbox = stage.others.inbox(&node("a"));
    let taken = {
        let asked = stage.call("a", b"gone");
        tokio::select! {
            biased;
            end = asked => panic!("{end:?}"),
            taken = take(inbox.as_mut()) => taken,
        }
    };
    taken.hold().await.unwrap();
    taken.answer(b"for nobody".to_vec()).await.unwrap();
}

#[tokio::test]
async fn a_call_whose_taker_is_gone_is_lost_on_redis() {
    let stage = NodeCallsContract::redis().await;
    let mut inbox = stage.others.inbox(&node("a"));
    let (end, ()) = tokio::join!(stage.call("a", b"x"), async {
        drop(take(inbox.as_mut()).await);
    });
    assert!(matches!(end, Err(NodeCallError::Lost)), "{end:?}");
}

#[tokio::test]
async fn a_call_that_is_held_is_waited_for_on_redis() {
    let stage = NodeCallsContract::redis().await;
    let mut inbox = stage.others.inbox(&node("a"));
    let (end, ()) = tokio::join!(stage.call("a", b"x"), async {
        let taken = take(inbox.as_mut()).await;
        let until = Instant::now() + HOLD_TERM + Duration::from_secs(3);
        while Instant::now() < until {
            taken.hold().await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        taken.answer(b"at last".to_vec()).await.unwrap();
    });
    assert_eq!(end.unwrap(), b"at last");
}
