//! Plays a GEN2 Zinit from recorded answers: their texts, their codes, their order, and how long a stop takes.
//!
//! It runs no process. Its pids are beyond what the kernel hands out, so that a signal to one reaches nobody.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What the recorded server did with a stop: it looks for half a second, then waits for half a second, then kills.
const STOP: Duration = Duration::from_millis(1020);
/// Answers and lines on their way to a caller; more than any test needs.
const LINES: usize = 4096;
/// Its wait before each restart.
const RESTART: Duration = Duration::from_secs(2);

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
    after: Vec<String>,
    /// Changes with each start and end, so that a timer that is out of date does nothing.
    turn: u64,
}

#[derive(Default)]
struct World {
    files: BTreeMap<String, Value>,
    services: BTreeMap<String, Service>,
    plays: BTreeMap<String, Plays>,
    log: Vec<String>,
    followers: Vec<(String, u64, mpsc::Sender<Value>)>,
    calls: Vec<(String, Value)>,
    last_pid: u32,
    last_subscription: u64,
}

/// A played server; dropping it hangs up.
pub(super) struct Played {
    dir: TempDir,
    world: Arc<Mutex<World>>,
    tasks: JoinSet<()>,
}

impl Played {
    pub(super) fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("hg").tempdir_in("/tmp").unwrap();
        let mut played = Self { dir, world: Arc::default(), tasks: JoinSet::new() };
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
        self.tasks.shutdown().await;
        self.world().followers.clear();
        self.listen();
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("z.sock")
    }

    fn world(&self) -> MutexGuard<'_, World> {
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
        let mut world = self.world();
        let line = format!("[{mark}] {name}: {text}");
        world.log.push(line.clone());
        world.followers.retain(|(of, subscription, follower)| {
            of != name || follower.try_send(notification(*subscription, &line)).is_ok()
        });
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

async fn serve(stream: UnixStream, world: Arc<Mutex<World>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (replies, mut outbox) = mpsc::channel::<Value>(LINES);
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
        let (world, replies) = (world.clone(), replies.clone());
        tasks.spawn(async move {
            let method = call["method"].as_str().unwrap().to_owned();
            world.lock().unwrap().calls.push((method.clone(), call["params"].clone()));
            let answer = answer(&world, &method, &call["params"], &replies).await;
            let reply = match answer {
                Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
                Err(error) => json!({"jsonrpc": "2.0", "id": call["id"], "error": error}),
            };
            let subscription = (method == "stream_subscribeLogs").then(|| reply["result"].as_u64()).flatten();
            let _reader_gone = replies.try_send(reply);
            if let Some(subscription) = subscription {
                follow(&world, call["params"][0].as_str().unwrap(), subscription, &replies);
            }
        });
    }
}

/// A subscription begins with what is kept.
fn follow(world: &Mutex<World>, name: &str, subscription: u64, replies: &mpsc::Sender<Value>) {
    let mut world = world.lock().unwrap();
    for line in lines_of(&world, name) {
        let _reader_gone = replies.try_send(notification(subscription, &line));
    }
    world.followers.push((name.to_owned(), subscription, replies.clone()));
}

fn lines_of(world: &World, name: &str) -> Vec<String> {
    let of_it = |line: &&String| line[4..].starts_with(&format!("{name}:"));
    world.log.iter().filter(of_it).cloned().collect()
}

fn refused(code: i64, action: &str, name: &str, what: &str, code_name: &str) -> Value {
    json!({"code": code, "message": format!("{action}: service '{name}' {what}"),
           "data": {"action": action, "cause_chain": [], "code_name": code_name, "hint": "", "retryable": false, "service": name}})
}

async fn answer(
    world: &Arc<Mutex<World>>,
    method: &str,
    params: &Value,
    _replies: &mpsc::Sender<Value>,
) -> Result<Value, Value> {
    let name = params[0].as_str().or(params["name"].as_str()).unwrap_or_default().to_owned();
    let lock = || world.lock().unwrap();
    let missing = |action: &str| refused(-32000, action, &name, "not found", "ServiceNotFound");
    let exists =
        |action: &str| lock().services.contains_key(&name).then_some(()).ok_or_else(|| missing(action));
    match method {
        "rpc.discover" => Ok(json!("{\"openrpc\":\"1.2.6\",\"methods\":[{\"name\":\"service_list\"}]}")),
        "service_list" => {
            let world = lock();
            Ok(world.services.iter().map(|(name, service)| (name.clone(), json!(service.state))).collect())
        }
        "service_status" => {
            exists("getting status")?;
            let world = lock();
            let service = &world.services[&name];
            let state_of =
                |name: &String| world.services.get(name).map_or("Unknown".to_owned(), |s| s.state.clone());
            let after: BTreeMap<&String, String> =
                service.after.iter().map(|name| (name, state_of(name))).collect();
            Ok(
                json!({"name": name, "pid": service.pid, "state": service.state, "target": service.target, "after": after}),
            )
        }
        "service_create" => {
            if name.contains(['/', '\\', '.']) {
                return Err(refused(
                    -32602,
                    "creating service",
                    &name,
                    "has an invalid name",
                    "InvalidServiceName",
                ));
            }
            if lock().files.contains_key(&name) {
                return Err(refused(
                    -32007,
                    "creating service",
                    &name,
                    "already exists",
                    "ServiceAlreadyExists",
                ));
            }
            lock().files.insert(name.clone(), params[1].clone());
            Ok(json!(format!("Service '{name}' created successfully")))
        }
        "service_get" => lock().files.get(&name).cloned().ok_or_else(|| missing("getting service")),
        "service_monitor" => {
            if lock().services.contains_key(&name) {
                return Err(refused(
                    -32001,
                    "monitoring service",
                    &name,
                    "already monitored",
                    "ServiceAlreadyMonitored",
                ));
            }
            if !lock().files.contains_key(&name) {
                return Err(missing("monitoring service"));
            }
            monitor_service(world, &name);
            Ok(Value::Null)
        }
        "service_kill" => {
            exists("sending signal")?;
            let (pid, plays) = {
                let world = lock();
                let service = &world.services[&name];
                (service.pid, service.plays)
            };
            if pid == 0 {
                return Err(refused(-32003, "sending signal", &name, "is down", "ServiceIsDown"));
            }
            match (params[1].as_str().unwrap(), plays) {
                ("SIGTERM", Plays::Ignores) => {}
                ("SIGTERM", Plays::EndsAfter(span)) => {
                    let (world, name) = (world.clone(), name.clone());
                    let mut late = JoinSet::new();
                    late.spawn(async move {
                        sleep(span).await;
                        let same = world
                            .lock()
                            .unwrap()
                            .services
                            .get(&name)
                            .is_some_and(|service| service.pid == pid);
                        if same {
                            ended(&world, &name, "Success");
                        }
                    });
                    late.detach_all();
                }
                (signal, _) => ended(world, &name, &format!("Error(Signaled(Pid({pid}), {signal}, false))")),
            }
            Ok(Value::Null)
        }
        "service_stop" => {
            exists("stopping service")?;
            lock().services.get_mut(&name).unwrap().target = "Down";
            sleep(STOP).await;
            let pid = lock().services.get(&name).map_or(0, |service| service.pid);
            if pid != 0 {
                ended(world, &name, &format!("Error(Signaled(Pid({pid}), SIGKILL, false))"));
            }
            Ok(Value::Null)
        }
        "service_forget" => {
            exists("forgetting service")?;
            if lock().services[&name].pid != 0 {
                return Err(refused(-32002, "forgetting service", &name, "is up", "ServiceIsUp"));
            }
            lock().services.remove(&name);
            Ok(Value::Null)
        }
        "service_delete" => {
            lock().files.remove(&name).ok_or_else(|| missing("deleting service"))?;
            Ok(json!(format!("Service '{name}' deleted successfully")))
        }
        "stream_currentLogs" => Ok(json!(lines_of(&lock(), &name))),
        "stream_subscribeLogs" => {
            let mut world = lock();
            world.last_subscription += 1;
            Ok(json!(6_871_258_777_139_183u64 + world.last_subscription))
        }
        _unknown => Err(json!({"code": -32601, "message": "Method not found"})),
    }
}

fn monitor_service(world: &Arc<Mutex<World>>, name: &str) {
    {
        let mut world = world.lock().unwrap();
        let content = world.files[name].clone();
        let plays = world.plays.get(name).copied().unwrap_or(Plays::Runs);
        let after = content["after"].as_array().cloned().unwrap_or_default();
        let service = Service {
            pid: 0,
            state: "Unknown".to_owned(),
            target: "Up",
            plays,
            oneshot: content["oneshot"] == true,
            after: after.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
            turn: 0,
        };
        world.services.insert(name.to_owned(), service);
    }
    spawned(world, name);
}

/// Starts the process of a service.
fn spawned(world: &Arc<Mutex<World>>, name: &str) {
    let plays = {
        let mut world = world.lock().unwrap();
        world.last_pid += 1;
        let pid = 1_000_000_000 + world.last_pid;
        world.log.push(format!("[-] {name}: ------------ [start] ------------"));
        let Some(service) = world.services.get_mut(name) else { return };
        service.turn += 1;
        if service.plays == Plays::Missing {
            service.state = "Failure".to_owned();
            return;
        }
        (service.pid, service.state) = (pid, "Running".to_owned());
        service.plays
    };
    if let Plays::Exits(code) = plays {
        let pid = world.lock().unwrap().services[name].pid;
        ended(
            world,
            name,
            &if code == 0 { "Success".to_owned() } else { format!("Error(Exited(Pid({pid}), {code}))") },
        );
    }
}

/// Ends the process of a service, which is started again after 2 s if it is wanted.
fn ended(world: &Arc<Mutex<World>>, name: &str, state: &str) {
    let turn = {
        let mut world = world.lock().unwrap();
        let Some(service) = world.services.get_mut(name) else { return };
        service.turn += 1;
        (service.pid, service.state) = (0, state.to_owned());
        if service.oneshot {
            return;
        }
        service.turn
    };
    let (world, name) = (world.clone(), name.to_owned());
    let mut late = JoinSet::new();
    late.spawn(async move {
        sleep(RESTART).await;
        let due = {
            let world = world.lock().unwrap();
            world.services.get(&name).is_some_and(|service| service.turn == turn && service.target == "Up")
        };
        if due {
            spawned(&world, &name);
        }
    });
    late.detach_all();
}
