//! What the machine gives at most: a gRPC call that does nothing, and two processes that talk through Redis streams.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures::future::join_all;
use redis::AsyncConnectionConfig;
use tokio::time::Instant;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::load::{Latencies, channel};
use crate::stage::{Process, appear};

/// A server in a process of its own that answers health checks: tonic, and nothing behind it.
pub(crate) struct Echo {
    _process: Process,
    tcp: String,
    unix: String,
}

impl Echo {
    pub(crate) async fn start(folder: &Path) -> Self {
        let ready = folder.join("echo.ready");
        let mut command = Command::new(std::env::current_exe().unwrap());
        let process = Process::start(command.arg("--echo-server").arg(folder));
        appear(&ready).await;
        let tcp = std::fs::read_to_string(&ready).unwrap();
        Self { _process: process, tcp, unix: format!("unix:{}", folder.join("echo.sock").display()) }
    }

    pub(crate) fn tcp_address(&self) -> &str {
        &self.tcp
    }

    pub(crate) fn unix_address(&self) -> &str {
        &self.unix
    }
}

/// The other side of [`Echo`].
pub(crate) fn serve_echo(folder: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = Path::new(folder);
        let (_reporter, health) = tonic_health::server::health_reporter();
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let unix = tokio::net::UnixListener::bind(folder.join("echo.sock")).unwrap();
        let address = tcp.local_addr().unwrap().to_string();
        std::fs::write(folder.join("echo.tmp"), address).unwrap();
        std::fs::rename(folder.join("echo.tmp"), folder.join("echo.ready")).unwrap();
        let server = || tonic::transport::Server::builder().tcp_nodelay(true).add_service(health.clone());
        let (one, other) = tokio::join!(
            server().serve_with_incoming(TcpListenerStream::new(tcp)),
            server().serve_with_incoming(UnixListenerStream::new(unix)),
        );
        one.unwrap();
        other.unwrap();
    });
}

/// `callers` callers, each one call after the other, for `span`.
pub(crate) async fn echo_calls(address: &str, callers: usize, span: Duration) -> Latencies {
    let client = HealthClient::new(channel(address).await);
    let begun = Instant::now();
    let each = (0..callers).map(|_| {
        let mut client = client.clone();
        async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < span {
                let sent = Instant::now();
                client.check(HealthCheckRequest { service: String::new() }).await.unwrap();
                latencies.push(sent.elapsed());
            }
            latencies
        }
    });
    let mut all = Latencies::new();
    for latency in join_all(each).await.into_iter().flatten() {
        all.record(latency);
    }
    all.finish(begun.elapsed())
}

/// Forks of a Python that has imported what a host of ours has, each waited for, 10 ms apart: the median in milliseconds.
pub(crate) fn python_forks() -> String {
    const FORKS: &str = "import ast, json, os, re, threading, time, traceback, gc\n\
        gc.collect(); gc.freeze(); took = []\n\
        for _ in range(200):\n    \
            time.sleep(0.01); begun = time.perf_counter(); child = os.fork()\n    \
            if child == 0: os._exit(0)\n    \
            os.waitpid(child, 0); took.append(time.perf_counter() - begun)\n\
        print('%.2f' % (sorted(took)[100] * 1000))";
    let ran = Command::new("python3").args(["-I", "-c", FORKS]).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

/// One entry there and one back, through two streams and two blocking readers, one at a time.
pub(crate) async fn queue_ping_pong(redis_url: &str, rounds: usize) -> Latencies {
    let client = redis::Client::open(redis_url).unwrap();
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let connect = || async { client.get_multiplexed_async_connection_with_config(&config).await.unwrap() };
    let (mut caller, mut caller_reads) = (connect().await, connect().await);
    let (mut worker, mut worker_reads) = (connect().await, connect().await);
    let turns = 3_000 * rounds;
    let work = async {
        let mut last = "0".to_owned();
        for _ in 0..turns {
            let (id, _) = read_one(&mut worker_reads, "floor:there", &last).await;
            last = id;
            let _: String = redis::cmd("XADD")
                .arg("floor:back")
                .arg("*")
                .arg("v")
                .arg("1")
                .query_async(&mut worker)
                .await
                .unwrap();
        }
    };
    let call = async {
        let mut latencies = Latencies::new();
        let mut last = "0".to_owned();
        let begun = Instant::now();
        for _ in 0..turns {
            let sent = Instant::now();
            let _: String = redis::cmd("XADD")
                .arg("floor:there")
                .arg("*")
                .arg("v")
                .arg("1")
                .query_async(&mut caller)
                .await
                .unwrap();
            let (id, _) = read_one(&mut caller_reads, "floor:back", &last).await;
            last = id;
            latencies.record(sent.elapsed());
        }
        latencies.finish(begun.elapsed())
    };
    let (latencies, ()) = tokio::join!(call, work);
    latencies
}

async fn read_one(
    connection: &mut redis::aio::MultiplexedConnection,
    stream: &str,
    last: &str,
) -> (String, ()) {
    type Reply = Vec<(String, Vec<(String, Vec<String>)>)>;
    let mut read = redis::cmd("XREAD");
    read.arg("COUNT").arg(1).arg("BLOCK").arg(0).arg("STREAMS").arg(stream).arg(last);
    let reply: Reply = read.query_async(connection).await.unwrap();
    (reply[0].1[0].0.clone(), ())
}
