//! Probes Redis and the process manager every second, and derives the serving status from the answers.
//!
//! Every name is NOT_SERVING until the first answer, so that no load balancer sees a green probe too early. Unhealthy
//! actors do not change the serving status; ListActors and ListScriptTypes show them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::gauge;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::jobs::Supervisor;
use crate::domain::model::clock_offset::ClockRelation;
use crate::domain::model::event::{Event, EventKind, Source};
use crate::error::{SupervisorError, chain};
use crate::grpc::render;
use crate::grpc::serving_status::{ACTORS, JOBS, NAMES, PROCESS, READY, ServingStatus};
use crate::grpc::shutdown_gate::ShutdownGate;
use crate::lock::Lock;
use crate::proto as pb;
use crate::telemetry::metrics::{DEPENDENCY_UP, REDIS_CLOCK_OFFSET};

/// Names of the dependencies in GetServerInfo and in events.
const DEPENDENCY_NAMES: [&str; 2] = ["redis", "process_manager"];

/// Interval of the probes. Together with [`PROBE_TIMEOUT`] it bounds the time until an outage is noticed to 5 s.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two comparisons of the clocks of Redis and of this machine.
const CLOCKS_INTERVAL: Duration = Duration::from_secs(5);
/// Limit of one probe. The ports themselves time out after 2 s.
const PROBE_TIMEOUT: Duration = Duration::from_millis(2500);

/// The last answers of Redis and the process manager. Clones are cheap and share the answers.
#[derive(Debug, Clone)]
pub(crate) struct Dependencies {
    last: Arc<Lock<[Dependency; 2]>>,
}

/// A dependency and its last answer.
#[derive(Debug, Clone)]
struct Dependency {
    name: &'static str,
    last: Option<ProbeResult>,
}

/// The result of one probe.
#[derive(Debug, Clone)]
struct ProbeResult {
    at: SystemTime,
    /// Name of the answering server and round-trip time, or the error.
    answer: Result<(String, Duration), String>,
}

impl Dependencies {
    /// Makes the list of all dependencies, not probed yet.
    pub(crate) fn unknown() -> Self {
        let nothing = |name| Dependency { name, last: None };
        Self { last: Arc::new(Lock::new(DEPENDENCY_NAMES.map(nothing))) }
    }

    /// Renders the dependencies for GetServerInfo.
    pub(crate) fn render(&self) -> Vec<pb::Dependency> {
        let last = self.last.lock().clone();
        last.into_iter().map(Dependency::render).collect()
    }

    /// Records a result. Returns whether there was an earlier one, and whether the state (up or down) or the answering server
    /// has changed.
    fn record(&self, index: usize, result: ProbeResult) -> (bool, bool) {
        let server = |result: &ProbeResult| result.answer.as_ref().ok().map(|(who, _latency)| who.clone());
        let mut last = self.last.lock();
        let now = server(&result);
        let before = last[index].last.replace(result);
        (before.is_some(), before.map(|before| server(&before)) != Some(now))
    }
}

impl Dependency {
    fn render(self) -> pb::Dependency {
        use pb::dependency::State;
        let (state, message, latency, at) = match self.last {
            None => (State::Unknown, "not asked yet".to_owned(), None, None),
            Some(ProbeResult { at, answer: Ok((who, latency)) }) => (State::Up, who, Some(latency), Some(at)),
            Some(ProbeResult { at, answer: Err(why) }) => (State::Down, why, None, Some(at)),
        };
        pb::Dependency {
            name: self.name.to_owned(),
            state: state.into(),
            message,
            latency: latency.map(render::duration),
            check_time: at.map(render::timestamp),
        }
    }
}

/// The task that probes the dependencies.
pub(crate) struct DependencyMonitor {
    pub(crate) supervisor: Supervisor,
    pub(crate) lifecycle: ActorLifecycleManager,
    pub(crate) serving: ServingStatus,
    pub(crate) dependencies: Dependencies,
    pub(crate) gate: ShutdownGate,
    /// Time of the last comparison of the clocks, and its result.
    pub(crate) clocks: Lock<(Option<Instant>, ClockRelation)>,
}

impl DependencyMonitor {
    /// Probes until the shutdown begins, then sets every name to NOT_SERVING.
    pub(crate) async fn run(self) {
        self.serving.set_serving(PROCESS, true);
        let mut ticks = interval(PROBE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.gate.soft.cancelled() => break,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                biased;
                () = self.gate.soft.cancelled() => break,
                // What the clocks say is told by the next probe.
                () = async { self.probe().await; self.compare_clocks().await } => {}
            }
        }
        for name in NAMES {
            self.serving.set_serving(name, false);
        }
    }

    async fn probe(&self) {
        let redis = async {
            let latency = answer(self.supervisor.probe()).await;
            let who = self.supervisor.primary().map_or_else(String::new, |at| format!(", primary {at}"));
            let clock = self.clocks.lock().1.clause();
            let clock = clock.map_or_else(String::new, |clause| format!("; {clause}"));
            self.record(0, latency.map(|latency| (format!("answers{who}{clock}"), latency)))
        };
        let processes = async {
            let info = answer(self.lifecycle.probe()).await;
            self.record(1, info.map(|info| (info.name, info.latency)))
        };
        let (jobs, actors) = tokio::join!(redis, processes);
        self.serving.set_serving(JOBS, jobs);
        self.serving.set_serving(ACTORS, actors);
        self.serving.set_serving(READY, jobs && actors);
    }

    /// Compares the clock of Redis with that of this machine, once in a while.
    async fn compare_clocks(&self) {
        let (last, before) = *self.clocks.lock();
        if last.is_some_and(|at| at.elapsed() < CLOCKS_INTERVAL) {
            return;
        }
        if let Ok(Some(offset)) = answer(self.supervisor.clock_offset()).await {
            gauge!(REDIS_CLOCK_OFFSET).set(offset.seconds());
            *self.clocks.lock() = (Some(Instant::now()), offset.relation(before));
        }
    }

    /// Records an answer, logs and emits a change, and returns true if the dependency is up.
    fn record(&self, index: usize, answer: Result<(String, Duration), String>) -> bool {
        let up = answer.is_ok();
        let who = if index == 0 { "Redis" } else { "process manager" };
        let text = match &answer {
            Ok((name, _)) => format!("{who}: {name}"),
            Err(why) => format!("{who}: unusable ({why})"),
        };
        gauge!(DEPENDENCY_UP, "name" => DEPENDENCY_NAMES[index]).set(f64::from(u8::from(up)));
        let result = ProbeResult { at: self.supervisor.clock().now(), answer: answer.clone() };
        let (known, changed) = self.dependencies.record(index, result);
        if changed {
            let is_fine = up && self.clocks.lock().1 == ClockRelation::Agrees;
            if is_fine { tracing::info!("{text}") } else { tracing::warn!("{text}") }
        }
        // A dependency that is up at the start is no event.
        if changed && (known || !up) {
            self.emit(DEPENDENCY_NAMES[index], answer, text);
        }
        up
    }

    /// Emits the event.
    fn emit(&self, name: &str, answer: Result<(String, Duration), String>, message: String) {
        let name = name.to_owned();
        let what = match answer {
            Ok((who, latency)) => EventKind::DependencyUp { name, who, latency },
            Err(reason) => EventKind::DependencyDown { name, reason },
        };
        let event = Event::new(self.supervisor.clock().now(), Source::Supervisor, what, message);
        self.lifecycle.events().emit(event.on_node(self.lifecycle.node()));
    }
}

/// Waits for the answer to a probe; a timeout is an error.
async fn answer<T>(probe: impl Future<Output = Result<T, SupervisorError>>) -> Result<T, String> {
    match timeout(PROBE_TIMEOUT, probe).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_elapsed) => Err(format!("no answer within {PROBE_TIMEOUT:?}")),
    }
}
