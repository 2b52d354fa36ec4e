//! Output that stands in the record of a job.

use hero_supervisor::domain::model::job::JobState;

use super::super::output::{all, line, said};
use super::super::queue_contract::{
    Kind, failure, finish, submit, success, take_one, text, until_state, with_attempts,
};
use super::super::redis_only::command;
use super::{fine, load, save};

#[tokio::test]
async fn output_in_a_record_comes_back_and_that_of_the_next_attempt_stands_behind_it() {
    // Supervisors show themselves by how they open their replies; none of an older version is there.
    let opens = ["FCALL", "hero_open_replies", "1", "hero:{osis}:q", "other", "60000", "0"];
    let (mut source, mut target) = (Kind::Redis.bench().await, Kind::Redis.bench().await);
    let (queue, new) = (source.supervisor(), target.supervisor());
    command(&mut source, &opens).await;
    command(&mut target, &opens).await;
    let actor = source.actor("osis_actor_0", 41).await;
    let job = submit(&queue, with_attempts("1", 3)).await;
    let taken = take_one(&actor).await;
    let mut end = failure(&source, &taken.lease, "boom");
    let first = line(&source, 1, "grüße \u{0}\n first");
    end.output = vec![first.clone()];
    assert!(finish(&actor, end).await);
    until_state(&queue, &job.id, JobState::Queued).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b");
    fine(save(&source, &file, &[]));

    let kept = all(queue.as_ref(), &taken.lease).await;
    assert!(kept.len() == 1 && kept[0].mark.0 == "0-1", "it is in the record: {kept:?}");
    fine(load(&target, &file, &[]));
    assert_eq!(all(new.as_ref(), &taken.lease).await, all(queue.as_ref(), &taken.lease).await, "as it was");
    let actor = target.actor("osis_actor_0", 42).await;
    let taken = take_one(&actor).await;
    let mut end = success(&target, &taken.lease, text("1"));
    let second = line(&target, 1, "second");
    end.output = vec![second.clone()];
    assert!(finish(&actor, end).await);
    let kept = all(new.as_ref(), &taken.lease).await;
    assert_eq!(said(&kept), [(1, 1, &first.item), (2, 1, &second.item)]);
    queue.close().await;
    new.close().await;
}
