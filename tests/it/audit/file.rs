//! The file: its mode, its replacement, a crash, a second writer.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use hero_supervisor::adapters::audit::{AuditError, AuditOptions, all_files, verify};
use hero_supervisor::ports::audit::AuditLog;

use super::log::{Log, call, end, kinds, lines, options};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

fn is_whole(path: &Path) {
    let report = verify(path, None).unwrap();
    assert!(report.faults.is_empty() && report.closed, "{report:?}");
}

#[tokio::test]
async fn a_restart_continues_the_chain_and_all_files_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.ndjson");
    for job in ["one", "two"] {
        let log = Log::open(&options(&path)).unwrap();
        log.call(job).await.unwrap();
        log.close().await;
    }
    is_whole(&path);
    let noted = lines(std::slice::from_ref(&path));
    let expected = ["file", "opened", "received", "done", "closed", "opened", "received", "done", "closed"];
    assert_eq!(kinds(&noted), expected);
    let (received, done) = (&noted[2], &noted[3]);
    for line in [received, done] {
        assert_eq!(line["identity"], serde_json::json!({"kind": "token", "id": "billing"}));
        assert_eq!((&line["peer"], &line["rpc"]), (&"192.0.2.1:5".into(), &"CancelJob".into()));
        assert_eq!((&line["request_id"], &line["node"]), (&"deploy-7".into(), &"here".into()));
        assert_eq!(line["target"], serde_json::json!({"job_id": ["one"]}));
        assert_eq!(line["params"], format!("sha256:{}", "07".repeat(32)));
        assert_eq!(line["call"], received["call"]);
    }
    assert_eq!((&done["code"], &done["ms"]), (&"OK".into(), &3.0.into()));
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_log_that_others_could_read_is_made_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.ndjson");
    Log::open(&options(&path)).unwrap().close().await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    Log::open(&options(&path)).unwrap().close().await;
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    is_whole(&path);
}

#[tokio::test]
async fn files_are_replaced_at_their_size_and_the_oldest_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.ndjson");
    let options = AuditOptions { rotate_bytes: 4_000, keep: 2, ..options(&path) };
    let log = Log::open(&options).unwrap();
    for number in 0..40 {
        log.call(&number.to_string()).await.unwrap();
    }
    log.close().await;
    let files = all_files(&path).unwrap();
    assert_eq!(files.len(), 3);
    is_whole(&path);
    for file in &files {
        let noted = lines(std::slice::from_ref(file));
        assert_eq!(kinds(&noted)[0], "file");
        assert!(file.metadata().unwrap().len() < 6_000, "{file:?}");
    }
    // Each begins with the hash of the last line of the one before it.
    for pair in files.windows(2) {
        let (before, after) = (lines(&pair[..1]), lines(&pair[1..]));
        assert_eq!(before.last().unwrap()["sha256"], after[0]["prev_sha256"]);
    }
    // Nothing is lost over a start of which the newest file has no line yet.
    std::fs::rename(&path, dir.path().join(format!("audit.ndjson.{:012}", 999))).unwrap();
    let log = Log::open(&options).unwrap();
    log.call("after").await.unwrap();
    log.close().await;
    is_whole(&path);
}

#[tokio::test]
async fn a_line_that_a_crash_has_torn_is_kept_apart_and_the_chain_goes_on() {
    let ends: [&[u8]; 4] =
        [b"{\"seq\":6,\"prev_sha", b"{\"seq\":6,\"prev_sha256\":\"00\"}\n", &[0; 300], b"\n\n"];
    for torn in ends {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.ndjson");
        let log = Log::open(&options(&path)).unwrap();
        log.call("before").await.unwrap();
        log.close().await;
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [whole.as_slice(), torn].concat()).unwrap();
        assert!(!verify(&path, None).unwrap().faults.is_empty());

        let log = Log::open(&options(&path)).unwrap();
        log.call("after").await.unwrap();
        log.close().await;
        is_whole(&path);
        let noted = lines(std::slice::from_ref(&path));
        assert_eq!(kinds(&noted)[5..], ["torn_line", "opened", "received", "done", "closed"]);
        assert_eq!(noted[5]["note"]["bytes"], torn.len());
        let kept = noted[5]["note"]["kept_in"].as_str().unwrap();
        assert_eq!(std::fs::read(dir.path().join(kept)).unwrap(), torn);
    }
    // The first line of all.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.ndjson");
    std::fs::write(&path, "{\"seq\":1,\"pre").unwrap();
    let log = Log::open(&options(&path)).unwrap();
    log.close().await;
    is_whole(&path);
    assert_eq!(kinds(&lines(&[path])), ["file", "torn_line", "opened", "closed"]);
}

#[tokio::test]
async fn two_writers_and_files_of_others_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.ndjson");
    let log = Log::open(&options(&path)).unwrap();
    let second = Log::open(&options(&path)).err().unwrap();
    assert!(matches!(second, AuditError::InUse(_)), "{second}");
    assert!(second.to_string().contains("a path of its own"), "{second}");
    log.close().await;
    drop(Log::open(&options(&path)).unwrap());

    let other = dir.path().join("other");
    std::fs::write(&other, "something else\n").unwrap();
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Log::open(&options(&other)).err().unwrap();
    assert!(matches!(refused, AuditError::Foreign(_)), "{refused}");
    assert_eq!(std::fs::read(&other).unwrap(), b"something else\n");
    assert_eq!(other.metadata().unwrap().permissions().mode() & 0o777, 0o644, "it is as it was");
    let (linked, elsewhere) = (dir.path().join("linked"), dir.path().join("elsewhere"));
    std::os::unix::fs::symlink(&elsewhere, dir.path().join("linked.lock")).unwrap();
    let refused = Log::open(&options(&linked)).err().unwrap();
    assert!(matches!(refused, AuditError::Io { .. }), "{refused}");
    assert!(!elsewhere.exists() && !linked.exists(), "no link is followed");
    let refused = Log::open(&options(Path::new("/dev/full"))).err().unwrap();
    assert!(matches!(refused, AuditError::NotAFile(_)), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_moved_or_removed_is_made_anew_and_the_chain_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.ndjson");
    let log = Log::open(&options(&path)).unwrap();
    log.call("before").await.unwrap();
    std::fs::rename(&path, dir.path().join(format!("audit.ndjson.{:012}", 1))).unwrap();
    eventually("the file is there again", LIMIT, || async { path.exists().then_some(()) }).await;
    log.call("after").await.unwrap();
    log.close().await;
    is_whole(&path);
    assert_eq!(all_files(&path).unwrap().len(), 2);
}

#[tokio::test]
async fn a_call_that_its_caller_gives_up_has_an_end_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.ndjson");
    let log = Log::open(&options(&path)).unwrap();
    drop(log.audit.received(Arc::new(call("left"))).await.unwrap());
    let entry = log.audit.received(Arc::new(call("ended"))).await.unwrap();
    entry.done(end("NOT_FOUND"));
    log.close().await;
    let noted = lines(&[path]);
    let ends: Vec<&str> = noted.iter().filter_map(|line| line["code"].as_str()).collect();
    assert_eq!(ends, ["CANCELLED", "NOT_FOUND"]);
}
