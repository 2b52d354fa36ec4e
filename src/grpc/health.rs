//! Asks Redis and the process manager every second whether they answer, and tells callers and load balancers.
//!
//! Every name is registered as NOT_SERVING before a port is served, because a probe must not be green before the first
//! answer. An actor that is unwell does not make the server so: that is what ListActors and ListScriptTypes are for.

mod service;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use metrics::gauge;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::jobs::Supervisor;
use crate::domain::model::event::{Event, Source, What};
use crate::error::{SupervisorError, chain};
use crate::grpc::gate::Gate;
use crate::grpc::render;
use crate::proto as pb;
use crate::telemetry::metrics::DEPENDENCY_UP;

pub(crate) use service::Names;

/// The process is up and does not drain.
const PROCESS: &str = "";
/// Redis and the process manager answer.
const READY: &str = "hero.supervisor.v1.Supervisor";
/// Redis answers and accepts jobs.
const JOBS: &str = "hero.supervisor.v1.jobs";
/// The process manager answers.
const ACTORS: &str = "hero.supervisor.v1.actors";
/// All of them.
const NAMES: [&str; 4] = [PROCESS, READY, JOBS, ACTORS];

/// What the supervisor needs, as GetServerInfo and events name it.
const NAMES_OF_DEPENDENCIES: [&str; 2] = ["redis", "process_manager"];

/// From one round of questions to the next; with [`PROBE_LIMIT`] an outage is seen within 5 s.
const EVERY: Duration = Duration::from_secs(1);
/// The ports give up after 2 s by themselves.
const PROBE_LIMIT: Duration = Duration::from_millis(2500);

/// What was last heard of Redis and the process manager. A cheap clone; all clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Dependencies {
    last: Arc<Mutex<[Dependency; 2]>>,
}

/// One that the supervisor needs.
#[derive(Debug, Clone)]
struct Dependency {
    name: &'static str,
    heard: Option<Heard>,
}

/// An answer, or none.
#[derive(Debug, Clone)]
struct Heard {
    at: SystemTime,
    /// Who answered and how fast, or what went wrong.
    answer: Result<(String, Duration), String>,
}

impl Dependencies {
    /// Nobody asked yet.
    pub(crate) fn unknown() -> Self {
        let nothing = |name| Dependency { name, heard: None };
        Self { last: Arc::new(Mutex::new(NAMES_OF_DEPENDENCIES.map(nothing))) }
    }

    /// For GetServerInfo.
    pub(crate) fn render(&self) -> Vec<pb::Dependency> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        last.into_iter().map(Dependency::render).collect()
    }

    /// Notes an answer; says whether there was one before, and whether it is another one than that.
    fn note(&self, index: usize, heard: Heard) -> (bool, bool) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last[index].heard.replace(heard.clone());
        let before = before.map(|before| before.answer.is_ok());
        (before.is_some(), before != Some(heard.answer.is_ok()))
    }
}

impl Dependency {
    fn render(self) -> pb::Dependency {
        use pb::dependency::State;
        let (state, message, latency, at) = match self.heard {
            None => (State::Unknown, "not asked yet".to_owned(), None, None),
            Some(Heard { at, answer: Ok((who, latency)) }) => (State::Up, who, Some(latency), Some(at)),
            Some(Heard { at, answer: Err(why) }) => (State::Down, why, None, Some(at)),
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

/// The one who asks.
pub(crate) struct HealthKeeper {
    pub(crate) supervisor: Supervisor,
    pub(crate) lifecycle: ActorLifecycleManager,
    pub(crate) names: Names,
    pub(crate) dependencies: Dependencies,
    pub(crate) gate: Gate,
}

impl HealthKeeper {
    /// Asks until the server goes down, then turns every name NOT_SERVING.
    pub(crate) async fn run(self) {
        self.names.say(PROCESS, true);
        let mut rounds = interval(EVERY);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.gate.soft.cancelled() => break,
                _ = rounds.tick() => {}
            }
            tokio::select! {
                biased;
                () = self.gate.soft.cancelled() => break,
                () = self.round() => {}
            }
        }
        for name in NAMES {
            self.names.say(name, false);
        }
    }

    async fn round(&self) {
        let redis = async {
            let latency = answer(self.supervisor.probe()).await;
            self.note(0, latency.map(|latency| ("answers".to_owned(), latency)))
        };
        let processes = async {
            let info = answer(self.lifecycle.probe()).await;
            self.note(1, info.map(|info| (info.name, info.latency)))
        };
        let (jobs, actors) = tokio::join!(redis, processes);
        self.names.say(JOBS, jobs);
        self.names.say(ACTORS, actors);
        self.names.say(READY, jobs && actors);
    }

    /// Notes an answer and says whether it was one.
    fn note(&self, index: usize, answer: Result<(String, Duration), String>) -> bool {
        let up = answer.is_ok();
        let who = if index == 0 { "Redis" } else { "process manager" };
        let text = match &answer {
            Ok((name, _)) => format!("{who}: {name}"),
            Err(why) => format!("{who} cannot be used: {why}"),
        };
        gauge!(DEPENDENCY_UP, "name" => NAMES_OF_DEPENDENCIES[index]).set(f64::from(u8::from(up)));
        let told = answer.clone();
        let heard = Heard { at: self.supervisor.clock().now(), answer };
        let (known, changed) = self.dependencies.note(index, heard);
        if changed {
            if up { tracing::info!("{text}") } else { tracing::warn!("{text}") }
        }
        // That everything is there at the start is what is expected.
        if changed && (known || !up) {
            self.tell(NAMES_OF_DEPENDENCIES[index], told, text);
        }
        up
    }

    /// Tells those who watch.
    fn tell(&self, name: &str, answer: Result<(String, Duration), String>, message: String) {
        let name = name.to_owned();
        let what = match answer {
            Ok((who, latency)) => What::DependencyUp { name, who, latency },
            Err(reason) => What::DependencyDown { name, reason },
        };
        let event = Event::new(self.supervisor.clock().now(), Source::Supervisor, what, message);
        self.lifecycle.events().emit(event.on_node(self.lifecycle.node()));
    }
}

/// The answer to a probe; silence is one, too.
async fn answer<T>(probe: impl Future<Output = Result<T, SupervisorError>>) -> Result<T, String> {
    match timeout(PROBE_LIMIT, probe).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_elapsed) => Err(format!("no answer within {PROBE_LIMIT:?}")),
    }
}
