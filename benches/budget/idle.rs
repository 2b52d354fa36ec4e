//! What it costs to watch a crowd that does nothing.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

use crate::load;
use crate::stage::{Process, Stage, appear};

type Client = pb::supervisor_client::SupervisorClient<Channel>;

/// All actors are to run by then.
const PATIENCE: Duration = Duration::from_secs(120);
/// After the last start: what followed from it is over.
const SETTLE: Duration = Duration::from_secs(5);
/// How long is looked at each part.
const WINDOW: Duration = Duration::from_secs(20);

/// Processor time while nothing happens, in percent of one core.
pub(crate) struct Idle {
    pub(crate) supervisor: f64,
    pub(crate) zinit: f64,
    pub(crate) redis: f64,
    /// The supervisor with no actor at all.
    pub(crate) empty: f64,
}

/// So many actors on a real Zinit, each announced at the queue and beating.
pub(crate) async fn crowd(actors: usize) -> Idle {
    let folder = tempfile::Builder::new().prefix("hb").tempdir_in("/tmp").unwrap();
    let socket = folder.path().join("z.sock");
    let config = folder.path().join("cfg");
    std::fs::create_dir(&config).unwrap();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut server = Command::new("zinit-server");
    server.arg("-c").arg(&config).arg("-s").arg(&socket).env_remove("RUST_LOG");
    let zinit = Process::start(server.stdout(Stdio::null()).stderr(Stdio::null()));
    appear(&socket).await;
    let stage = Stage::start_on_zinit(&socket).await;
    sleep(SETTLE).await;
    let [empty] = shares([stage.supervisor()]).await;
    let client = load::connect(stage.tcp_address()).await;
    let _crowd = gather(client, stage.redis_url(), actors).await;
    sleep(SETTLE).await;
    let [supervisor, zinit, redis] = shares([stage.supervisor(), &zinit, stage.redis()]).await;
    Idle { supervisor, zinit, redis, empty }
}

/// The processes of the actors, which would outlive their Zinit.
struct Crowd(Vec<i32>);

impl Drop for Crowd {
    fn drop(&mut self) {
        for pid in self.0.iter().filter(|pid| **pid > 1) {
            let _gone = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
    }
}

async fn gather(mut client: Client, redis_url: &str, count: usize) -> Crowd {
    let program = std::env::current_exe().unwrap().display().to_string();
    for number in 0..count {
        let actor_id = format!("idle_{number}");
        let config = pb::ActorConfig {
            script_type: pb::ScriptType::Osis.into(),
            binary_path: program.clone(),
            args: ["--noop-actor", redis_url, &actor_id].map(str::to_owned).to_vec(),
            ..Default::default()
        };
        let config = Some(config);
        let request = pb::CreateActorRequest { actor_id, config, start: Some(false), ..Default::default() };
        client.create_actor(request).await.unwrap();
    }
    let selector = Some(pb::ActorSelector { all: true, ..Default::default() });
    let patience = prost_types::Duration { seconds: 100, nanos: 0 };
    let request = pb::StartActorsRequest { selector, max_wait: Some(patience), local_only: false };
    client.start_actors(request).await.unwrap();
    let begun = Instant::now();
    loop {
        let request = pb::ListActorsRequest { page_size: 1000, ..Default::default() };
        let all = client.list_actors(request).await.unwrap().into_inner().actors;
        let running = |actor: &&pb::Actor| actor.state() == pb::actor::State::Running;
        if all.iter().filter(running).count() == count {
            return Crowd(all.iter().map(pb::Actor::pid).collect());
        }
        assert!(begun.elapsed() < PATIENCE, "not all actors run: {all:?}");
        sleep(Duration::from_millis(500)).await;
    }
}

/// The share of a core that each of these uses from now on, in percent.
async fn shares<const N: usize>(processes: [&Process; N]) -> [f64; N] {
    let before = processes.map(Process::cpu_seconds);
    let begun = Instant::now();
    sleep(WINDOW).await;
    let elapsed = begun.elapsed().as_secs_f64();
    let after = processes.map(Process::cpu_seconds);
    std::array::from_fn(|at| (after[at] - before[at]) / elapsed * 100.0)
}
