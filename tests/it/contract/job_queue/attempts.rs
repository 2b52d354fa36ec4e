//! What became of earlier attempts stays with their job, and whoever follows a job hears of changes.

use std::time::Duration;

use hero_supervisor::domain::model::job::{JobState, JobUsage, MAX_PAST_ATTEMPTS, PastAttempt};
use hero_supervisor::domain::model::output::LogStream;
use hero_supervisor::domain::model::output::{OutputChunk, OutputItem};
use hero_supervisor::ports::job_queue::{Changes, Retried};
use hero_supervisor::ports::work_queue::{AttemptEnd, LeaseOutput};
use tokio::time::timeout;

use super::queue_contract::{
    Kind, LIMIT, OSIS, actor_id, failure, finish, killed, read, spec, submit, submit_wanted, success,
    take_and_start, take_one, text, until_state, with_attempts,
};

pub(super) async fn earlier_attempts_are_remembered(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let (job, completion) = submit_wanted(&queue, with_attempts("boom", 3)).await;
    let before = bench.now() - Duration::from_millis(1);
    let first = take_and_start(&bench, &actor).await;
    let mut end = failure(&bench, &first.lease, &"grüße ".repeat(1000));
    if let Err(error) = &mut end.outcome {
        error.error.line = Some(3);
        error.error.log_tail = vec!["not here".to_owned()];
    }
    assert!(finish(&actor, end).await);
    until_state(&queue, &job.id, JobState::Queued).await;
    take_and_start(&bench, &actor).await;
    assert_eq!(read(&queue, &job.id).await.past_attempts.len(), 1);
    let reclaimed = queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), 41, &killed()).await.unwrap();
    assert_eq!((reclaimed.retried, reclaimed.failed), (1, 0));
    let other = bench.actor("osis_actor_1", 42).await;
    let third = take_and_start(&bench, &other).await;
    let mut end = success(&bench, &third.lease, text("at last"));
    let item = OutputItem::Progress { percent: Some(90.0), message: "nearly".to_owned() };
    end.output = vec![OutputChunk { number: 1, at: bench.now(), item }];
    assert!(finish(&other, end).await);

    let ended = read(&queue, &job.id).await;
    let told = timeout(LIMIT, completion.wait()).await.unwrap().unwrap();
    assert_eq!(ended.progress.as_ref().map(|progress| progress.message.as_str()), Some("nearly"));
    assert_eq!(job.finish(told), ended, "who waits is told the same as who reads");
    assert_eq!((ended.state, ended.attempt, &ended.error), (JobState::Succeeded, 3, &None));
    let [one, two] = &ended.past_attempts[..] else { panic!("{ended:?}") };
    assert_eq!((one.attempt, two.attempt), (1, 2));
    assert_eq!((&one.left, &two.left), (&JobState::RetryWait, &JobState::Queued));
    for past in [one, two] {
        assert_eq!(past.actor_id, Some(actor_id("osis_actor_0")));
        assert!(past.started_at.unwrap() >= before && past.ended_at >= past.started_at.unwrap(), "{past:?}");
    }
    let error = one.error.as_ref().unwrap();
    assert!(error.message.starts_with("grüße grüße") && error.message.len() <= 2048, "{error:?}");
    assert_eq!((error.line, error.log_tail.len()), (Some(3), 0));
    assert_eq!(two.error.as_ref().map(|error| error.message.as_str()), Some("the actor was killed"));
    queue.close().await;
}

pub(super) async fn what_an_attempt_has_used_is_told_with_its_end(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let used = |micros, peak_memory| Some(JobUsage { cpu: Duration::from_micros(micros), peak_memory });
    let (job, completion) = submit_wanted(&queue, with_attempts("boom", 2)).await;
    let first = take_one(&actor).await;
    let end = failure(&bench, &first.lease, "boom");
    assert!(finish(&actor, AttemptEnd { usage: used(300_001, Some(50 << 20)), ..end }).await);
    let waits = until_state(&queue, &job.id, JobState::Queued).await;
    assert_eq!((waits.usage, waits.past_attempts[0].usage), (None, used(300_001, Some(50 << 20))));
    let second = take_one(&actor).await;
    let end = failure(&bench, &second.lease, "boom");
    assert!(finish(&actor, AttemptEnd { usage: used(7, None), ..end }).await);
    let told = timeout(LIMIT, completion.wait()).await.unwrap().unwrap();
    assert_eq!((told.usage, read(&queue, &job.id).await.usage), (used(7, None), used(7, None)));
    let Retried::Queued(again) = queue.retry(&job.id, false, None).await.unwrap() else {
        panic!("not retried")
    };
    assert_eq!((again.usage, again.past_attempts[1].usage), (None, used(7, None)));
    let third = take_one(&actor).await;
    assert!(finish(&actor, success(&bench, &third.lease, text("1"))).await);
    assert_eq!(read(&queue, &job.id).await.usage, None, "it is not known of the last attempt");

    let large = text(&"x".repeat(100_000));
    for result in [text("1"), large] {
        let (job, completion) = submit_wanted(&queue, spec("1")).await;
        let taken = take_one(&actor).await;
        let end = success(&bench, &taken.lease, result);
        assert!(finish(&actor, AttemptEnd { usage: used(0, Some(0)), ..end }).await);
        let told = timeout(LIMIT, completion.wait()).await.unwrap().unwrap();
        assert_eq!(told.usage, used(0, Some(0)));
        assert_eq!(job.finish(told), read(&queue, &taken.lease.job_id).await);
    }
    queue.close().await;
}

pub(super) async fn only_the_last_attempts_are_remembered_and_one_more_try_adds_to_them(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, with_attempts("boom", 13)).await;
    for attempt in 1..=13 {
        until_state(&queue, &job.id, JobState::Queued).await;
        let taken = take_one(&actor).await;
        assert!(finish(&actor, failure(&bench, &taken.lease, &format!("boom {attempt}"))).await);
    }
    let numbers = |past: &[PastAttempt]| past.iter().map(|past| past.attempt).collect::<Vec<_>>();
    let failed = until_state(&queue, &job.id, JobState::Failed).await;
    assert_eq!(failed.past_attempts.len(), MAX_PAST_ATTEMPTS);
    assert_eq!(numbers(&failed.past_attempts), (3..=12).collect::<Vec<_>>());
    let Retried::Queued(again) = queue.retry(&job.id, false, None).await.unwrap() else {
        panic!("not retried")
    };
    assert_eq!(numbers(&again.past_attempts), (4..=13).collect::<Vec<_>>());
    let last = again.past_attempts.last().unwrap();
    assert_eq!((last.left, last.error.as_ref().unwrap().message.as_str()), (JobState::Failed, "boom 13"));

    queue.cancel(&job.id, "enough").await.unwrap();
    let Retried::Queued(again) = queue.retry(&job.id, false, None).await.unwrap() else {
        panic!("not retried")
    };
    assert_eq!(numbers(&again.past_attempts), (4..=13).collect::<Vec<_>>(), "no attempt is told twice");
    queue.cancel(&job.id, "enough").await.unwrap();
    let Retried::Queued(anew) = queue.retry(&job.id, true, None).await.unwrap() else {
        panic!("not retried")
    };
    assert_eq!((anew.attempt, anew.past_attempts), (0, vec![]));
    queue.close().await;
}

pub(super) async fn a_job_cancelled_between_two_attempts_has_one_past_attempt(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let (job, completion) = submit_wanted(&queue, with_attempts("boom", 3)).await;
    let taken = take_one(&actor).await;
    assert!(finish(&actor, failure(&bench, &taken.lease, "boom")).await);
    assert_eq!(read(&queue, &job.id).await.state, JobState::RetryWait);
    queue.cancel(&job.id, "enough").await.unwrap();
    let told = timeout(LIMIT, completion.wait()).await.unwrap().unwrap();
    let ended = read(&queue, &job.id).await;
    let one = |past: &[PastAttempt]| {
        past.iter().map(|past| (past.attempt, past.left)).collect::<Vec<_>>() == [(1, JobState::RetryWait)]
    };
    assert!(one(&ended.past_attempts), "{ended:?}");
    assert_eq!(job.finish(told).past_attempts, ended.past_attempts, "who waits is told the same");
    let Retried::Queued(again) = queue.retry(&ended.id, false, None).await.unwrap() else {
        panic!("not retried")
    };
    assert!(one(&again.past_attempts), "{again:?}");
    queue.close().await;
}

pub(super) async fn what_is_remembered_of_an_error_is_all_but_its_last_words(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, with_attempts("boom", 2)).await;
    let taken = take_one(&actor).await;
    let mut end = failure(&bench, &taken.lease, "killed");
    if let Err(failed) = &mut end.outcome {
        failed.error.signal = Some(9);
        failed.error.exit_code = Some(3);
        failed.error.column = Some(7);
        failed.error.log_tail = vec!["last words ".repeat(100); 4];
    }
    assert!(finish(&actor, end).await);
    let past = until_state(&queue, &job.id, JobState::Queued).await.past_attempts;
    let error = past[0].error.as_ref().unwrap();
    assert_eq!((error.message.as_str(), error.log_tail.len()), ("killed", 0));
    assert_eq!((error.signal, error.exit_code, error.column), (Some(9), Some(3), Some(7)));
    queue.close().await;
}

pub(super) async fn hear(changes: &mut Changes, what: &str) {
    timeout(LIMIT, changes.heard()).await.unwrap_or_else(|_elapsed| panic!("no hint at {what}"));
}

pub(super) async fn changes_of_a_job_are_hinted_at(kind: Kind) {
    let bench = kind.bench().await;
    let (queue, other) = (bench.supervisor(), bench.supervisor());
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, with_attempts("boom", 2)).await;
    let mut changes = [queue.changes(&job.id), other.changes(&job.id)];
    if kind == Kind::Redis {
        // That it listens now is the first hint.
        for changes in &mut changes {
            hear(changes, "the beginning").await;
        }
    }
    let taken = take_and_start(&bench, &actor).await;
    for changes in &mut changes {
        hear(changes, "the start").await;
    }
    let item = OutputItem::Line { stream: LogStream::Stdout, text: "hello".to_owned() };
    let chunks = vec![OutputChunk { number: 1, at: bench.now(), item }];
    actor.report_output(&[LeaseOutput { lease: taken.lease.clone(), chunks }]).await.unwrap();
    for changes in &mut changes {
        hear(changes, "a line").await;
    }
    assert!(finish(&actor, failure(&bench, &taken.lease, "boom")).await);
    for changes in &mut changes {
        hear(changes, "a failed attempt").await;
    }
    until_state(&queue, &job.id, JobState::Queued).await;
    for changes in &mut changes {
        hear(changes, "the next attempt").await;
    }
    queue.close().await;
    other.close().await;
}
