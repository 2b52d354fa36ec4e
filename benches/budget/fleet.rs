//! What it costs to be more than one Redis: a Cluster, an acknowledgement of a replica, queues on several primaries. Each
//! beside the same on one Redis, in turns, on the same machine.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use hero_supervisor::proto::supervisor_client::SupervisorClient;
use hero_supervisor::proto::{CreateQueueRequest, ScriptType};
use tokio::time::sleep;
use tonic::transport::Channel;

use crate::load::{self, Latencies};
use crate::report::{Goal, row, row_to};
use crate::stage::{Process, Servers, Stage};

/// Time of one turn.
const TURN: Duration = Duration::from_secs(1);
/// Turns of each side; the first one warms up.
const TURNS: usize = 8;
/// Callers at once.
const CALLERS: usize = 64;
/// Primaries of the Cluster.
const PRIMARIES: usize = 3;

pub(crate) async fn rows() {
    let one = Side::start(one_server().await, &[]).await;
    let cluster = Side::start(cluster().await, &[]).await;
    compare("Cluster of 3 primaries", &cluster, "one Redis", &one, Some(1.1)).await;
    drop(one);
    two_primaries(&cluster).await;
    drop(cluster);
    let plain = Side::start(with_replica().await, &[]).await;
    let replicated = Side::start(with_replica().await, &["--durability", "replicated"]).await;
    compare("durability replicated", &replicated, "durability primary", &plain, None).await;
}

/// A supervisor with an actor, and a caller of it.
struct Side {
    _actor: Process,
    stage: Stage,
    client: SupervisorClient<Channel>,
}

impl Side {
    async fn start(servers: Servers, flags: &[&str]) -> Self {
        let flags = [&["--process-manager", "local"], flags].concat();
        let stage = Stage::start_on(servers, &flags).await;
        let actor = stage.exec_osis_actor_with("bench_fleet", flags.get(2..).unwrap_or_default());
        let client = load::connect(stage.tcp_address()).await;
        load::run_jobs(client.clone(), 1, Duration::from_millis(1)).await;
        Self { _actor: actor, stage, client }
    }

    async fn turn(&self, callers: usize) -> Latencies {
        load::run_jobs(self.client.clone(), callers, TURN).await
    }
}

/// Both sides in turns, one at a time and many at once. One at a time may take at most `most` times as long.
async fn compare(what: &str, side: &Side, other: &str, plain: &Side, most: Option<f64>) {
    let (ours, theirs) = in_turns(async || side.turn(1).await, async || plain.turn(1).await).await;
    let [p50, plain_p50] = [&ours, &theirs].map(|turns| middle(turns.iter().map(|turn| turn.at(50.0))));
    let times = middle(ours.iter().zip(&theirs).map(|(ours, theirs)| ours.at(50.0) / theirs.at(50.0)));
    let title = format!("RunJob no-op OSIS, one at a time, TCP, {what}");
    let measured = format!("p50 {:.2} ms, x{times:.2}", p50 / 1000.0);
    let floor = format!("{other}: p50 {:.2} ms", plain_p50 / 1000.0);
    match most {
        Some(most) => row_to(&title, &measured, &floor, Goal::at_most(times, most, " times one Redis")),
        None => row(&title, &measured, &floor),
    }
    let (ours, theirs) =
        in_turns(async || side.turn(CALLERS).await, async || plain.turn(CALLERS).await).await;
    let (rate, plain_rate, times) = rates(&ours, &theirs);
    row(
        &format!("RunJob no-op OSIS, {CALLERS} at once, TCP, {what}"),
        &format!("{rate:.0} jobs/s, x{times:.2}"),
        &format!("{other}: {plain_rate:.0} jobs/s"),
    );
}

/// Two queues on two primaries beside two on one, each queue with an actor.
async fn two_primaries(side: &Side) {
    let [near, far] = [0, PRIMARIES - 1].map(|primary| names_on(&side.stage, primary));
    let together = [near[0].clone(), near[1].clone()];
    let apart = [near[2].clone(), far[0].clone()];
    let mut actors = Vec::new();
    for queue in together.iter().chain(&apart) {
        let request = CreateQueueRequest { queue: queue.clone(), script_type: ScriptType::Osis.into() };
        side.client.clone().create_queue(request).await.unwrap();
        actors.push(side.stage.exec_osis_actor_with(&format!("bench_{queue}"), &["--queue", queue]));
        load::run_queues(side.client.clone(), std::slice::from_ref(queue), 1, Duration::from_millis(1)).await;
    }
    let turn = async |queues: &[String]| load::run_queues(side.client.clone(), queues, CALLERS, TURN).await;
    let (ours, theirs) = in_turns(async || turn(&apart).await, async || turn(&together).await).await;
    let (rate, together_rate, times) = rates(&ours, &theirs);
    row(
        &format!("RunJob no-op OSIS, {CALLERS} at once, two queues on two primaries"),
        &format!("{rate:.0} jobs/s, x{times:.2}"),
        &format!("two queues on one primary: {together_rate:.0} jobs/s"),
    );
}

/// Turns of both, one after the other, without those that warm up.
async fn in_turns(
    mut ours: impl AsyncFnMut() -> Latencies,
    mut theirs: impl AsyncFnMut() -> Latencies,
) -> (Vec<Latencies>, Vec<Latencies>) {
    let (mut all, mut all_theirs) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        all.push(ours().await);
        all_theirs.push(theirs().await);
    }
    (all.split_off(1), all_theirs.split_off(1))
}

/// The rates in the middle of both, and the ratio in the middle.
fn rates(ours: &[Latencies], theirs: &[Latencies]) -> (f64, f64, f64) {
    let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours.per_second() / theirs.per_second());
    let [rate, other] = [ours, theirs].map(|turns| middle(turns.iter().map(Latencies::per_second)));
    (rate, other, middle(ratios))
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One server by TCP, as those of a Cluster are reached.
async fn one_server() -> Servers {
    let (mut servers, port) = (Servers::none(), free_port());
    add_at(&mut servers, port, &[]).await;
    servers.url = format!("redis://127.0.0.1:{port}");
    servers
}

/// A server by TCP with a replica that is in step.
async fn with_replica() -> Servers {
    let mut servers = one_server().await;
    let port: u16 = servers.url.rsplit(':').next().unwrap().parse().unwrap();
    let replica = free_port();
    add_at(&mut servers, replica, &["--replicaof", "127.0.0.1", &port.to_string()]).await;
    until(replica, &["info", "replication"], "master_link_status:up").await;
    until(port, &["info", "replication"], "state=online").await;
    servers
}

/// Three primaries with a third of the slots each.
async fn cluster() -> Servers {
    let mut servers = Servers::none();
    let ports: Vec<u16> = (0..PRIMARIES).map(|_| free_port()).collect();
    for (port, bus) in ports.iter().map(|port| (*port, free_port())) {
        let (nodes, bus) = (format!("nodes-{port}.conf"), bus.to_string());
        let options = ["--cluster-enabled", "yes", "--cluster-config-file", &nodes, "--cluster-port", &bus];
        add_at(&mut servers, port, &options).await;
    }
    let addresses = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>();
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create"]).args(&addresses).args(["--cluster-replicas", "0", "--cluster-yes"]);
    let created = create.output().unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
    for port in ports {
        until(port, &["cluster", "info"], "cluster_state:ok").await;
    }
    servers.url = format!("redis+cluster://{}", addresses.join(","));
    servers
}

async fn add_at(servers: &mut Servers, port: u16, options: &[&str]) {
    let number = port.to_string();
    servers.add(&[&["--port", number.as_str(), "--bind", "127.0.0.1"], options].concat());
    until(port, &["ping"], "PONG").await;
}

/// Waits until a server says this.
async fn until(port: u16, command: &[&str], words: &str) {
    for _ in 0..2_000 {
        let said = Command::new("redis-cli").args(["-p", &port.to_string()]).args(command).output().unwrap();
        if String::from_utf8_lossy(&said.stdout).contains(words) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the server at port {port} does not say {words}");
}

/// Names of three queues in the slots of a primary of a Cluster.
fn names_on(stage: &Stage, primary: usize) -> Vec<String> {
    const SLOTS: usize = 16_384;
    let port = stage.redis_url().rsplit(':').next().unwrap();
    let is_there = |name: &String| {
        let said = Command::new("redis-cli").args(["-p", port, "cluster", "keyslot", name]).output().unwrap();
        let slot: usize = String::from_utf8_lossy(&said.stdout).trim().parse().unwrap();
        slot * PRIMARIES / SLOTS == primary
    };
    (0..).map(|number| format!("bench-{number}")).filter(is_there).take(3).collect()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
