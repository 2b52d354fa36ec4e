//! Plays a GEN2 Zinit from recorded answers: their texts, their codes, their order, and how long a stop takes. Those of
//! v0.2.28 and of v0.2.25 to v0.2.27 were recorded on real ones.
//!
//! It runs no process. Its pids are beyond what the kernel hands out, so that a signal to one reaches nobody.

mod answers;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::answers::answer;
use self::services::{ended, monitor_service, write};

/// What the recorded server did with a stop: it looks for half a second, then waits for half a second, then kills.
const STOP: Duration = Duration::from_millis(1020);
/// Answers and lines on their way to a caller; more than any test needs.
const LINES: usize = 4096;
/// Its wait before each restart.
const RESTART: Duration = Duration::from_secs(2);
/// Nothing says that a subscription stands already when it is confirmed.
const SUBSCRIBED: Duration = Duration::from_millis(20);
/// Lines of a service that writes without end which came before the answer to the next call on the same connection.
const FLOOD: usize = 100_000;

/// How a version refuses, and what it answers to `rpc.discover`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// v0.2.28: each refusal has a code and a reason.
    V0_2_28,
    /// v0.2.26 and v0.2.27: nearly every refusal is an internal error.
    V0_2_27,
    /// The same, with an object for an answer to `rpc.discover`, and a faster stop. Likely v0.2.15 to v0.2.25.
    V0_2_25,
}

/// What a played program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plays {
    /// Runs until SIGTERM.
    Runs,
    /// Takes this long to end after SIGTERM, and ends with exit code 0.
    EndsAfter(Duration),
    /// Ignores SIGTERM.
    Ignores,
    /// Ends at once with this code.
    Exits(i32),
    /// Cannot be executed.
    Missing,
}

#[derive(Debug)]
struct Service {
    pid: u32,
    state: String,
    target: &'static str,
    plays: Plays,
    oneshot: bool,
    /// It has a health check.
    checked: bool,
    after: Vec<String>,
    /// Changes with each start and end, so that a timer that is out of date does nothing.
    turn: u64,
}

#[derive(Default)]
struct RecordedZinit {
    files: BTreeMap<String, Value>,
    services: BTreeMap<String, Service>,
    plays: BTreeMap<String, Plays>,
    log: Vec<String>,
    followers: Vec<(String, u64, mpsc::Sender<Value>)>,
    calls: Vec<(String, Value)>,
    last_pid: u32,
    last_subscription: u64,
    dialect: Option<Dialect>,
    /// Lists to come that fail, because a service is forgotten in the middle of each.
    failing_lists: usize,
    /// Calls are heard and not answered.
    hangs: bool,
    /// A service whose next subscriber is sent a flood of lines.
    floods: Option<String>,
    /// Services whose health check does not pass.
    held: BTreeSet<String>,
    connections: usize,
}

impl RecordedZinit {
    fn dialect(&self) -> Dialect {
        self.dialect.unwrap_or(Dialect::V0_2_28)
    }
}

/// A played server; dropping it hangs up.
pub(super) struct Played {
    dir: TempDir,
    world: Arc<Mutex<RecordedZinit>>,
    tasks: JoinSet<()>,
}

impl Played {
    pub(super) fn start() -> Self {
        Self::speaking(Dialect::V0_2_28)
    }

    pub(super) fn speaking(dialect: Dialect) -> Self {
        let dir = tempfile::Builder::new().prefix("hg").tempdir_in("/tmp").unwrap();
        let mut played = Self { dir, world: Arc::default(), tasks: JoinSet::new() };
        played.world().dialect = Some(dialect);
        played.listen();
        played
    }

    fn listen(&mut self) {
        let _old = std::fs::remove_file(self.socket());
        let listener = UnixListener::bind(self.socket()).unwrap();
        let world = self.world.clone();
        self.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _address)) = listener.accept().await {
                connections.spawn(serve(stream, world.clone()));
            }
        });
    }

    /// Hangs up on everybody and listens anew, with all services gone on.
    pub(super) async fn restart(&mut self) {
        self.hang_up().await;
        self.listen();
    }

    /// The same by another server: what the old one kept of lines is gone, and `line` is written before anybody can
    /// subscribe.
    pub(super) async fn restart_anew(&mut self, name: &str, line: &str) {
        self.hang_up().await;
        self.world().log = vec![format!("[-] {name}: ------------ [start] ------------")];
        self.write(name, "+", line);
        self.listen();
    }

    async fn hang_up(&mut self) {
        self.tasks.shutdown().await;
        let mut world = self.world();
        world.followers.clear();
        world.connections = 0;
    }

    /// Has the health check of a service fail until it is let through.
    pub(super) fn hold(&self, name: &str) {
        self.world().held.insert(name.to_owned());
    }

    /// Has the health check of a service pass.
    pub(super) fn let_through(&self, name: &str) {
        let mut world = self.world();
        world.held.remove(name);
        let service = world.services.get_mut(name).unwrap();
        if service.pid != 0 {
            service.state = "Running".to_owned();
        }
    }

    /// Has the next lists fail.
    pub(super) fn fail_lists(&self, number: usize) {
        self.world().failing_lists = number;
    }

    /// Has no call answered from now on, or answers again.
    pub(super) fn hang(&self, hangs: bool) {
        self.world().hangs = hangs;
    }

    /// Has the next subscriber of a service be sent more than it can read.
    pub(super) fn flood(&self, name: &str) {
        self.world().floods = Some(name.to_owned());
    }

    /// Open connections, and subscriptions on them.
    pub(super) fn connections(&self) -> (usize, usize) {
        let mut world = self.world();
        world.followers.retain(|(_of, _subscription, follower)| !follower.is_closed());
        (world.connections, world.followers.len())
    }

    /// Whether a service of this name is monitored.
    pub(super) fn is_monitored(&self, name: &str) -> bool {
        self.world().services.contains_key(name)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("z.sock")
    }

    fn world(&self) -> MutexGuard<'_, RecordedZinit> {
        self.world.lock().unwrap()
    }

    /// What a service of this name does from its next start on.
    pub(super) fn plays(&self, name: &str, plays: Plays) {
        self.world().plays.insert(name.to_owned(), plays);
    }

    /// Methods that were called for this name and change something, in order.
    pub(super) fn changes(&self, name: &str) -> Vec<String> {
        const READS: [&str; 6] = [
            "rpc.discover",
            "service_list",
            "service_status",
            "service_get",
            "stream_currentLogs",
            "stream_subscribeLogs",
        ];
        let world = self.world();
        let about = world.calls.iter().filter(|(_method, params)| params[0] == name);
        about
            .map(|(method, _params)| method.clone())
            .filter(|method| !READS.contains(&method.as_str()))
            .collect()
    }

    /// All methods that were called.
    pub(super) fn called(&self) -> Vec<String> {
        self.world().calls.iter().map(|(method, _params)| method.clone()).collect()
    }

    /// The content of a service's file.
    pub(super) fn file(&self, name: &str) -> Option<Value> {
        self.world().files.get(name).cloned()
    }

    /// Writes a service file, as somebody else would, and has it monitored if that is said.
    pub(super) fn put(&self, name: &str, content: Value, monitor: bool) {
        let mut world = self.world();
        world.files.insert(name.to_owned(), content);
        if monitor {
            drop(world);
            monitor_service(&self.world, name);
        }
    }

    /// Has a service write a line.
    pub(super) fn write(&self, name: &str, mark: &str, text: &str) {
        write(&mut self.world(), name, mark, text);
    }

    /// Ends the process of a service, as if it had crashed.
    pub(super) fn crash(&self, name: &str, state: &str) {
        let pid = self.world().services[name].pid;
        let state = state.replace("PID", &pid.to_string());
        ended(&self.world, name, &state);
    }
}

fn notification(subscription: u64, line: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": "stream_subscribeLogs", "params": {"subscription": subscription, "result": line}})
}

/// Counts a connection for as long as it is open.
struct Connection(Arc<Mutex<RecordedZinit>>);

impl Drop for Connection {
    fn drop(&mut self) {
        let mut world = self.0.lock().unwrap();
        world.connections = world.connections.saturating_sub(1);
    }
}

async fn serve(stream: UnixStream, world: Arc<Mutex<RecordedZinit>>) {
    world.lock().unwrap().connections += 1;
    let _connection = Connection(world.clone());
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (replies, mut outbox) = mpsc::channel::<Value>(LINES);
    let flooded = Arc::new(Semaphore::new(1));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Some(reply) = outbox.recv().await {
            if write.write_all(format!("{reply}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    });
    // Each call is answered when it is ready, whatever came before it.
    while let Ok(Some(line)) = lines.next_line().await {
        let call: Value = serde_json::from_str(&line).unwrap();
        let (world, replies, flooded) = (world.clone(), replies.clone(), flooded.clone());
        tasks.spawn(async move {
            let method = call["method"].as_str().unwrap().to_owned();
            world.lock().unwrap().calls.push((method.clone(), call["params"].clone()));
            let answer = answer(&world, &method, &call["params"]).await;
            let hangs = || world.lock().unwrap().hangs;
            while hangs() {
                sleep(Duration::from_millis(10)).await;
            }
            let reply = match answer {
                Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
                Err(error) => json!({"jsonrpc": "2.0", "id": call["id"], "error": error}),
            };
            // Behind the lines that are on their way.
            let turn = flooded.acquire().await.unwrap();
            let subscription = (method == "stream_subscribeLogs").then(|| reply["result"].as_u64()).flatten();
            let _reader_gone = replies.send(reply).await;
            let (Some(subscription), Some(name)) = (subscription, call["params"][0].as_str()) else { return };
            let floods = world.lock().unwrap().floods.take_if(|floods| floods == name).is_some();
            for number in 0..if floods { FLOOD } else { 0 } {
                let line = format!("[+] {name}: {number} of too many lines");
                if replies.send(notification(subscription, &line)).await.is_err() {
                    return;
                }
            }
            drop(turn);
            sleep(SUBSCRIBED).await;
            // Only what is written from now on: nothing of what is kept.
            world.lock().unwrap().followers.push((name.to_owned(), subscription, replies));
        });
    }
}
