//! What is tested: a Redis, a Zinit, two supervisors of one node, three actors, all real.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hero_supervisor::proto as pb;
use tokio::time::sleep;

use crate::support::full_service::{self, Client, create, span};
use crate::support::redis::PrivateRedis;
use crate::support::service::Service;
use crate::support::zinit::PrivateZinit;
use crate::wire::Wire;

/// Short, so that faults outlast it.
const LEASE: &str = "4s";
/// Where scripts leave their marks.
const MARKS: &str = "marks";

/// All of it. Dropped, it is gone.
pub(crate) struct Stage {
    pub(crate) supervisors: Vec<Service>,
    /// The ways to Redis of each supervisor, and of all actors.
    pub(crate) wires: Vec<Wire>,
    pub(crate) zinit: PrivateZinit,
    pub(crate) redis: PrivateRedis,
}

impl Stage {
    /// Everything runs.
    pub(crate) async fn start() -> Self {
        let redis = PrivateRedis::start_with_clock().await;
        let zinit = PrivateZinit::start().await;
        let wires: Vec<Wire> = (0..3).map(|_wire| Wire::start(redis.socket())).collect();
        let socket = zinit.socket().display().to_string();
        let mut supervisors = Vec::new();
        for wire in &wires[..2] {
            let url = wire.url();
            let flags = ["--redis-url", &url, "--zinit-socket", &socket, "--lease", LEASE];
            let times = ["--drain-delay", "300ms", "--shutdown-timeout", "8s"];
            supervisors.push(Service::serve(&[&flags[..], &times[..]].concat()).await);
        }
        let stage = Self { supervisors, wires, zinit, redis };
        std::fs::write(stage.marks(), "").unwrap();
        for (id, script_type, program) in ACTORS {
            create(&mut stage.clients()[0].clone(), stage.definition(id, script_type, program)).await;
        }
        stage
    }

    /// The file of marks.
    pub(crate) fn marks(&self) -> PathBuf {
        self.zinit.path(MARKS)
    }

    /// A caller of each supervisor; it goes on when the supervisor is replaced.
    pub(crate) fn clients(&self) -> Vec<Client> {
        self.supervisors.iter().map(full_service::client).collect()
    }

    /// Living actors' processes once each has one, and has had it for a while.
    pub(crate) async fn settled_actors(&self) -> BTreeMap<String, Vec<i32>> {
        let mut before = self.actors();
        for _second in 0..30 {
            sleep(Duration::from_secs(1)).await;
            let now = self.actors();
            if now == before && now.len() == ACTORS.len() && now.values().all(|pids| pids.len() == 1) {
                return now;
            }
            before = now;
        }
        before
    }

    /// Living actors' processes.
    pub(crate) fn actors(&self) -> BTreeMap<String, Vec<i32>> {
        let living = self.zinit.living_actors().into_iter();
        let ours = living.filter(|(name, _)| ACTORS.iter().any(|(id, ..)| id == name));
        ours.map(|(name, pids)| (name, pids.into_iter().collect())).collect()
    }

    fn definition(&self, id: &str, script_type: pb::ScriptType, program: &str) -> pb::CreateActorRequest {
        let url = self.wires[2].url();
        let mut args = vec!["--redis-url", &url, "--actor-id", id, "--lease", LEASE];
        if script_type != pb::ScriptType::Osis {
            args.extend(["--concurrency", "2"]);
        }
        let config = pb::ActorConfig {
            script_type: script_type.into(),
            binary_path: program.to_owned(),
            args: args.into_iter().map(str::to_owned).collect(),
            start_timeout: span(Duration::from_secs(60)),
            drain_timeout: span(Duration::from_secs(10)),
            // They are killed often.
            restart_policy: Some(pb::RestartPolicy {
                initial_backoff: span(Duration::from_millis(100)),
                max_backoff: span(Duration::from_secs(1)),
                max_restarts: Some(0),
                ..Default::default()
            }),
            ..Default::default()
        };
        pb::CreateActorRequest {
            actor_id: id.to_owned(),
            config: Some(config),
            max_wait: span(Duration::from_secs(60)),
            ..Default::default()
        }
    }
}

/// The actors, each with its program.
pub(crate) const ACTORS: [(&str, pb::ScriptType, &str); 3] = [
    ("osis_actor_0", pb::ScriptType::Osis, env!("CARGO_BIN_EXE_osis_actor")),
    ("sal_actor_0", pb::ScriptType::Sal, env!("CARGO_BIN_EXE_sal_actor")),
    ("python_actor_0", pb::ScriptType::Python, env!("CARGO_BIN_EXE_python_actor")),
];

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "what is compared are dates of several processes")]
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
