//! The endpoint for Prometheus: `GET /metrics` over HTTP/1.1.
//!
//! The gauges are read before each scrape, so that they are current. A gauge that Redis does not deliver in time
//! keeps its last value; the scrape itself does not fail.

mod exposition;
mod of_actors;
mod of_queues;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::IncomingStream;
use exposition::Exposition;
use futures::stream::{BoxStream, StreamExt};
use metrics::{counter, gauge};
use metrics_exporter_prometheus::PrometheusHandle;
use of_actors::OfActors;
use tokio::time::timeout;

use super::connections::for_scrapers;
use super::job_ends;
use super::listener::{Connection, Listener, TlsOptions, connections};
use crate::config::ListenAddr;
use crate::domain::actors::ActorLifecycleManager;
use crate::domain::jobs::Supervisor;
use crate::domain::model::actor::{ActorState, ActorStatus};
use crate::domain::model::script_type::ScriptType;
use crate::error::chain;
use crate::grpc::{Hosts, Peer, ScrapeAccess, ScrapeRefusal};
use crate::lock::Lock;
use crate::ports::job_queue::QueueError;
use crate::ports::queue_admin::FlowHeld;
use crate::ports::store_fault::StoreFault;
use crate::telemetry::metrics as names;

/// Limit of the reading; Prometheus gives up after 10 s by default.
const READ_LIMIT: Duration = Duration::from_secs(3);
/// Interval in which samples of histograms are aggregated, also without scrapes, so that they do not pile up in
/// memory.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(5);
/// Sources of the gauges.
#[derive(Clone)]
pub(super) struct Readings {
    pub(super) supervisor: Supervisor,
    pub(super) lifecycle: ActorLifecycleManager,
}

/// State of the endpoint.
#[derive(Clone)]
struct Scraped {
    handle: &'static PrometheusHandle,
    readings: Readings,
    /// Reads `process_*` of this process.
    process: metrics_process::Collector,
    /// Allowed host names; None where no browser can connect.
    hosts: Option<Arc<Hosts>>,
    /// Access to the metrics; None if everybody may read them.
    access: Option<ScrapeAccess>,
    /// The series of actors as last read. They are rendered here, because the recorder would keep those of removed
    /// actors.
    of_actors: Arc<Lock<String>>,
}

/// The other end of a connection.
#[derive(Debug, Clone)]
struct Scraper(Peer);

impl Connected<IncomingStream<'_, Scrapers>> for Scraper {
    fn connect_info(stream: IncomingStream<'_, Scrapers>) -> Self {
        Self(tonic::transport::server::Connected::connect_info(stream.io()))
    }
}

/// Serves `/metrics` until the task is dropped.
pub(super) async fn serve(
    listener: Listener,
    tls: Option<TlsOptions>,
    access: Option<ScrapeAccess>,
    handle: &'static PrometheusHandle,
    readings: Readings,
    mut hosts: Vec<String>,
) {
    let node = readings.lifecycle.node().to_string();
    hosts.push(node.clone());
    hosts.push(crate::config::host_name().to_string());
    gauge!(names::INFO, "version" => env!("CARGO_PKG_VERSION"), "node" => node).set(1.0);
    let hosts = matches!(listener, Listener::Tcp(..)).then(|| Arc::new(Hosts(hosts)));
    let process = metrics_process::Collector::default();
    process.describe();
    let scraped = Scraped { handle, readings, process, hosts, access, of_actors: Arc::default() };
    let app = Router::new().route("/metrics", get(scrape)).with_state(scraped);
    let app = app.into_make_service_with_connect_info::<Scraper>();
    let address = listener.address();
    let listener = Scrapers { address, connections: connections(listener, for_scrapers(), tls.as_ref()) };
    let maintenance = async {
        loop {
            tokio::time::sleep(MAINTENANCE_INTERVAL).await;
            handle.run_upkeep();
        }
    };
    tokio::select! {
        served = axum::serve(listener, app) => {
            if let Err(error) = served {
                tracing::warn!(%error, "metrics: no longer served ({error})");
            }
        }
        () = maintenance => {}
    }
}

async fn scrape(
    State(scraped): State<Scraped>,
    ConnectInfo(Scraper(peer)): ConnectInfo<Scraper>,
    headers: HeaderMap,
) -> Response {
    let host = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
    if let (Some(hosts), Some(host)) = (&scraped.hosts, host)
        && !hosts.has(host)
    {
        let told = "this host name is not among metrics_hosts\n";
        return (StatusCode::MISDIRECTED_REQUEST, told).into_response();
    }
    if let Some(access) = &scraped.access
        && let Err(refusal) = access.admit(&headers, &peer).await
    {
        return refused(refusal);
    }
    match timeout(READ_LIMIT, read(&scraped.readings)).await {
        Ok(Ok(read)) => *scraped.of_actors.lock() = read,
        Ok(Err(error)) => tracing::debug!(error = %chain(&error), "metrics: gauges not read"),
        Err(_elapsed) => tracing::debug!("metrics: gauges not read (no answer within {READ_LIMIT:?})"),
    }
    let of_actors = scraped.of_actors.lock().clone();
    scraped.process.collect();
    let exposition = Exposition::accepted(&headers);
    let text = exposition.write(scraped.handle.render() + of_actors.as_str());
    ([(CONTENT_TYPE, exposition.content_type())], text).into_response()
}

fn refused(refusal: ScrapeRefusal) -> Response {
    match refusal {
        ScrapeRefusal::NotKnown => {
            let told = "a token that is accepted here is missing: send authorization: Bearer TOKEN\n";
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], told).into_response()
        }
        ScrapeRefusal::NotAllowed => {
            let told = "this token may not read metrics: it needs the role viewer, operator or admin\n";
            (StatusCode::FORBIDDEN, told).into_response()
        }
    }
}

/// Sets the gauges and returns the series of actors.
async fn read(readings: &Readings) -> Result<String, crate::error::SupervisorError> {
    let actors = readings.lifecycle.actors().await?;
    let here = readings.lifecycle.node();
    let of_this_node = || actors.iter().filter(|actor| actor.record.node == *here);
    set_actors(of_this_node());
    let of_actors = of_actors::render(of_this_node());
    let mut pending = OfActors::new(names::PENDING_ENDS, "gauge", names::PENDING_ENDS_HELP);
    let mut refused = OfActors::new(names::REFUSED_ENDS, "counter", names::REFUSED_ENDS_HELP);
    for script_type in ScriptType::ALL {
        let queue = match readings.supervisor.queue().state(script_type.into()).await {
            // It is counted by itself; the series of the other queues are there all the same.
            Err(error) if is_damage(&error) => continue,
            queue => queue?,
        };
        let depth = queue.depth;
        counter!(names::MALFORMED_ENTRIES, "script_type" => script_type.as_str()).absolute(queue.malformed);
        counter!(names::DAMAGED_RECORDS, "script_type" => script_type.as_str()).absolute(queue.damaged);
        job_ends::set(script_type, &readings.supervisor.queue().ends(script_type.into()).await?);
        let present = match readings.supervisor.queue().presences(script_type.into()).await {
            Err(error) if is_damage(&error) => Vec::new(),
            present => present?,
        };
        for actor in present {
            pending.add(&actor.actor_id, script_type, actor.pending_ends);
            refused.add(&actor.actor_id, script_type, actor.refused_ends);
        }
        gauge!(names::QUEUE_AGE, "script_type" => script_type.as_str())
            .set(names::seconds(queue.oldest_age.unwrap_or_default()));
        for (state, jobs) in
            [("queued", depth.queued), ("running", depth.running), ("delayed", depth.delayed)]
        {
            gauge!(names::QUEUE_JOBS, "script_type" => script_type.as_str(), "state" => state)
                .set(number(jobs));
        }
        for (reason, jobs) in held(readings.supervisor.queue().flow_held(script_type.into()).await) {
            gauge!(names::FLOW_HELD, "script_type" => script_type.as_str(), "reason" => reason)
                .set(number(jobs));
        }
    }
    let of_queues = of_queues::render(&readings.supervisor, &mut pending, &mut refused).await?;
    Ok([of_actors, pending.into_text(), refused.into_text(), of_queues].concat())
}

/// Names the numbers of held jobs. A Redis whose functions are of an older version does not count them.
fn held(counted: Result<FlowHeld, QueueError>) -> [(&'static str, u64); 3] {
    let FlowHeld { paused, at_limit, over_rate } = counted.unwrap_or_default();
    [("paused", paused), ("max_running", at_limit), ("rate", over_rate)]
}

fn is_damage(error: &QueueError) -> bool {
    matches!(error.fault(), StoreFault::Corrupt { .. })
}

/// Sets the gauge of every state of every type, so that a state without actors returns to 0.
fn set_actors<'a>(actors: impl Iterator<Item = &'a ActorStatus>) {
    let mut counts: BTreeMap<(&str, ActorState), u64> = BTreeMap::new();
    for script_type in ScriptType::ALL {
        counts.extend(ActorState::ALL.map(|state| ((script_type.as_str(), state), 0)));
    }
    for actor in actors {
        let script_type = actor.record.config.script_type.as_str();
        *counts.entry((script_type, actor.state)).or_default() += 1;
    }
    for ((script_type, state), count) in counts {
        gauge!(names::ACTORS, "script_type" => script_type, "state" => state.as_str()).set(number(count));
    }
}

/// Converts exactly up to 2^53, which no queue reaches.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// The connections of scrapers.
struct Scrapers {
    address: ListenAddr,
    connections: BoxStream<'static, Connection>,
}

impl axum::serve::Listener for Scrapers {
    type Io = Connection;
    type Addr = ListenAddr;

    async fn accept(&mut self) -> (Connection, ListenAddr) {
        match self.connections.next().await {
            Some(connection) => (connection, self.address.clone()),
            // The stream never ends.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<ListenAddr> {
        Ok(self.address.clone())
    }
}
