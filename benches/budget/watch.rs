//! Watches and lists behind many jobs that are over, and callers beside many watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hero_supervisor::proto::bookmark::Kind;
use hero_supervisor::proto::job::State;
use hero_supervisor::proto::watch_events_response::Item;
use hero_supervisor::proto::{ListJobsRequest, WatchEventsRequest};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Streaming};

use crate::backlog;
use crate::load::{self, Latencies, ROUNDS, median};
use crate::report::{Goal, row, row_to};
use crate::stage::Stage;

/// Jobs that have ended: as many as are kept of a script type.
const ENDED: usize = 100_000;
/// Callers beside watches.
const CALLERS: usize = 64;
/// Streams on one connection.
const PER_CONNECTION: usize = 100;

pub(crate) async fn rows() {
    let stage = Stage::start(&[]).await;
    backlog::drain(&stage, ENDED).await;
    let snapshot = median(ROUNDS, || snapshot(&stage)).await;
    row_to(
        &format!("WatchEvents until the end of its snapshot, behind {ENDED} ended jobs"),
        &format!("{} ms", snapshot.millis(50.0)),
        "",
        Goal::at_most(snapshot.at(50.0) / 1000.0, 20.0, " ms"),
    );
    let list = median(ROUNDS, || list_queued(&stage)).await;
    row_to(
        &format!("ListJobs of queued jobs, behind {ENDED} ended jobs"),
        &format!("{} ms", list.millis(50.0)),
        "",
        Goal::at_most(list.at(50.0) / 1000.0, 10.0, " ms"),
    );
    let _actor = stage.start_osis_actor("bench_watched").await;
    let alone = beside(&stage, 0, false).await.latencies;
    for (streams, least) in [(10, None), (100, Some(70.0)), (1000, Some(30.0))] {
        let Beside { latencies: watched, micros } = beside(&stage, streams, false).await;
        let left = 100.0 * watched.per_second() / alone.per_second();
        let what = format!("RunJob, {CALLERS} at once, beside {streams} watches without a filter");
        let measured =
            format!("{} jobs/s, {left:.0} %; the supervisor takes {micros:.2} µs a message", watched.rate());
        let floor = format!("{} jobs/s without", alone.rate());
        match least {
            Some(least) => row_to(&what, &measured, &floor, Goal::at_least(left, least, " %")),
            None => row(&what, &measured, &floor),
        }
    }
    let opening = beside(&stage, 1000, true).await.latencies;
    let left = 100.0 * opening.per_second() / alone.per_second();
    row_to(
        &format!("RunJob, {CALLERS} at once, while 1000 watches with a snapshot are opened"),
        &format!("{} jobs/s, {left:.0} %", opening.rate()),
        &format!("{} jobs/s without", alone.rate()),
        Goal::at_least(left, 75.0, " %"),
    );
}

async fn snapshot(stage: &Stage) -> Latencies {
    let mut client = load::connect(stage.tcp_address()).await;
    let (begun, mut all) = (Instant::now(), Latencies::new());
    let mut items = client.watch_events(WatchEventsRequest::default()).await.unwrap().into_inner();
    loop {
        match items.message().await.unwrap().unwrap().item {
            Some(Item::Bookmark(bookmark)) if bookmark.kind() == Kind::SnapshotEnd => break,
            Some(Item::SnapshotItem(_) | Item::Event(_) | Item::Bookmark(_) | Item::Usage(_)) | None => {}
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

/// What callers beside watches have measured.
struct Beside {
    latencies: Latencies,
    /// Processor time of the supervisor in all, for each message that a watch has got.
    micros: f64,
}

/// Opens a watch whose messages are counted and not decoded: watchers have processors of their own elsewhere.
async fn watch(channel: Channel, with_snapshot: bool) -> Streaming<()> {
    let request =
        WatchEventsRequest { include_snapshot: Some(with_snapshot), ..WatchEventsRequest::default() };
    let path = PathAndQuery::from_static("/hero.supervisor.v1.Supervisor/WatchEvents");
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<WatchEventsRequest, ()>::default();
    grpc.server_streaming(Request::new(request), path, codec).await.unwrap().into_inner()
}

/// Callers for a while, beside watches in a thread of their own.
async fn beside(stage: &Stage, streams: usize, with_snapshot: bool) -> Beside {
    const SPAN: Duration = Duration::from_secs(3);
    let address = stage.tcp_address().to_owned();
    let (stop, stopped) = oneshot::channel::<()>();
    let (opened, ready) = oneshot::channel::<()>();
    let messages = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&messages);
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
                let channel = load::channel(&address).await;
                for _ in 0..PER_CONNECTION.min(streams) {
                    let mut items = watch(channel.clone(), with_snapshot).await;
                    let counted = Arc::clone(&counted);
                    tasks.spawn(async move {
                        while let Ok(Some(_item)) = items.message().await {
                            counted.fetch_add(1, Ordering::Relaxed);
                        }
                    });
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
    let before = (stage.supervisor().cpu_seconds(), messages.load(Ordering::Relaxed));
    let latencies = load::run_jobs(client, CALLERS, SPAN).await;
    let used = stage.supervisor().cpu_seconds() - before.0;
    let micros = used * 1e6 / messages.load(Ordering::Relaxed).saturating_sub(before.1).max(1) as f64;
    drop(stop);
    watchers.join().unwrap();
    Beside { latencies, micros }
}
