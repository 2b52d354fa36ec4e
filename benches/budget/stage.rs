//! Private servers for a benchmark: Redis, the supervisor, actors. All end with the stage.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hero_supervisor::proto::ScriptType;

/// A process that ends with its owner.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().expect("start a process of the stage"))
    }

    /// Resident memory in MiB.
    pub(crate) fn resident_mib(&self) -> f64 {
        resident_mib(self.0.id())
    }

    /// The same with everything below it.
    pub(crate) fn family_mib(&self) -> f64 {
        let (mut family, mut next) = (vec![self.0.id()], 0);
        while let Some(parent) = family.get(next) {
            family.extend(children_of(*parent));
            next += 1;
        }
        family.into_iter().map(resident_mib).sum()
    }

    /// Kills what it has started, and waits until it has noticed.
    pub(crate) async fn kill_children(&self) {
        let children = children_of(self.0.id());
        for child in &children {
            let child = nix::unistd::Pid::from_raw(child.cast_signed());
            nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        while children_of(self.0.id()).iter().any(|child| children.contains(child)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Processor time that it has used.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        // The name is in parentheses; the times stand twelfth and thirteenth behind it, in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists =
        threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists
        .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>())
        .collect()
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("VmRSS: 0 kB");
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A kind of actor as it is shipped, and a script for it that does nothing.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    pub(crate) script_type: ScriptType,
    pub(crate) noop: &'static str,
}

/// Redis servers, in a folder of theirs.
pub(crate) struct Servers {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) processes: Vec<Process>,
    /// URL by which a supervisor and its actors reach them.
    pub(crate) url: String,
}

impl Servers {
    /// No server yet, in a new folder.
    pub(crate) fn none() -> Self {
        let folder = tempfile::Builder::new().prefix("hb").tempdir_in("/tmp").unwrap();
        Self { folder, processes: Vec::new(), url: String::new() }
    }

    /// One server on a unix socket.
    async fn one(options: &[&str]) -> Self {
        let mut servers = Self::none();
        let socket = servers.folder.path().join("r.sock");
        let path = socket.display().to_string();
        servers.add(&[&["--port", "0", "--unixsocket", path.as_str()], options].concat());
        appear(&socket).await;
        servers.url = format!("redis+unix://{path}");
        servers
    }

    /// Starts one more, which keeps nothing unless the options say otherwise.
    pub(crate) fn add(&mut self, options: &[&str]) {
        let mut redis = Command::new("redis-server");
        redis.args(["--save", "", "--dir"]).arg(self.folder.path()).args(options).stdout(Stdio::null());
        self.processes.push(Process::start(&mut redis));
    }
}

/// Redis and a supervisor on it.
pub(crate) struct Stage {
    supervisor: Process,
    redis: Vec<Process>,
    redis_url: String,
    addresses: Vec<String>,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Starts both; `redis_options` say what Redis keeps, nothing by default.
    pub(crate) async fn start(redis_options: &[&str]) -> Self {
        Self::start_with(redis_options, &["--process-manager", "local"]).await
    }

    /// Starts both, and processes belong to the Zinit behind this socket.
    pub(crate) async fn start_on_zinit(socket: &Path) -> Self {
        Self::start_with(&[], &["--zinit-socket", &socket.display().to_string()]).await
    }

    /// Starts both, the supervisor with further flags.
    pub(crate) async fn start_with_flags(flags: &[String]) -> Self {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Self::start_with(&[], &[&["--process-manager", "local"], flags.as_slice()].concat()).await
    }

    async fn start_with(redis_options: &[&str], flags: &[&str]) -> Self {
        Self::start_on(Servers::one(redis_options).await, flags).await
    }

    /// Starts a supervisor with these flags on servers that run.
    pub(crate) async fn start_on(servers: Servers, flags: &[&str]) -> Self {
        let Servers { folder, processes: redis, url: redis_url } = servers;
        let ready = folder.path().join("ready.json");
        let unix = format!("unix:{}", folder.path().join("s.sock").display());
        let mut supervisor = Command::new(env!("CARGO_BIN_EXE_hero-supervisor"));
        supervisor.arg("serve").args(flags).args(["--listen", "127.0.0.1:0", "--listen", &unix]);
        supervisor.args(["--redis-url", &redis_url, "--log-filter", "warn"]);
        supervisor.arg("--ready-file").arg(&ready).arg("--data-dir").arg(folder.path().join("data"));
        let supervisor = Process::start(&mut supervisor);
        appear(&ready).await;
        let ready: serde_json::Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        let addresses = ready["addresses"].as_array().unwrap();
        let addresses = addresses.iter().map(|address| address.as_str().unwrap().to_owned()).collect();
        Self { supervisor, redis, redis_url, addresses, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn redis_url(&self) -> &str {
        &self.redis_url
    }

    pub(crate) fn supervisor(&self) -> &Process {
        &self.supervisor
    }

    pub(crate) fn redis(&self) -> &Process {
        &self.redis[0]
    }

    pub(crate) fn tcp_address(&self) -> &str {
        self.addresses.iter().find(|address| !address.starts_with("unix:")).unwrap()
    }

    pub(crate) fn unix_address(&self) -> &str {
        self.addresses.iter().find(|address| address.starts_with("unix:")).unwrap()
    }

    /// An actor as it is shipped; returns once it takes jobs.
    pub(crate) async fn start_osis_actor(&self, id: &str) -> Process {
        let actor = self.exec_osis_actor(id);
        let client = crate::load::connect(self.tcp_address()).await;
        crate::load::run_jobs(client, 1, Duration::from_millis(1)).await;
        actor
    }

    /// An actor of a kind with these flags; returns once it has run `first`.
    pub(crate) async fn start_actor(&self, kind: &Kind, flags: &[String]) -> Process {
        let id = format!("bench_{}", kind.script_type.as_str_name().to_lowercase());
        let mut actor = Command::new(kind.program);
        actor.args(["--redis-url", &self.redis_url, "--actor-id", &id]).args(flags);
        let actor = Process::start(actor.env("RUST_LOG", "warn").stdout(Stdio::null()));
        let client = crate::load::connect(self.tcp_address()).await;
        crate::load::run_scripts(client, kind.script_type, kind.noop, 1, Duration::from_millis(1)).await;
        actor
    }

    /// The same, without waiting for it.
    pub(crate) fn exec_osis_actor(&self, id: &str) -> Process {
        self.exec_osis_actor_with(id, &[])
    }

    /// The same, with further flags.
    pub(crate) fn exec_osis_actor_with(&self, id: &str, flags: &[&str]) -> Process {
        let mut actor = Command::new(env!("CARGO_BIN_EXE_osis_actor"));
        actor.args(["--redis-url", &self.redis_url, "--actor-id", id]).args(flags);
        Process::start(actor.env("RUST_LOG", "warn").stdout(Stdio::null()))
    }

    /// An actor whose engine does nothing, in its own process.
    pub(crate) fn exec_noop_actor(&self) -> Process {
        let mut actor = Command::new(std::env::current_exe().unwrap());
        Process::start(actor.args(["--noop-actor", &self.redis_url, "bench_noop"]).stdout(Stdio::null()))
    }
}

/// Waits until a file is there.
pub(crate) async fn appear(path: &Path) {
    for _ in 0..2_000 {
        if path.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} did not appear", path.display());
}
