//! A Redis Cluster of one's own, on free ports.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hero_supervisor::ScriptType;
use hero_supervisor::adapters::redis::{AclUser, RedisAccess};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

use super::cluster_tls::ClusterTls;
use super::redis::{access_of, redis_server, refused_to_users, write_users};
use super::sentinels::free_ports_at;
use super::wait::eventually;

/// Limit of what the servers do by themselves; the machine may be busy with other things.
const LIMIT: Duration = Duration::from_secs(60);
/// Time after which Redis has given a failover up that was asked for.
const MANUAL_FAILOVER: Duration = Duration::from_secs(7);
/// Number of slots.
pub(crate) const SLOTS: u32 = 16384;
/// Silence in milliseconds after which a server is taken for lost.
const NODE_TIMEOUT: u32 = 1500;
/// Starts a server that ends, with all folders, when the process that holds the other end of its input is gone.
const ENDS_WITH_US: &str = r#""$@" & server=$!; echo $server >"$0/pid"; read -r word; kill -9 $server
[ "$word" = keep ] || rm -rf "$(dirname "$0")""#;

/// One server, and its place among all.
struct Server {
    port: u16,
    bus: u16,
    child: Option<Child>,
}

/// Three primaries, and perhaps a replica of each. Dropped, they are gone.
pub(crate) struct PrivateCluster {
    dir: tempfile::TempDir,
    /// The address at which all of them listen.
    at: String,
    tls: Option<ClusterTls>,
    primaries: usize,
    all: Vec<Server>,
}

impl PrivateCluster {
    /// Three primaries alone.
    pub(crate) async fn start() -> Self {
        Self::start_with("127.0.0.1", [3, 0], false).await
    }

    /// Three primaries, each with a replica.
    pub(crate) async fn start_with_replicas() -> Self {
        Self::start_with("127.0.0.1", [3, 3], false).await
    }

    /// The same, which speak nothing but TLS: with each other, with their replicas and with their clients.
    pub(crate) async fn start_with_tls() -> Self {
        Self::start_with("127.0.0.1", [3, 3], true).await
    }

    /// Starts them, and waits until they take their Cluster for whole. They know each other from the start.
    pub(crate) async fn start_with(address: &str, [primaries, replicas]: [usize; 2], tls: bool) -> Self {
        let dir = tempfile::Builder::new().prefix("hcl").tempdir_in("/tmp").unwrap();
        write_users(dir.path());
        let (count, ports) = (primaries + replicas, free_ports_at(address, 2 * (primaries + replicas)));
        let all =
            (0..count).map(|place| Server { port: ports[place], bus: ports[count + place], child: None });
        let tls = tls.then(|| ClusterTls::make(dir.path()));
        let mut cluster = Self { dir, at: address.to_owned(), tls, primaries, all: all.collect() };
        for place in 0..count {
            std::fs::create_dir(cluster.folder(place)).unwrap();
            std::fs::write(cluster.folder(place).join("nodes.conf"), cluster.nodes_file(place)).unwrap();
            cluster.launch(place);
        }
        cluster.until_whole().await;
        cluster
    }

    /// The id of a server.
    fn id(place: usize) -> String {
        format!("{place}").repeat(40)
    }

    fn nodes_file(&self, me: usize) -> String {
        let share = SLOTS.div_ceil(u32::try_from(self.primaries).unwrap());
        let mut lines = String::new();
        for (place, server) in self.all.iter().enumerate() {
            let at = format!("{}:{}@{}", self.at, server.port, server.bus);
            let (id, myself) = (Self::id(place), if place == me { "myself," } else { "" });
            lines.push_str(&if place < self.primaries {
                let first = share * u32::try_from(place).unwrap();
                let last = (first + share - 1).min(SLOTS - 1);
                format!("{id} {at} {myself}master - 0 0 {} connected {first}-{last}\n", place + 1)
            } else {
                let primary = place - self.primaries;
                format!("{id} {at} {myself}slave {} 0 0 {} connected\n", Self::id(primary), primary + 1)
            });
        }
        format!("{lines}vars currentEpoch {} lastVoteEpoch 0\n", self.primaries)
    }

    fn folder(&self, place: usize) -> PathBuf {
        self.dir.path().join(place.to_string())
    }

    fn launch(&mut self, place: usize) {
        let (port, bus) = (self.all[place].port.to_string(), self.all[place].bus.to_string());
        let mut command = Command::new("sh");
        command.args(["-c", ENDS_WITH_US]).arg(self.folder(place)).arg(redis_server());
        match &self.tls {
            Some(tls) => command.args(tls.server_args(&port)),
            None => command.args(["--port", &port]),
        };
        command.args(["--cluster-port", &bus, "--bind", &self.at, "--protected-mode", "no"]);
        command.args(["--cluster-enabled", "yes", "--cluster-node-timeout", &NODE_TIMEOUT.to_string()]);
        command.args(["--save", "", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]);
        command.args(["--enable-debug-command", "yes", "--cluster-allow-replica-migration", "no"]);
        command.arg("--aclfile").arg(self.dir.path().join("users.acl"));
        command.arg("--dir").arg(self.folder(place)).args(["--logfile", "redis.log"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.all[place].child = Some(command.spawn().expect("redis-server 7 is needed"));
    }

    /// Waits until each server takes the Cluster for whole, and each replica follows.
    pub(crate) async fn until_whole(&self) {
        eventually("the Cluster is whole", LIMIT, || async {
            for place in 0..self.all.len() {
                let info = self.ask::<String>(place, redis::cmd("CLUSTER").arg("INFO")).await?;
                let is_whole = info.contains("cluster_state:ok")
                    && info.contains(&format!("cluster_slots_ok:{SLOTS}"))
                    && info.contains(&format!("cluster_known_nodes:{}", self.all.len()));
                let follows = self.ask::<String>(place, redis::cmd("INFO").arg("replication")).await?;
                if !is_whole || (follows.contains("role:slave") && !follows.contains("master_link_status:up"))
                {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// Makes another server a primary without slots, and returns its place.
    pub(crate) async fn join(&mut self) -> usize {
        let (place, ports) = (self.all.len(), free_ports_at(&self.at, 2));
        self.all.push(Server { port: ports[0], bus: ports[1], child: None });
        std::fs::create_dir(self.folder(place)).unwrap();
        self.launch(place);
        eventually("the server answers", LIMIT, || async { self.connection(place).await }).await;
        let mut meet = redis::cmd("CLUSTER");
        meet.arg("MEET").arg(&self.at).arg(self.all[0].port).arg(self.all[0].bus);
        self.ask::<()>(place, &meet).await.expect("it meets the others");
        self.until_whole().await;
        place
    }

    /// The URL for supervisors and actors.
    pub(crate) fn url(&self) -> String {
        let at: Vec<String> =
            self.all[..self.primaries].iter().map(|server| format!("{}:{}", self.at, server.port)).collect();
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}+cluster://{}", at.join(","))
    }

    /// The certificates, where there are some.
    pub(crate) fn tls(&self) -> &ClusterTls {
        self.tls.as_ref().expect("this Cluster speaks TLS")
    }

    /// The port of a server.
    pub(crate) fn port(&self, place: usize) -> u16 {
        self.all[place].port
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

    /// What the primaries have refused to users that are not the default one.
    pub(crate) fn refused_to_users(&self) -> Vec<String> {
        let refused = |server: &Server| refused_to_users(&format!("redis://{}:{}", self.at, server.port));
        self.all[..self.primaries].iter().flat_map(refused).collect()
    }

    /// A plain connection to one of them; None if it does not answer.
    pub(crate) async fn connection(&self, place: usize) -> Option<MultiplexedConnection> {
        let port = self.all[place].port;
        let client = match &self.tls {
            Some(tls) => tls.client(port),
            None => redis::Client::open(format!("redis://{}:{port}", self.at)).unwrap(),
        };
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        redis::cmd("PING").query_async::<()>(&mut connection).await.ok()?;
        Some(connection)
    }

    /// Asks one of them; None if it does not answer, or with an error.
    pub(crate) async fn ask<T: redis::FromRedisValue>(
        &self,
        place: usize,
        command: &redis::Cmd,
    ) -> Option<T> {
        command.query_async(&mut self.connection(place).await?).await.ok()
    }

    /// The id by which the servers know each other.
    pub(crate) async fn id_of(&self, place: usize) -> String {
        self.ask(place, redis::cmd("CLUSTER").arg("MYID")).await.expect("it has an id")
    }

    /// The place of the primary of a slot, as the first server that answers says.
    pub(crate) async fn owner(&self, slot: u16) -> Option<usize> {
        for place in 0..self.all.len() {
            let Some(slots) =
                self.ask::<Vec<Vec<redis::Value>>>(place, redis::cmd("CLUSTER").arg("SLOTS")).await
            else {
                continue;
            };
            for range in slots {
                let (first, last): (u16, u16) = (read(&range[0]), read(&range[1]));
                let at: Vec<redis::Value> = read(&range[2]);
                if (first..=last).contains(&slot) {
                    let port: u16 = read(&at[1]);
                    return self.all.iter().position(|server| server.port == port);
                }
            }
        }
        None
    }

    /// Waits until another server is the primary of a slot, and returns its place.
    pub(crate) async fn until_moved(&self, slot: u16, from: usize) -> usize {
        eventually("another server is the primary", LIMIT, || async {
            self.owner(slot).await.filter(|now| *now != from)
        })
        .await
    }

    /// Makes the replica of the primary of a slot the primary, and returns its place. Redis gives up after five seconds when the two do
    /// not come to terms, as on a busy machine, and is asked again.
    pub(crate) async fn swap(&self, slot: u16, from: usize) -> usize {
        let mut failover = redis::cmd("CLUSTER");
        failover.arg("FAILOVER");
        for _attempt in 0..10 {
            self.ask::<()>(self.other_of(from), &failover).await.expect("a failover begins");
            if let Ok(now) = timeout(MANUAL_FAILOVER, self.until_moved(slot, from)).await {
                return now;
            }
        }
        panic!("no failover was possible");
    }

    /// The place of the server that has the same slots as this one, as its primary or its replica.
    fn other_of(&self, place: usize) -> usize {
        if place < self.primaries { place + self.primaries } else { place - self.primaries }
    }

    /// Begins to move a slot.
    pub(crate) async fn begin_move(&self, slot: u16, from: usize, to: usize) {
        let (source, target) = (self.id_of(from).await, self.id_of(to).await);
        let mut import = redis::cmd("CLUSTER");
        import.arg("SETSLOT").arg(slot).arg("IMPORTING").arg(source);
        self.ask::<()>(to, &import).await.expect("the slot is imported");
        let mut migrate = redis::cmd("CLUSTER");
        migrate.arg("SETSLOT").arg(slot).arg("MIGRATING").arg(target);
        self.ask::<()>(from, &migrate).await.expect("the slot is migrated");
    }

    /// Moves a key from one server to another.
    pub(crate) async fn move_key(&self, key: &[u8], from: usize, to: usize) {
        let mut migrate = redis::cmd("MIGRATE");
        migrate.arg(&self.at).arg(self.port(to)).arg(key).arg(0).arg(5000);
        let moved: Option<String> = self.ask(from, &migrate).await;
        // A key that has gone meanwhile needs no move.
        assert!(matches!(moved.as_deref(), Some("OK" | "NOKEY")), "{moved:?}");
    }

    /// Moves a key of a slot that is on its way back to where it came from, which takes keys only while nothing leaves it.
    pub(crate) async fn take_back(&self, key: &[u8], slot: u16, from: usize, to: usize) {
        let mut stable = redis::cmd("CLUSTER");
        stable.arg("SETSLOT").arg(slot).arg("STABLE");
        self.ask::<()>(from, &stable).await.expect("the slot stays");
        self.move_key(key, to, from).await;
        self.begin_move(slot, from, to).await;
    }

    /// The keys of a slot that are on a server.
    pub(crate) async fn keys_in(&self, place: usize, slot: u16) -> Vec<Vec<u8>> {
        let mut keys = redis::cmd("CLUSTER");
        keys.arg("GETKEYSINSLOT").arg(slot).arg(100_000);
        self.ask(place, &keys).await.expect("the keys of a slot")
    }

    /// Ends the move of a slot. The new owner is told first, so that there is one at any time.
    pub(crate) async fn end_move(&self, slot: u16, to: usize) {
        let target = self.id_of(to).await;
        let mut places: Vec<usize> = (0..self.all.len()).collect();
        places.sort_by_key(|place| *place != to);
        for place in places {
            let mut node = redis::cmd("CLUSTER");
            node.arg("SETSLOT").arg(slot).arg("NODE").arg(&target);
            // Replicas learn it from their primaries.
            let _answer: Option<()> = self.ask(place, &node).await;
        }
    }

    /// Moves a slot with all its keys, one at a time.
    pub(crate) async fn move_slot(&self, slot: u16, from: usize, to: usize) {
        self.begin_move(slot, from, to).await;
        loop {
            let keys = self.keys_in(from, slot).await;
            if keys.is_empty() {
                break;
            }
            for key in keys {
                self.move_key(&key, from, to).await;
            }
        }
        self.end_move(slot, to).await;
    }

    /// Kills one of them.
    pub(crate) fn kill9(&mut self, place: usize) {
        if self.all[place].child.is_some() {
            self.signal(place, Signal::SIGKILL);
        }
        if let Some(mut child) = self.all[place].child.take() {
            if let Some(mut input) = child.stdin.take() {
                drop(input.write_all(b"keep\n"));
            }
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
        let Ok(pid) = std::fs::read_to_string(self.folder(place).join("pid")) else { return };
        if let Ok(pid) = pid.trim().parse() {
            let sent = kill(Pid::from_raw(pid), signal);
            assert!(matches!(sent, Ok(()) | Err(Errno::ESRCH)), "{sent:?}");
        }
    }

    /// Makes it as it was in the beginning, but for the functions.
    pub(super) async fn empty(&self) {
        for place in 0..self.primaries {
            let mut connection = self.connection(place).await.expect("it answers");
            let clear = redis::pipe().cmd("FLUSHALL").cmd("ACL").arg("LOG").arg("RESET").clone();
            clear.query_async::<()>(&mut connection).await.unwrap();
        }
    }
}

fn read<T: redis::FromRedisValue>(value: &redis::Value) -> T {
    redis::from_redis_value(value.clone()).unwrap()
}

impl Drop for PrivateCluster {
    #[expect(clippy::print_stderr, reason = "a failed test shows the logs of its servers")]
    fn drop(&mut self) {
        for place in 0..self.all.len() {
            self.kill9(place);
            if std::thread::panicking() {
                let log = std::fs::read_to_string(self.folder(place).join("redis.log"));
                eprintln!("the log of server {place}:\n{}", log.unwrap_or_default());
            }
        }
    }
}
