//! A server that is there and does not answer.

use std::time::Duration;

use hero_supervisor::ports::process_manager::{ProcessError, ProcessManager};
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, timeout};

use super::stage::{DefectiveZinit, LIMIT, sleeper};
use hero_supervisor::adapters::zinit::ZinitProcessManager;

/// The deadline is 2 s; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(4);

async fn assert_times_out(manager: &ZinitProcessManager) {
    let begun = Instant::now();
    let (probe, list) = tokio::join!(manager.probe(), manager.list());
    assert!(
        matches!(probe, Err(ProcessError::TimedOut { after }) if after == Duration::from_secs(2)),
        "{probe:?}"
    );
    assert!(matches!(list, Err(ProcessError::TimedOut { .. })), "{list:?}");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_socket_that_never_answers_times_out() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let socket = dir.path().join("z.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert_times_out(&ZinitProcessManager::new(&socket)).await;
}

#[tokio::test]
async fn a_suspended_server_times_out_and_is_found_again() {
    let stage = DefectiveZinit::start().await;
    stage.manager.start(&sleeper("a")).await.unwrap();
    let pid = stage.running("a").await;
    stage.zinit.signal_server(Signal::SIGSTOP);
    assert_times_out(&stage.manager).await;
    stage.zinit.signal_server(Signal::SIGCONT);
    assert_eq!(stage.running("a").await, pid);
}

/// Another client defines a name twice, which hangs the server for good although it still answers to pings.
#[tokio::test]
async fn a_server_that_hangs_is_seen_although_it_answers_to_pings() {
    let stage = DefectiveZinit::start().await;
    stage.manager.start(&sleeper("a")).await.unwrap();
    stage.running("a").await;
    let mut stream = UnixStream::connect(stage.zinit.socket()).await.unwrap();
    let again = json!({"jsonrpc": "2.0", "id": 1, "method": "service.set",
        "params": {"config": {"service": {"name": "a", "exec": "sleep 1"}}}});
    stream.write_all(format!("{again}\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    let answered = timeout(Duration::from_secs(2), BufReader::new(stream).read_line(&mut answer)).await;
    assert!(answered.is_err(), "this zinit does not have the defect any more: {answer}");
    assert_eq!(stage.zinit.call("system.ping", json!({})).await["version"], "0.3.9");
    assert_times_out(&stage.manager).await;
    let begun = Instant::now();
    assert!(stage.manager.start(&sleeper("b")).await.is_err());
    assert!(begun.elapsed() < LIMIT);
}
