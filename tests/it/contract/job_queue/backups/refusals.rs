//! What is refused, and that nothing is written then.

use std::os::unix::fs::PermissionsExt;

use hero_supervisor::domain::model::job::JobState;

use super::super::queue_contract::{Kind, OSIS, read, spec, submit};
use super::super::redis_only::command;
use super::{fine, load, save};

#[tokio::test]
async fn a_changed_or_cut_file_writes_nothing() {
    let source = Kind::Redis.bench().await;
    let queue = source.supervisor();
    submit(&queue, spec("1")).await;
    let dir = tempfile::tempdir().unwrap();
    let (file, bad) = (dir.path().join("b"), dir.path().join("bad"));
    fine(save(&source, &file, &[]));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut target = Kind::Redis.bench().await;
    let empty = command(&mut target, &["KEYS", "*"]).await;
    let whole = std::fs::read(&file).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 4;
    for bytes in [&changed[..], &whole[..whole.len() - 1], &whole[..40], b"", b"no backup"] {
        std::fs::write(&bad, bytes).unwrap();
        for more in [&[][..], &["--into-existing"], &["--dry-run"]] {
            let refused = load(&target, &bad, more);
            assert!(refused.code == 5 && refused.stderr.contains(bad.to_str().unwrap()), "{refused:?}");
        }
    }
    assert_eq!(command(&mut target, &["KEYS", "*"]).await, empty);
    // A file that is there is not replaced unasked.
    let there = save(&source, &file, &[]);
    assert!(there.code == 2 && there.stderr.contains("--force"), "{there:?}");
    assert_eq!(std::fs::read(&file).unwrap(), whole);
    fine(save(&source, &file, &["--force"]));
    queue.close().await;
}

#[tokio::test]
async fn a_redis_that_is_not_empty_takes_nothing_unasked_and_keeps_what_it_has() {
    let source = Kind::Redis.bench().await;
    let queue = source.supervisor();
    let first = submit(&queue, spec("1")).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b");
    fine(save(&source, &file, &[]));
    let target = Kind::Redis.bench().await;
    let new = target.supervisor();
    submit(&new, spec("2")).await;
    let refused = load(&target, &file, &[]);
    assert!(refused.code == 5 && refused.stderr.contains("1 job"), "{refused:?}");
    assert_eq!(new.depth(OSIS.into()).await.unwrap().queued, 1);
    for (restored, known) in [(1, 0), (0, 1)] {
        let done = fine(load(&target, &file, &["--into-existing"]));
        assert_eq!((&done["restored"], &done["already_there"]), (&restored.into(), &known.into()), "{done}");
        assert_eq!(new.depth(OSIS.into()).await.unwrap().queued, 2);
    }
    assert_eq!(read(&new, &first.id).await.state, JobState::Queued);
    new.close().await;
    queue.close().await;
}

#[tokio::test]
async fn a_redis_that_is_away_is_told_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b");
    let away = format!("unix://{}", dir.path().join("no").display());
    let ran = crate::support::service::run(["backup", file.to_str().unwrap(), "--redis-url", &away]);
    assert!(ran.code == 4 && ran.stderr.contains("no backup was made"), "{ran:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
