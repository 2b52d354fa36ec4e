//! Other servers than the one that is supported, played from recorded answers, and nobody at all.

use std::path::Path;

use hero_supervisor::adapters::zinit::ZinitProcessManager;
use hero_supervisor::ports::process_manager::{ProcessError, ProcessManager};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;

use super::stage::sleeper;

/// What each call says of a server that answers every line like this and then closes.
async fn complaint_about(answer: &'static str) -> String {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let socket = dir.path().join("z.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let replay = async {
        loop {
            let (stream, _address) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            assert!(
                line.contains("rpc.discover"),
                "nothing else is sent to a server of unknown kind: {line}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let manager = ZinitProcessManager::new(&socket);
    let ask = async {
        assert!(matches!(manager.list().await, Err(ProcessError::Unsupported { .. })));
        assert!(matches!(manager.start(&sleeper("a")).await, Err(ProcessError::Unsupported { .. })));
        match manager.probe().await {
            Err(ProcessError::Unsupported { reason }) => reason,
            other => panic!("{other:?}"),
        }
    };
    let complaint = tokio::select! {
        complaint = ask => complaint,
        () = replay => unreachable!(),
    };
    assert!(complaint.contains("supported are zinit 0.3.9"), "{complaint}");
    complaint
}

#[tokio::test]
async fn recorded_raw_is_named_and_not_touched() {
    let answer = "{\"state\":\"error\",\"body\":\"unknown command '{jsonrpc:2.0,id:1,method:rpc.discover}' or wrong arguments count\"}";
    let complaint = complaint_about(answer).await;
    assert!(complaint.contains("zinit before v0.2.15"), "{complaint}");
}

#[tokio::test]
async fn recorded_unknown_servers_are_not_touched() {
    let complaint = complaint_about("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert!(complaint.contains("does not speak JSON"), "{complaint}");
    let complaint = complaint_about(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}\n",
    )
    .await;
    assert!(complaint.contains("an unknown server"), "{complaint}");
}

#[tokio::test]
async fn nobody_at_the_socket_is_unavailable() {
    let manager = ZinitProcessManager::new(Path::new("/tmp/hero-no-such-folder/z.sock"));
    assert!(matches!(manager.probe().await, Err(ProcessError::Unavailable(_))));
}
