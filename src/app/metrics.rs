//! The endpoint for Prometheus: `GET /metrics` over HTTP/1.1.
//!
//! Before each scrape the gauges are read anew, so that they say how things are and not how they were. What Redis does
//! not answer in time is left at its last value; the scrape itself never fails for it.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::{counter, gauge};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::time::timeout;

use super::listener::{Connection, Listener};
use crate::config::ListenAddr;
use crate::domain::actor::{ActorState, ActorStatus};
use crate::domain::lifecycle::ActorLifecycleManager;
use crate::domain::script_type::ScriptType;
use crate::domain::supervisor::Supervisor;
use crate::error::chain;
use crate::telemetry::metrics as names;

/// Prometheus gives up after 10 s by default.
const READ_LIMIT: Duration = Duration::from_secs(3);
/// Samples of histograms wait in memory until they are counted; this often they are, also when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);
/// What Prometheus expects of its text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is read before a scrape.
#[derive(Clone)]
pub(super) struct Readings {
    pub(super) supervisor: Supervisor,
    pub(super) lifecycle: ActorLifecycleManager,
}

/// Serves `/metrics` until the end of the process or of the task.
pub(super) async fn serve(listener: Listener, handle: &'static PrometheusHandle, readings: Readings) {
    let node = readings.lifecycle.node().to_string();
    gauge!(names::INFO, "version" => env!("CARGO_PKG_VERSION"), "node" => node).set(1.0);
    let app = Router::new().route("/metrics", get(scrape)).with_state((handle, readings));
    let upkeep = async {
        loop {
            tokio::time::sleep(UPKEEP).await;
            handle.run_upkeep();
        }
    };
    tokio::select! {
        served = axum::serve(listener, app) => {
            if let Err(error) = served {
                tracing::warn!(%error, "metrics are no longer served");
            }
        }
        () = upkeep => {}
    }
}

async fn scrape(
    State((handle, readings)): State<(&'static PrometheusHandle, Readings)>,
) -> impl IntoResponse {
    match timeout(READ_LIMIT, read(&readings)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(error = %chain(&error), "some gauges could not be read"),
        Err(_elapsed) => tracing::debug!("some gauges could not be read within {READ_LIMIT:?}"),
    }
    ([(CONTENT_TYPE, TEXT)], handle.render())
}

async fn read(readings: &Readings) -> Result<(), crate::error::SupervisorError> {
    let actors = readings.lifecycle.actors().await?;
    let here = readings.lifecycle.node();
    set_actors(actors.iter().filter(|actor| actor.record.node == *here));
    for script_type in ScriptType::ALL {
        let queue = readings.supervisor.queue().state(script_type).await?;
        let depth = queue.depth;
        counter!(names::MALFORMED_ENTRIES, "script_type" => script_type.as_str()).absolute(queue.malformed);
        counter!(names::DAMAGED_RECORDS, "script_type" => script_type.as_str()).absolute(queue.damaged);
        for actor in readings.supervisor.queue().presences(script_type).await? {
            let labels =
                [("actor_id", actor.actor_id.to_string()), ("script_type", script_type.as_str().to_owned())];
            gauge!(names::PENDING_ENDS, &labels).set(number(actor.pending_ends));
            counter!(names::REFUSED_ENDS, &labels).absolute(actor.refused_ends);
        }
        gauge!(names::QUEUE_AGE, "script_type" => script_type.as_str())
            .set(names::seconds(queue.oldest_age.unwrap_or_default()));
        for (state, jobs) in
            [("queued", depth.queued), ("running", depth.running), ("delayed", depth.delayed)]
        {
            gauge!(names::QUEUE_JOBS, "script_type" => script_type.as_str(), "state" => state)
                .set(number(jobs));
        }
    }
    Ok(())
}

/// Every state of every type is set, so that a state that nobody is in any more goes back to 0.
fn set_actors<'a>(actors: impl Iterator<Item = &'a ActorStatus>) {
    let mut counts: BTreeMap<(&str, ActorState), u64> = BTreeMap::new();
    for script_type in ScriptType::ALL {
        counts.extend(ActorState::ALL.map(|state| ((script_type.as_str(), state), 0)));
    }
    for actor in actors {
        let script_type = actor.record.config.script_type.as_str();
        *counts.entry((script_type, actor.state)).or_default() += 1;
        let id = actor.record.id.to_string();
        counter!(names::ACTOR_RESTARTS, "actor_id" => id, "script_type" => script_type)
            .absolute(u64::from(actor.record.restart_count));
    }
    for ((script_type, state), count) in counts {
        gauge!(names::ACTORS, "script_type" => script_type, "state" => state.as_str()).set(number(count));
    }
}

/// Exact up to 2^53, which no queue reaches.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = ListenAddr;

    async fn accept(&mut self) -> (Connection, ListenAddr) {
        let address = self.address();
        (self.accept_patiently().await, address)
    }

    fn local_addr(&self) -> io::Result<ListenAddr> {
        Ok(self.address())
    }
}
