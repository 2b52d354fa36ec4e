//! P6 on real servers, in the orders of things that are hard on a reader that many watchers share.

use std::time::{Duration, SystemTime};

use hero_supervisor::proto as pb;
use pb::watch_events_response::Item;
use tokio::time::{sleep, timeout};
use tonic::{Code, Streaming};

use crate::support::full_service::{Client, FullService, JOBS, osis, submit, told, until_serves};
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;

type Watch = Streaming<pb::WatchEventsResponse>;

/// Longer than the shared reader waits in Redis before it looks whether anybody watches.
const UNWATCHED: Duration = Duration::from_millis(2500);

#[expect(clippy::disallowed_methods, reason = "the server goes by the date of the machine")]
fn tomorrow() -> SystemTime {
    SystemTime::now() + Duration::from_secs(86_400)
}

/// Submits jobs that are due tomorrow: each makes one event and nothing else.
async fn submit_many(client: &Client, count: usize) {
    const AT_ONCE: usize = 500;
    let job = pb::JobSpec { schedule_time: Some(tomorrow().into()), ..osis("1") };
    let request = pb::SubmitJobRequest { job: Some(job), ..Default::default() };
    for begin in (0..count).step_by(AT_ONCE) {
        let requests = vec![request.clone(); AT_ONCE.min(count - begin)];
        client.clone().submit_jobs(pb::SubmitJobsRequest { requests }).await.unwrap();
    }
}

async fn newest(client: &Client) -> String {
    client
        .clone()
        .get_server_info(pb::GetServerInfoRequest {})
        .await
        .unwrap()
        .into_inner()
        .newest_event_cursor
}

async fn watch_after(client: &Client, cursor: &str) -> Watch {
    let request = pb::WatchEventsRequest { resume_after: cursor.to_owned(), ..Default::default() };
    client.clone().watch_events(request).await.unwrap().into_inner()
}

/// The next jobs that a watch tells of.
async fn jobs(watch: &mut Watch, count: usize) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let message = timeout(LIMIT, watch.message()).await.expect("a watch is never silent for long");
        let message = message.unwrap().expect("it goes on");
        match message.item.unwrap() {
            Item::Event(event) if !event.job_id.is_empty() => seen.push(event.job_id),
            Item::Event(_) | Item::Usage(_) => {}
            // It says that this watch has everything up to now.
            Item::Bookmark(_) => panic!("only {} of {count} came: {seen:?}", seen.len()),
            Item::SnapshotItem(item) => panic!("no snapshot was asked for: {item:?}"),
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_what_happened_while_nobody_watched_is_found_behind_a_cursor_of_before() {
    let whole = FullService::start().await;
    let client = whole.client();
    // More than the supervisor remembers.
    let mut first = watch_after(&client, &newest(&client).await).await;
    submit_many(&client, 5000).await;
    jobs(&mut first, 5000).await;
    drop(first);
    sleep(UNWATCHED).await;
    let cursor = newest(&client).await;
    submit_many(&client, 50).await;
    let mut second = watch_after(&client, &newest(&client).await).await;
    let live = submit(&client, osis("1")).await;
    assert_eq!(jobs(&mut second, 1).await, [live]);
    submit_many(&client, 10).await;
    jobs(&mut second, 10).await;
    let mut resumed = watch_after(&client, &cursor).await;
    jobs(&mut resumed, 61).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_watches_hear_again_after_an_outage_in_which_the_last_of_them_ended() {
    let mut whole = FullService::start_on(PrivateRedis::start_append_only().await, &[]).await;
    let client = whole.client();
    let mut first = watch_after(&client, &newest(&client).await).await;
    let live = submit(&client, osis("1")).await;
    assert_eq!(jobs(&mut first, 1).await, [live]);
    whole.redis.kill9();
    drop(first);
    until_serves(&whole.service, &[(JOBS, false)]).await;
    whole.redis.restart().await;
    until_serves(&whole.service, &[(JOBS, true)]).await;
    for _watch in 0..2 {
        let mut watch = watch_after(&client, &newest(&client).await).await;
        let before = submit(&client, osis("1")).await;
        assert_eq!(jobs(&mut watch, 1).await, [before]);
        sleep(UNWATCHED).await;
        let after = submit(&client, osis("1")).await;
        assert_eq!(jobs(&mut watch, 1).await, [after]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_no_log_can_have_is_the_callers_mistake() {
    let whole = FullService::start().await;
    let mut client = whole.client();
    let cursor = newest(&client).await;
    // The same streams, at a place after every place.
    let words = cursor[1..].split('.').map(|word| format!("{}ffffffffffffffff-ffffffffffffffff", &word[..1]));
    let far = format!("1{}", words.collect::<Vec<_>>().join("."));
    let request = pb::WatchEventsRequest { resume_after: far.clone(), ..Default::default() };
    let refused = told(&client.watch_events(request).await.unwrap_err());
    assert_eq!(refused.why(), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(refused.fields, ["resume_after"]);
    // One that is only later than all that there is comes from another log.
    let later = far.replace("ffffffffffffffff-", "7fffffffffffffff-");
    let request = pb::WatchEventsRequest { resume_after: later, ..Default::default() };
    let refused = told(&client.watch_events(request).await.unwrap_err());
    assert_eq!(refused.why(), (Code::OutOfRange, "CURSOR_EXPIRED"));

    // A token is the digest of its filters and a cursor, in hexadecimal.
    submit_many(&client, 3).await;
    let request = pb::ListEventsRequest { page_size: 1, ..Default::default() };
    let token = client.list_events(request.clone()).await.unwrap().into_inner().next_page_token;
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let page_of = |cursor: &str| format!("{}{}", &token[..18], hex(cursor));
    let request = |page_token| pb::ListEventsRequest { page_token, ..request.clone() };
    let refused = told(&client.list_events(request(page_of(&far))).await.unwrap_err());
    assert_eq!(refused.why(), (Code::InvalidArgument, "INVALID_PAGE_TOKEN"));
    // Before everything there is nothing.
    let first = far.replace("ffffffffffffffff", "0");
    let page = client.list_events(request(page_of(&first))).await.unwrap().into_inner();
    assert_eq!(page, pb::ListEventsResponse::default());
}
