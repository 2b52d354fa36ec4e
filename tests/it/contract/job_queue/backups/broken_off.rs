//! A restore that is killed goes on where it was.

use std::collections::BTreeSet;
use std::process::Stdio;

use super::super::queue_contract::{
    Kind, LIMIT, OSIS, QueueContract, Settings, finish, spec, submission, success, take, text,
};
use super::{fine, load, save, words};
use crate::support::redis::PrivateRedis;
use crate::support::service::command;
use crate::support::wait::eventually;

const JOBS: usize = 2_000;

async fn goes_on(to: Kind) {
    let settings = Settings { queue_limit: 100_000, ..Settings::default() };
    let source = QueueContract::on(PrivateRedis::start().await, settings);
    let queue = source.supervisor();
    for _batch in 0..JOBS / 100 {
        let batch = (0..100).map(|_| submission(spec(&"x".repeat(4_000)))).collect();
        assert!(queue.submit(batch).await.unwrap().iter().all(Result::is_ok));
    }
    queue.close().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b");
    fine(save(&source, &file, &[]));
    let target = to.bench().await;
    let new = target.supervisor();
    let actor = target.actor("osis_actor_0", 41).await;
    let mut child = command(words(&target, "restore", &file, &[]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("some jobs are restored", LIMIT, || async {
        (new.depth(OSIS.into()).await.unwrap().queued > 0).then_some(())
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let some = new.depth(OSIS.into()).await.unwrap().queued;
    assert!(some < JOBS as u64, "it was killed in the middle: {some}");
    // One runs, and is deleted: nothing must make it run again.
    let mut ran = BTreeSet::new();
    for taken in take(&actor, 5).await {
        assert!(finish(&actor, success(&target, &taken.lease, text("1"))).await);
        new.delete(&taken.lease.job_id).await.unwrap();
        ran.insert(taken.lease.job_id);
    }
    let other = dir.path().join("other");
    fine(save(&source, &other, &[]));
    let refused = load(&target, &other, &[]);
    assert!(refused.code == 5 && refused.stderr.contains("broke off there at line"), "{refused:?}");

    let rest = fine(load(&target, &file, &[]));
    let restored = rest["restored"].as_u64().unwrap();
    assert!(restored < JOBS as u64, "{rest}");
    loop {
        let waiting = new.depth(OSIS.into()).await.unwrap().queued;
        if waiting == 0 {
            break;
        }
        // Not more wait at the front than an actor ends.
        for taken in take(&actor, usize::try_from(waiting.min(8)).unwrap()).await {
            assert!(finish(&actor, success(&target, &taken.lease, text("1"))).await);
            assert!(ran.insert(taken.lease.job_id), "it ran twice");
        }
    }
    assert_eq!(ran.len(), JOBS);
    let again = load(&target, &file, &[]);
    assert!(again.code == 5 && again.stderr.contains("it is not empty"), "{again:?}");
    new.close().await;
}

#[tokio::test]
async fn a_killed_restore_goes_on_and_no_job_runs_twice() {
    goes_on(Kind::Redis).await;
}

#[tokio::test]
async fn a_killed_restore_goes_on_in_a_cluster() {
    goes_on(Kind::Cluster).await;
}
