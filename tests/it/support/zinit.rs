//! A private Zinit for one test.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::wait::eventually;

/// The variable by which everything that a private server started can be found again.
const MARK: &str = "HERO_TEST_ZINIT";

/// A `zinit-server` with a socket, a configuration and a log of its own. Dropping it kills it and all its services.
pub(crate) struct PrivateZinit {
    dir: TempDir,
    server: Option<Child>,
    files: u32,
    /// Words in front of the command of the server: those that take it to another network.
    prefix: Vec<String>,
}

impl PrivateZinit {
    /// Starts a server and waits until it listens.
    pub(crate) async fn start() -> Self {
        // Three descriptors a service, and a server that runs out of them spins.
        Self::start_with_files(4096).await
    }

    /// The same with so many open files at most.
    pub(crate) async fn start_with_files(files: u32) -> Self {
        Self::start_with(files, Vec::new()).await
    }

    /// Starts a server behind these words.
    pub(crate) async fn start_behind(prefix: Vec<String>) -> Self {
        Self::start_with(4096, prefix).await
    }

    async fn start_with(files: u32, prefix: Vec<String>) -> Self {
        let dir = tempfile::Builder::new().prefix("hz").tempdir_in("/tmp").unwrap();
        let config = dir.path().join("cfg");
        std::fs::create_dir(&config).unwrap();
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o700)).unwrap();
        let mut zinit = Self { dir, server: None, files, prefix };
        zinit.launch().await;
        zinit
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("z.sock")
    }

    /// The folder of its service files.
    pub(crate) fn config_dir(&self) -> PathBuf {
        self.dir.path().join("cfg")
    }

    /// A file of the test's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// One call on a connection of its own, as another client would make it.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        let line = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await.unwrap();
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    /// The pids of living processes by the actor that they were started as; what they started themselves, hosts of engines
    /// for instance, is left out.
    pub(crate) fn living_actors(&self) -> BTreeMap<String, BTreeSet<i32>> {
        let mark = format!("{MARK}={}", self.dir.path().display());
        let mut found: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
        for pid in processes_with(&mark) {
            // A leader of a group is the process that Zinit started.
            if nix::unistd::getpgid(Some(Pid::from_raw(pid))) != Ok(Pid::from_raw(pid)) {
                continue;
            }
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let name =
                environ.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"HERO_ACTOR_ID="));
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            // The shell that becomes the program a moment later is not it yet.
            if let Some(name) = name.filter(|_| command.contains("sleep") || command.contains("--actor-id")) {
                found.entry(String::from_utf8_lossy(name).into_owned()).or_default().insert(pid);
            }
        }
        found
    }

    /// What the server wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Kills the server alone; its services live on, as they do in life.
    pub(crate) fn kill_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Stops or continues the server (SIGSTOP, SIGCONT): it is there and does not answer.
    pub(crate) fn signal_server(&self, signal: Signal) {
        let server = self.server.as_ref().expect("the server runs");
        kill(Pid::from_raw(server.id().cast_signed()), signal).unwrap();
        // A signal takes a moment to arrive in all threads.
        while signal == Signal::SIGSTOP && state_of(server.id()) != Some('T') {
            std::thread::yield_now();
        }
    }

    /// Sends a signal to the server and to all that it has started.
    pub(crate) fn signal_all(&self, signal: Signal) {
        if self.server.is_some() {
            self.signal_server(signal);
        }
        let mark = format!("{MARK}={}", self.dir.path().display());
        for pid in processes_with(&mark) {
            let _gone = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Kills the services that a killed server left behind.
    pub(crate) fn kill_orphans(&self) {
        let mark = format!("{MARK}={}", self.dir.path().display());
        // A process may fork while we look, so look until there is nothing to see.
        for _round in 0..100 {
            let marked = processes_with(&mark);
            if marked.is_empty() {
                return;
            }
            for pid in marked {
                let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    /// Starts the server again on the same socket and configuration.
    pub(crate) async fn launch(&mut self) {
        let path = std::env::var("PATH").unwrap_or_default();
        let home = std::env::var("HOME").unwrap_or_default();
        let log =
            std::fs::File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let script = "ulimit -n \"$3\" 2>/dev/null; exec zinit-server -c \"$1\" -s \"$2\" --log-level info";
        let shell = ["/bin/sh", "-c", script, "sh"].map(str::to_owned);
        let mut words = self.prefix.iter().chain(&shell);
        let server = Command::new(words.next().unwrap())
            .args(words)
            .args([self.config_dir(), self.socket()])
            .arg(self.files.to_string())
            .env("PATH", format!("{home}/.cargo/bin:{path}"))
            .env(MARK, self.dir.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        self.server = Some(server);
        eventually("zinit-server listens", Duration::from_secs(20), || async {
            let hint = "install it with: cargo install zinit --version 0.3.9 --locked";
            let gone = self.server.as_ref().is_some_and(|server| has_ended(server.id()));
            assert!(!gone, "zinit-server ended; {hint}\n{}", self.log());
            UnixStream::connect(self.socket()).await.ok()
        })
        .await;
    }
}

impl Drop for PrivateZinit {
    #[expect(clippy::print_stderr, reason = "a failed test shows the log of its server")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of zinit-server:\n{}", self.log());
        }
        if let Some(mut server) = self.server.take() {
            let _gone = server.kill();
            let _gone = server.wait();
        }
        self.kill_orphans();
    }
}

/// True once a child of ours has ended; it waits to be reaped then.
fn has_ended(pid: u32) -> bool {
    state_of(pid).is_none_or(|state| state == 'Z')
}

/// The letter by which the kernel says what a process does.
fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Living processes that have this variable in their environment.
fn processes_with(mark: &str) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let marked = |pid: &i32| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    pids.filter(marked).collect()
}
