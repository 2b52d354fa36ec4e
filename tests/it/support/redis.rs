//! A Redis of one's own: on a unix socket in a short folder, gone with the test.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hero_supervisor::adapters::redis::{AclUser, RedisAccess, RedisConfig, RedisQueue};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::ports::queue_maintenance::QueueMaintenance;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use super::clock::Clock;

/// How long a server may take to answer; the machine may be busy with other things.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The program that tests start as Redis: `redis-server`, or another version of it that HERO_REDIS_SERVER names.
pub(crate) fn redis_server() -> String {
    std::env::var("HERO_REDIS_SERVER").unwrap_or_else(|_unset| "redis-server".to_owned())
}

/// Writes the users of the pages into a folder, each with a password of its own, beside the default user, who may do all.
pub(crate) fn write_users(dir: &Path) {
    let mut lines = "user default on nopass ~* &* +@all\n".to_owned();
    for user in AclUser::all() {
        let password = format!("password of {}", user.name);
        let digest = format!("{:x}", Sha256::digest(&password));
        lines.push_str(&format!("user {}\n", user.words(Some(&digest)).join(" ")));
        let file = dir.join(&user.name);
        std::fs::write(&file, password).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    std::fs::write(dir.join("users.acl"), lines).unwrap();
}

/// How one of these users logs in.
pub(crate) fn access_of(dir: &Path, user: &AclUser) -> RedisAccess {
    let password_file = Some(dir.join(&user.name));
    RedisAccess { user: Some(user.name.clone()), password_file, ..RedisAccess::default() }
}

/// What a server has refused to users that are not the default one; empty while it does not run.
pub(crate) fn refused_to_users(url: &str) -> Vec<String> {
    let Ok(client) = redis::Client::open(url) else { return Vec::new() };
    let limit = Duration::from_secs(2);
    let Ok(mut connection) = client.get_connection_with_timeout(limit) else { return Vec::new() };
    connection.set_read_timeout(Some(limit)).unwrap();
    let mut ask = redis::cmd("ACL");
    let log = ask.arg("LOG").query::<Vec<Vec<redis::Value>>>(&mut connection).unwrap_or_default();
    let shown = log.into_iter().map(|entry| format!("{entry:?}"));
    shown.filter(|entry| entry.contains("bulk-string('\"hero-")).collect()
}

/// A redis-server that only this test uses.
pub(crate) struct PrivateRedis {
    dir: tempfile::TempDir,
    append_only: bool,
    clock: Option<Clock>,
    child: Option<Child>,
}

impl PrivateRedis {
    /// Without persistence: a restart has lost everything.
    pub(crate) async fn start() -> Self {
        Self::start_with(false, false).await
    }

    /// With an append-only file: a restart has lost nothing, whatever killed it.
    pub(crate) async fn start_append_only() -> Self {
        Self::start_with(true, false).await
    }

    /// With an append-only file, and with a clock that can be stepped.
    pub(crate) async fn start_with_clock() -> Self {
        Self::start_with(true, true).await
    }

    async fn start_with(append_only: bool, with_clock: bool) -> Self {
        // Unix sockets have short paths, so the folder is made in /tmp whatever TMPDIR says.
        let dir = tempfile::Builder::new().prefix("hsr").tempdir_in("/tmp").unwrap();
        let clock = with_clock.then(|| Clock::new(dir.path()));
        let mut redis = Self { dir, append_only, clock, child: None };
        write_users(redis.dir.path());
        redis.restart().await;
        redis
    }

    /// How a supervisor logs in that has no more rights than it needs.
    pub(crate) fn supervisors(&self) -> RedisAccess {
        access_of(self.dir.path(), &AclUser::of_supervisors())
    }

    /// How those log in who make and restore backups.
    pub(crate) fn backups(&self) -> RedisAccess {
        access_of(self.dir.path(), &AclUser::of_backups())
    }

    /// How an actor of a script type does.
    pub(crate) fn actors(&self, script_type: ScriptType) -> RedisAccess {
        access_of(self.dir.path(), &AclUser::of_actors(script_type))
    }

    /// Lets a supervisor load the functions, which actors may not.
    pub(crate) async fn load_functions(&self) {
        let access = self.supervisors();
        let config = RedisConfig { url: self.url(), access, ..RedisConfig::default() };
        let queue = RedisQueue::new(config).unwrap();
        queue.probe().await.unwrap();
        queue.close().await;
    }

    /// What Redis has refused to users that are not the default one; empty while it does not run.
    pub(crate) fn refused_to_users(&self) -> Vec<String> {
        refused_to_users(&self.url())
    }

    /// The URL for clients.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("r.sock")
    }

    /// Kills it like a power cut would kill the process.
    pub(crate) fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Starts it again, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        self.kill9();
        drop(std::fs::remove_file(self.socket()));
        let (append, fsync) = if self.append_only { ("yes", "always") } else { ("no", "no") };
        // A file that must not grow is an error to it, and not its end.
        let mut command = Command::new("sh");
        command.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#, &redis_server()]);
        if let Some(clock) = &self.clock {
            clock.put_on(&mut command);
        }
        let child = command
            .args(["--port", "0", "--save", "", "--appendonly", append, "--appendfsync", fsync])
            .args(["--daemonize", "no", "--loglevel", "warning", "--unixsocketperm", "700"])
            .arg("--aclfile")
            .arg(self.dir.path().join("users.acl"))
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server 7 is needed: install it (apt-get install redis-server)");
        self.child = Some(child);
        let deadline = Instant::now() + START_LIMIT;
        while !self.answers().await {
            assert!(Instant::now() < deadline, "redis-server did not answer within {START_LIMIT:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// A plain connection, to look at and to break things.
    pub(crate) async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Stops it from answering without closing anything.
    pub(crate) fn freeze(&self) {
        self.signal(nix::sys::signal::Signal::SIGSTOP);
    }

    /// Lets it go on after [`PrivateRedis::freeze`].
    pub(crate) fn thaw(&self) {
        self.signal(nix::sys::signal::Signal::SIGCONT);
    }

    /// Puts its time of day this far ahead of the real one, or behind it.
    pub(crate) fn step_clock(&self, millis: i64) {
        self.clock.as_ref().unwrap().step(millis);
    }

    /// The process, while it runs.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).unwrap()
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = self.pid();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
    }

    async fn answers(&self) -> bool {
        let Ok(client) = redis::Client::open(self.url()) else { return false };
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
        redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        self.kill9();
    }
}
