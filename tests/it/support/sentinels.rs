//! A primary, two replicas and three Sentinels of one's own, on free ports.

use std::collections::HashMap;
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::aio::MultiplexedConnection;

use super::redis::redis_server;
use super::wait::eventually;

/// Limit of what they do by themselves; the machine may be busy with other things.
const LIMIT: Duration = Duration::from_secs(60);
/// Name of the primary.
pub(crate) const NAME: &str = "main";
/// Silence after which a Sentinel takes a server for lost.
const DOWN_AFTER: Duration = Duration::from_millis(1500);

/// Passwords of the servers and of the Sentinels, beside which there are none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passwords {
    pub(crate) servers: Option<&'static str>,
    pub(crate) sentinels: Option<&'static str>,
}

/// One process and its file.
struct Server {
    port: u16,
    is_sentinel: bool,
    child: Option<Child>,
}

/// All of them. Dropped, they are gone.
pub(crate) struct Sentinels {
    dir: tempfile::TempDir,
    /// The address at which all of them listen.
    at: String,
    passwords: Passwords,
    /// Three servers and three Sentinels.
    all: Vec<Server>,
}

/// Places of the servers, and of the Sentinels behind them.
const SERVERS: std::ops::Range<usize> = 0..3;
const SENTINELS: std::ops::Range<usize> = 3..6;

/// What a Sentinel tells of a server.
type Facts = HashMap<String, String>;

impl Sentinels {
    /// Without passwords.
    pub(crate) async fn start() -> Self {
        Self::start_with(Passwords::default()).await
    }

    /// The same at an address that other machines reach.
    pub(crate) async fn start_at(address: &str) -> Self {
        Self::launch_all(address, Passwords::default()).await
    }

    /// Starts them, and waits until a failover could be done.
    pub(crate) async fn start_with(passwords: Passwords) -> Self {
        Self::launch_all("127.0.0.1", passwords).await
    }

    async fn launch_all(address: &str, passwords: Passwords) -> Self {
        let dir = tempfile::Builder::new().prefix("hsn").tempdir_in("/tmp").unwrap();
        let ports = free_ports_at(address, SENTINELS.end);
        let all = ports.iter().enumerate().map(|(place, port)| Server {
            port: *port,
            is_sentinel: SENTINELS.contains(&place),
            child: None,
        });
        let mut sentinels = Self { dir, at: address.to_owned(), passwords, all: all.collect() };
        for place in SERVERS.start..SENTINELS.end {
            let lines = match place {
                0 => sentinels.server_file(None),
                1 | 2 => sentinels.server_file(Some(ports[0])),
                _sentinel => sentinels.sentinel_file(place),
            };
            std::fs::write(sentinels.file(place), lines).unwrap();
            sentinels.launch(place);
        }
        sentinels.until_ready().await;
        sentinels
    }

    fn server_file(&self, primary: Option<u16>) -> String {
        let mut lines = "save \"\"\nrepl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n".to_owned();
        if let Some(password) = self.passwords.servers {
            lines.push_str(&format!("requirepass {password}\nmasterauth {password}\n"));
        }
        if let Some(primary) = primary {
            lines.push_str(&format!("replicaof {} {primary}\n", self.at));
        }
        lines
    }

    /// They know each other from the start, so that nobody has to wait until they have met.
    fn sentinel_file(&self, place: usize) -> String {
        let id = |place: usize| format!("{place}").repeat(40);
        let (primary, down) = (self.all[0].port, DOWN_AFTER.as_millis());
        let mut lines = format!(
            "sentinel myid {}\nsentinel monitor {NAME} {} {primary} 2\n\
             sentinel down-after-milliseconds {NAME} {down}\nsentinel failover-timeout {NAME} 6000\n",
            id(place),
            self.at
        );
        for replica in &self.all[1..SERVERS.end] {
            lines.push_str(&format!("sentinel known-replica {NAME} {} {}\n", self.at, replica.port));
        }
        for other in SENTINELS.filter(|other| *other != place) {
            let port = self.all[other].port;
            lines.push_str(&format!("sentinel known-sentinel {NAME} {} {port} {}\n", self.at, id(other)));
        }
        if let Some(password) = self.passwords.servers {
            lines.push_str(&format!("sentinel auth-pass {NAME} {password}\n"));
        }
        if let Some(password) = self.passwords.sentinels {
            lines.push_str(&format!("requirepass {password}\nsentinel sentinel-pass {password}\n"));
        }
        lines
    }

    fn file(&self, place: usize) -> PathBuf {
        self.dir.path().join(format!("{place}.conf"))
    }

    fn launch(&mut self, place: usize) {
        let file = self.file(place);
        let server = &self.all[place];
        let mut command = Command::new(redis_server());
        command.arg(file).args(["--port", &server.port.to_string(), "--bind", &self.at]);
        // Other machines are let in, too.
        command.args(["--protected-mode", "no"]);
        command.arg("--dir").arg(self.dir.path()).args(["--loglevel", "notice", "--logfile"]);
        command.arg(self.dir.path().join(format!("{place}.log")));
        if server.is_sentinel {
            command.arg("--sentinel");
        }
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.all[place].child = Some(command.spawn().expect("redis-server 7 is needed"));
    }

    /// The URL for supervisors and actors.
    pub(crate) fn url(&self) -> String {
        let at: Vec<String> =
            self.all[SENTINELS].iter().map(|sentinel| format!("{}:{}", self.at, sentinel.port)).collect();
        let login = self.passwords.servers.map_or_else(String::new, |password| format!(":{password}@"));
        format!("redis+sentinel://{login}{}/{NAME}", at.join(","))
    }

    /// A private file with this password.
    pub(crate) fn password_file(&self, password: &str) -> PathBuf {
        let file = self.dir.path().join(format!("password-{password}"));
        std::fs::write(&file, password).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        file
    }

    /// Waits until the primary has a replica, and each Sentinel knows it.
    pub(crate) async fn until_ready(&self) {
        eventually("a failover could be done", LIMIT, || async {
            let (at, _port) = self.primary().await?;
            let info = self.ask::<String>(at, redis::cmd("INFO").arg("replication")).await?;
            if info.matches("state=online").count() != 2 {
                return None;
            }
            for place in SENTINELS {
                let mut command = redis::cmd("SENTINEL");
                let facts = command.arg("MASTER").arg(NAME);
                let facts: Facts = self.ask(place, facts).await?;
                let is_fine = facts["flags"] == "master" && facts["num-slaves"] == "2";
                if !is_fine || facts["num-other-sentinels"] != "2" {
                    return None;
                }
                // A replica is only chosen once it has told about itself.
                let mut command = redis::cmd("SENTINEL");
                let replicas = command.arg("REPLICAS").arg(NAME);
                let replicas: Vec<Facts> = self.ask(place, replicas).await?;
                let told = |facts: &Facts| facts["flags"] == "slave" && facts["master-link-status"] == "ok";
                if !replicas.iter().all(told) {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// The place and the port of the server that the Sentinels that answer take for the primary.
    pub(crate) async fn primary(&self) -> Option<(usize, u16)> {
        for place in SENTINELS {
            let mut command = redis::cmd("SENTINEL");
            let at = command.arg("GET-MASTER-ADDR-BY-NAME").arg(NAME);
            if let Some((_host, port)) = self.ask::<(String, u16)>(place, at).await {
                let place = self.all.iter().position(|server| server.port == port)?;
                return Some((place, port));
            }
        }
        None
    }

    /// Waits until another server is the primary, and returns its place.
    pub(crate) async fn until_moved_from(&self, place: usize) -> usize {
        eventually("another server is the primary", LIMIT, || async {
            self.primary().await.map(|(now, _port)| now).filter(|now| *now != place)
        })
        .await
    }

    /// A plain connection to one of them; None if it does not let anybody in.
    pub(crate) async fn connection(&self, place: usize) -> Option<MultiplexedConnection> {
        let server = &self.all[place];
        let password = if server.is_sentinel { self.passwords.sentinels } else { self.passwords.servers };
        let login = password.map_or_else(String::new, |password| format!(":{password}@"));
        let client = redis::Client::open(format!("redis://{login}{}:{}", self.at, server.port)).unwrap();
        client.get_multiplexed_async_connection().await.ok()
    }

    /// Asks one of them; None if it does not answer.
    pub(crate) async fn ask<T: redis::FromRedisValue>(
        &self,
        place: usize,
        command: &redis::Cmd,
    ) -> Option<T> {
        command.query_async(&mut self.connection(place).await?).await.ok()
    }

    /// Makes the replica the primary and the primary the replica.
    pub(crate) async fn swap(&self) {
        let mut command = redis::cmd("SENTINEL");
        self.ask::<()>(SENTINELS.start, command.arg("FAILOVER").arg(NAME)).await.expect("a failover begins");
    }

    /// Kills one of them.
    pub(crate) fn kill9(&mut self, place: usize) {
        if let Some(mut child) = self.all[place].child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Starts one again that was killed.
    pub(crate) fn restart(&mut self, place: usize) {
        self.kill9(place);
        self.launch(place);
    }

    /// Stops one from answering without closing anything.
    pub(crate) fn freeze(&self, place: usize) {
        self.signal(place, Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self, place: usize) {
        self.signal(place, Signal::SIGCONT);
    }

    fn signal(&self, place: usize, signal: Signal) {
        let pid = self.all[place].child.as_ref().map(Child::id).unwrap();
        kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
    }
}

impl Drop for Sentinels {
    #[expect(clippy::print_stderr, reason = "a failed test shows the logs of its servers")]
    fn drop(&mut self) {
        for place in 0..self.all.len() {
            self.kill9(place);
            if std::thread::panicking() {
                let log = std::fs::read_to_string(self.dir.path().join(format!("{place}.log")));
                eprintln!("the log of server {place}:\n{}", log.unwrap_or_default());
            }
        }
    }
}

/// Ports that nobody listens on.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    free_ports_at("127.0.0.1", count)
}

/// The same at another address of this machine.
pub(crate) fn free_ports_at(address: &str, count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind((address, 0)).unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}
