//! Jobs of a unique key.

use hero_supervisor::domain::model::job::{JobSpec, JobState, OnConflict};

use super::super::queue_contract::{Kind, finish, read, submit, success, take_one, text, with_attempts};
use super::super::unique::keyed;
use super::{fine, load, save};

#[tokio::test]
async fn a_job_that_waits_for_another_one_of_its_key_goes_on_to_do_so() {
    let (source, target) = (Kind::Redis.bench().await, Kind::Redis.bench().await);
    let (queue, new) = (source.supervisor(), target.supervisor());
    let actor = source.actor("osis_actor_0", 41).await;
    // It is tried again after the restore, since nobody knows how its first attempt has ended.
    let again = JobSpec { unique: keyed(OnConflict::RunOnceMore).unique, ..with_attempts("1", 3) };
    let first = submit(&queue, again).await;
    take_one(&actor).await;
    let second = submit(&queue, keyed(OnConflict::RunOnceMore)).await;
    assert_eq!(read(&queue, &second.id).await.state, JobState::Blocked);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b");
    fine(save(&source, &file, &[]));

    fine(load(&target, &file, &[]));
    assert_eq!(read(&new, &second.id).await.state, JobState::Blocked);
    let actor = target.actor("osis_actor_0", 42).await;
    for job in [&first, &second] {
        let taken = take_one(&actor).await;
        assert_eq!(taken.lease.job_id, job.id, "one after the other");
        assert!(finish(&actor, success(&target, &taken.lease, text("1"))).await);
    }
    queue.close().await;
    new.close().await;
}
