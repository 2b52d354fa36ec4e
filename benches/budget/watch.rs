//! Watches and lists behind many jobs that are over, and callers beside many watches.

use std::time::Duration;

use hero_supervisor::proto::bookmark::Kind;
use hero_supervisor::proto::job::State;
use hero_supervisor::proto::watch_events_response::Item;
use hero_supervisor::proto::{ListJobsRequest, WatchEventsRequest};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::load::{self, Latencies};
use crate::stage::Stage;
use crate::{ROUNDS, median, row};

/// Jobs that have ended: as many as are kept of a script type.
const ENDED: usize = 100_000;
/// Callers beside watches.
const CALLERS: usize = 64;
/// Streams on one connection.
const PER_CONNECTION: usize = 100;

pub(crate) async fn rows() {
    let stage = Stage::start(&[]).await;
    load::drain(&stage, ENDED).await;
    let snapshot = median(ROUNDS, || snapshot(&stage)).await;
    row(
        &format!("WatchEvents until the end of its snapshot, behind {ENDED} ended jobs"),
        &format!("{} ms (20 ms is the goal)", snapshot.millis(50.0)),
        "",
    );
    let list = median(ROUNDS, || list_queued(&stage)).await;
    row(
        &format!("ListJobs of queued jobs, behind {ENDED} ended jobs"),
        &format!("{} ms (10 ms is the goal)", list.millis(50.0)),
        "",
    );
    let _actor = stage.start_osis_actor("bench_watched").await;
    let alone = beside(&stage, 0, false).await;
    for (streams, goal) in [(10, ""), (100, " (70 % is the goal)"), (1000, " (30 % is the goal)")] {
        let watched = beside(&stage, streams, false).await;
        row(
            &format!("RunJob, {CALLERS} at once, beside {streams} watches without a filter"),
            &format!(
                "{} jobs/s, {:.0} %{goal}",
                watched.rate(),
                100.0 * watched.per_second() / alone.per_second()
            ),
            &format!("{} jobs/s without", alone.rate()),
        );
    }
    let opening = beside(&stage, 1000, true).await;
    row(
        &format!("RunJob, {CALLERS} at once, while 1000 watches with a snapshot are opened and closed again"),
        &format!("{} jobs/s, {:.0} %", opening.rate(), 100.0 * opening.per_second() / alone.per_second()),
        &format!("{} jobs/s without", alone.rate()),
    );
}

async fn snapshot(stage: &Stage) -> Latencies {
    let mut client = load::connect(stage.tcp_address()).await;
    let (begun, mut all) = (Instant::now(), Latencies::new());
    let mut items = client.watch_events(WatchEventsRequest::default()).await.unwrap().into_inner();
    loop {
        match items.message().await.unwrap().unwrap().item {
            Some(Item::Bookmark(bookmark)) if bookmark.kind() == Kind::SnapshotEnd => break,
            Some(Item::SnapshotItem(_) | Item::Event(_) | Item::Bookmark(_)) | None => {}
        }
    }
    all.record(begun.elapsed());
    all.finish(begun.elapsed())
}

async fn list_queued(stage: &Stage) -> Latencies {
    let mut client = load::connect(stage.tcp_address()).await;
    let (begun, mut all) = (Instant::now(), Latencies::new());
    let mut request = ListJobsRequest { states: vec![State::Queued.into()], ..ListJobsRequest::default() };
    loop {
        let page = client.list_jobs(request.clone()).await.unwrap().into_inner();
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    all.record(begun.elapsed());
    all.finish(begun.elapsed())
}

/// Callers for a while, beside watches in a thread of their own.
async fn beside(stage: &Stage, streams: usize, with_snapshot: bool) -> Latencies {
    const SPAN: Duration = Duration::from_secs(3);
    let address = stage.tcp_address().to_owned();
    let (stop, stopped) = oneshot::channel::<()>();
    let (opened, ready) = oneshot::channel::<()>();
    let watchers = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            // Watches whose opening is measured are opened while the callers run.
            let opened = if with_snapshot {
                opened.send(()).unwrap();
                None
            } else {
                Some(opened)
            };
            for _ in 0..streams.div_ceil(PER_CONNECTION) {
                let client = load::connect(&address).await;
                for _ in 0..PER_CONNECTION.min(streams) {
                    let mut client = client.clone();
                    let request = WatchEventsRequest {
                        include_snapshot: Some(with_snapshot),
                        ..WatchEventsRequest::default()
                    };
                    let mut items = client.watch_events(request).await.unwrap().into_inner();
                    tasks.spawn(async move { while let Ok(Some(_item)) = items.message().await {} });
                }
            }
            if let Some(opened) = opened {
                opened.send(()).unwrap();
            }
            let _stop = stopped.await;
        });
    });
    ready.await.unwrap();
    let client = load::connect(stage.tcp_address()).await;
    let latencies = load::run_jobs(client, CALLERS, SPAN).await;
    drop(stop);
    watchers.join().unwrap();
    latencies
}
