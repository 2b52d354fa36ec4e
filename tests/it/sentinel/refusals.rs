//! What keeps a queue from its primary is told, with the setting that is at fault.

use std::time::Duration;

use hero_supervisor::adapters::redis::{RedisAccess, RedisConfig, RedisQueue};
use hero_supervisor::error::chain;
use hero_supervisor::ports::queue_maintenance::QueueMaintenance;
use hero_supervisor::ports::store_fault::{Refusal, StoreFault};

use crate::support::sentinels::{Passwords, Sentinels};
use crate::support::wait::eventually;

const LIMIT: Duration = Duration::from_secs(30);

async fn told(url: String, access: RedisAccess) -> (Option<Refusal>, String) {
    let queue = RedisQueue::new(RedisConfig { url, access, ..RedisConfig::default() }).unwrap();
    let error = queue.probe().await.unwrap_err();
    let refusal = match error.fault() {
        StoreFault::Refused { refusal, .. } => Some(*refusal),
        StoreFault::Unavailable(_)
        | StoreFault::TimedOut { .. }
        | StoreFault::Rejected { .. }
        | StoreFault::Corrupt { .. } => None,
    };
    (refusal, chain(&error))
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_of_servers_and_of_sentinels_are_two_things() {
    let passwords = Passwords { servers: Some("of-servers"), sentinels: Some("of-sentinels") };
    let sentinels = Sentinels::start_with(passwords).await;
    let with = |sentinel: Option<&str>| RedisAccess {
        sentinel_password_file: sentinel.map(|password| sentinels.password_file(password)),
        ..RedisAccess::default()
    };
    let url = sentinels.url();
    let config =
        RedisConfig { url: url.clone(), access: with(Some("of-sentinels")), ..RedisConfig::default() };
    let queue = RedisQueue::new(config).unwrap();
    queue.probe().await.unwrap();
    let (_place, port) = sentinels.primary().await.unwrap();
    assert_eq!(queue.primary(), Some(format!("127.0.0.1:{port} (epoch 0)")));
    queue.close().await;

    for wrong in [None, Some("another")] {
        let (refusal, text) = told(url.clone(), with(wrong)).await;
        assert_eq!(refusal, Some(Refusal::AccessDenied), "{text}");
        assert!(
            text.contains("redis_sentinel_password_file") && text.contains("the Sentinel 127.0.0.1:"),
            "{text}"
        );
    }
    let another = url.replace("of-servers", "another");
    let (refusal, text) = told(another, with(Some("of-sentinels"))).await;
    assert_eq!(refusal, Some(Refusal::AccessDenied), "{text}");
    assert!(text.contains("redis_password_file") && !text.contains("another"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_sentinel_has_is_told_with_those_that_they_have() {
    let sentinels = Sentinels::start().await;
    let (_refusal, text) = told(sentinels.url().replace("/main", "/mian"), RedisAccess::default()).await;
    assert!(text.contains("no primary named \"mian\", but main: put the name"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_majority_of_sentinels_is_needed_to_find_the_primary_and_not_to_use_it() {
    let mut sentinels = Sentinels::start().await;
    sentinels.kill9(3);
    let config = || RedisConfig { url: sentinels.url(), ..RedisConfig::default() };
    let queue = RedisQueue::new(config()).unwrap();
    queue.probe().await.unwrap();
    sentinels.freeze(4);
    let (refusal, text) = told(sentinels.url(), RedisAccess::default()).await;
    assert_eq!(refusal, None, "{text}");
    assert!(text.contains("1 of 3 Sentinels answered, and 2 have to"), "{text}");
    queue.probe().await.expect("an open connection stays in use");
    sentinels.thaw(4);
    let late = RedisQueue::new(config()).unwrap();
    eventually("the primary is found", LIMIT, || async { late.probe().await.ok() }).await;
}
