use std::error::Error;

use super::*;
use crate::client::{ConnectOptions, Run, WaitError};
use crate::proto::ScriptType;

const NOBODY: &str = "unix:/nowhere/s";
const WAIT: Duration = Duration::from_millis(200);

fn run() -> Run {
    Run::new(ScriptType::Osis, "1")
}

/// Repeats within a read would take at least 1.4 s.
#[tokio::test]
async fn when_no_server_has_answered_nothing_is_known_and_the_last_failure_is_the_source() {
    let client = Client::connect(NOBODY).unwrap();
    let begun = Instant::now();
    let ran = client.run(run().timeout(WAIT)).await.unwrap_err();
    let submitted = client.submit(run().timeout(WAIT)).await.unwrap_err();
    let awaited = client.await_job("j", Some(WAIT)).await.unwrap_err();
    let cancelled = client.cancel("j", "", Some(WAIT)).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_millis(4000), "{:?}", begun.elapsed());
    for over in [&ran, &submitted, &awaited, &cancelled] {
        assert_eq!((over.code, over.reason.as_str()), (Code::DeadlineExceeded, "NO_SERVER"));
        let text = over.to_string();
        assert!(text.contains("no server answered at unix:/nowhere/s within 200ms: "), "{text}");
        assert!(text.contains("No such file or directory"), "{text}");
        let source = over.source().unwrap().to_string();
        assert!(source.contains("No such file or directory"), "{source}");
    }
    assert!(ran.message.ends_with("nothing is known of a job"), "{ran}");
    assert!(awaited.message.ends_with("nothing is known of job j"), "{awaited}");
    assert_eq!(awaited.metadata["job_id"], "j");
    assert!(!ran.metadata["request_id"].is_empty() && !ran.metadata.contains_key("job_id"));
    match client.handle("j").result(Some(WAIT)).await.unwrap_err() {
        WaitError::Call(error) => assert_eq!(error.reason, "NO_SERVER"),
        WaitError::Failed(failed) => panic!("{failed}"),
    }
}

#[tokio::test]
async fn who_wants_to_fail_at_once_does() {
    let client = Client::connect_with(NOBODY, &ConnectOptions::new().fail_fast(true)).unwrap();
    let begun = Instant::now();
    let ran = client.run(run()).await.unwrap_err();
    assert_eq!((ran.code, ran.reason.as_str()), (Code::Unavailable, "NO_SERVER"));
    assert!(
        ran.message.starts_with("no server answers at unix:/nowhere/s: ") && ran.source().is_some(),
        "{ran}"
    );
    let mut watch = client.watch_events(crate::proto::WatchEventsRequest::default());
    let watched = futures::StreamExt::next(&mut watch).await.unwrap().unwrap_err();
    assert_eq!(watched.reason, "NO_SERVER");
    assert!(futures::StreamExt::next(&mut watch).await.is_none());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// The server accepts the connection and is silent.
#[tokio::test]
async fn a_frozen_server_is_given_up_soon_after_the_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let _frozen = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let client = Client::connect(&format!("unix:{}", socket.display())).unwrap();
    let begun = Instant::now();
    let over = client.run(run().timeout(WAIT)).await.unwrap_err();
    assert!(begun.elapsed() >= WAIT && begun.elapsed() < MARGIN / 2, "{:?}", begun.elapsed());
    assert_eq!((over.code, over.reason.as_str()), (Code::DeadlineExceeded, "NO_SERVER"));
}

fn error(code: Code, reason: &str, message: &str) -> ClientError {
    ClientError { reason: reason.to_owned(), ..ClientError::new(code, message) }
}

#[tokio::test]
async fn the_reason_says_what_is_known_of_the_job() {
    let client = Client::connect(NOBODY).unwrap();
    let wait = || Wait { tried: true, ..Wait::new(&client, "a job", Some(WAIT)) };
    let away = || error(Code::Unavailable, "", "connection refused");
    let late = || error(Code::DeadlineExceeded, "", "the server did not answer in time");

    let mut told = wait();
    told.failed(away()).unwrap();
    told.failed(late()).unwrap();
    let over = told.over();
    assert!(over.message.contains("within 200ms: connection refused; nothing is known of a job"), "{over}");

    let mut told = wait();
    told.failed(error(Code::Unavailable, "REDIS_UNAVAILABLE", "redis is away")).unwrap();
    let over = told.over();
    assert_eq!(over.reason, "REDIS_UNAVAILABLE");
    assert!(over.message.contains("could not help within 200ms: redis is away; nothing"), "{over}");

    let mut told = wait();
    let id = BTreeMap::from([("job_id".to_owned(), "j".to_owned())]);
    let open = ClientError { metadata: id, ..error(Code::DeadlineExceeded, "TIMED_OUT", "lost") };
    told.failed(open).unwrap();
    let over = told.over();
    assert_eq!((over.reason.as_str(), over.metadata["job_id"].as_str()), ("TIMED_OUT", "j"));

    let mut told = wait();
    told.known = true;
    assert_eq!(told.over().reason, "WAIT_OVER");
    told.failed(away()).unwrap();
    let over = told.over();
    assert_eq!(over.reason, "WAIT_OVER");
    assert!(over.message.ends_with("(the last call failed: connection refused)"), "{over}");
    assert!(Wait::new(&client, "a job", Some(WAIT)).over().message.contains("before a call was made"));
}

/// Lines of the log, for a test.
#[cfg(feature = "service")]
#[derive(Clone, Default)]
struct Lines(std::sync::Arc<crate::lock::Lock<Vec<u8>>>);

#[cfg(feature = "service")]
impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "service")]
#[tokio::test(start_paused = true)]
async fn a_line_is_logged_after_some_failures_and_then_every_minute() {
    let (lines, client) = (Lines::default(), Client::connect(NOBODY).unwrap());
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut wait = Wait::new(&client, "a job", None);
    let mut lines_after = |failures: usize| {
        for _ in 0..failures {
            wait.failed(error(Code::Unavailable, "", "connection refused")).unwrap();
        }
        String::from_utf8(lines.0.lock().clone()).unwrap().lines().count()
    };
    assert_eq!([2, 1, 20].map(&mut lines_after), [0, 1, 1]);
    tokio::time::advance(LOG_INTERVAL).await;
    assert_eq!([1, 20].map(&mut lines_after), [2, 2]);
    let log = String::from_utf8(lines.0.lock().clone()).unwrap();
    assert!(log.contains("address=unix:/nowhere/s") && log.contains("error=connection refused"), "{log}");
}
