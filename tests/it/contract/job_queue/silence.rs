//! When a lease is over: after silence that could have been broken, whatever the clock says; and what is no job at all.

use std::slice::from_ref;
use std::time::Duration;

use hero_supervisor::domain::model::backoff::Backoff;
use hero_supervisor::domain::model::id::ActorId;
use hero_supervisor::domain::model::job::{JobErrorKind, JobSpec, JobState, RetryPolicy};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::{Lease, Work};
use tokio::time::sleep;

use super::queue_contract::{
    Kind, LIMIT, OSIS, QueueContract, Settings, failure, finish, read, spec, submit, success, take_one, text,
    until_state,
};

const LEASE: Duration = Duration::from_secs(3);
const TICK: &str = "hero:{osis}:tick";

async fn bench() -> QueueContract {
    Kind::Redis.bench_with(Settings { lease: LEASE, ..Settings::default() }).await
}

async fn ask<T: redis::FromRedisValue>(bench: &mut QueueContract, words: &[&str]) -> T {
    let mut connection = bench.redis().connection().await;
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
}

/// Redis' clock in milliseconds.
async fn clock(bench: &mut QueueContract) -> i64 {
    let (seconds, micros): (i64, i64) = ask(bench, &["TIME"]).await;
    seconds * 1000 + micros / 1000
}

/// Makes it so as if the clock had run on by this without any round of upkeep or beat: an outage, or a step of the clock.
async fn let_pass(bench: &mut QueueContract, lease: &Lease, millis: i64) {
    let now = clock(bench).await;
    let at: i64 = ask(bench, &["HGET", TICK, "at"]).await;
    ask::<i64>(bench, &["HSET", TICK, "at", &(at - millis).to_string()]).await;
    if let Ok(reset) = ask::<String>(bench, &["HGET", TICK, "reset_at"]).await.parse::<i64>() {
        ask::<i64>(bench, &["HSET", TICK, "reset_at", &(reset - millis).to_string()]).await;
    }
    let (_letter, entry) = lease.token.split_once(':').unwrap();
    let (time, sequence) = entry.split_once('-').unwrap();
    let entry = format!("{}-{}", time.trim_start_matches('0'), sequence.parse::<u64>().unwrap());
    let consumer: Vec<(String, String, i64, i64)> =
        ask(bench, &["XPENDING", "hero:{osis}:q", "g", &entry, &entry, "1"]).await;
    let heard = (now - consumer[0].2 - millis).to_string();
    let (key, holder) = ("hero:{osis}:q", consumer[0].1.as_str());
    let claimed: Vec<String> =
        ask(bench, &["XCLAIM", key, "g", holder, "0", &entry, "TIME", &heard, "JUSTID"]).await;
    assert_eq!(claimed, [entry]);
}

/// Rounds of upkeep as a supervisor makes them, for this long.
async fn look_after(queue: &dyn Queue, time: Duration) {
    let until = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < until {
        queue.maintain().await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_living_actor_loses_nothing_by_an_outage_or_a_step_of_the_clock() {
    for passed in [20_000, 3_600_000, -3_600_000] {
        let mut bench = bench().await;
        let queue = bench.supervisor();
        let actor = bench.actor("osis_actor_0", 41).await;
        let job = submit(&queue, spec("1")).await;
        let taken = take_one(&actor).await;
        queue.maintain().await.unwrap();
        // Watched for long enough that leases may begin anew once more.
        ask::<i64>(&mut bench, &["HSET", TICK, "watched", "100000"]).await;
        let_pass(&mut bench, &taken.lease, passed).await;
        queue.maintain().await.unwrap();
        assert_ne!(read(&queue, &job.id).await.state, JobState::Failed, "{passed}");
        look_after(&*queue, LEASE / 2).await;
        assert_eq!(actor.heartbeat(from_ref(&taken.lease)).await.unwrap(), [], "{passed}");
        assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await, "{passed}");
        assert_eq!(read(&queue, &job.id).await.state, JobState::Succeeded);
        queue.close().await;
    }
}

#[tokio::test]
async fn a_dead_actor_loses_its_jobs_a_lease_after_the_outage() {
    for passed in [20_000, -3_600_000] {
        let mut bench = bench().await;
        let queue = bench.supervisor();
        let actor = bench.actor("osis_actor_0", 41).await;
        let job = submit(&queue, spec("1")).await;
        let taken = take_one(&actor).await;
        queue.maintain().await.unwrap();
        ask::<i64>(&mut bench, &["HSET", TICK, "watched", "100000"]).await;
        let_pass(&mut bench, &taken.lease, passed).await;
        queue.maintain().await.unwrap();
        let begun = tokio::time::Instant::now();
        let failed = until_state(&queue, &job.id, JobState::Failed).await;
        assert_eq!(failed.error.unwrap().kind, JobErrorKind::ActorLost);
        assert!(begun.elapsed() > LEASE * 9 / 10, "{passed}: {:?}", begun.elapsed());
        queue.close().await;
    }
}

/// What the clock before it has dated is not put off by a step back: the delay of a retry, and a queue timeout.
#[tokio::test]
async fn a_step_back_of_the_clock_puts_no_retry_and_no_queue_timeout_off() {
    const STEP: i64 = 3_600_000;
    let mut bench = bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let span = Duration::from_millis(1_500);
    let retry = RetryPolicy { max_attempts: 2, backoff: Backoff::new(span, span).unwrap() };
    let failing = submit(&queue, JobSpec { retry, ..spec("1") }).await;
    let taken = take_one(&actor).await;
    assert!(finish(&actor, failure(&bench, &taken.lease, "no")).await);
    assert_eq!(read(&queue, &failing.id).await.state, JobState::RetryWait);
    let absent = Some(ActorId::parse("absent").unwrap());
    let queue_timeout = Some(span);
    let waiting = submit(&queue, JobSpec { queue_timeout, target_actor: absent, ..spec("1") }).await;
    let scheduled = submit(&queue, JobSpec { run_at: Some(bench.now() + LIMIT * 100), ..spec("1") }).await;
    queue.maintain().await.unwrap();

    // As if all of it had happened by a clock that is an hour ahead.
    for (id, index, field) in [
        (&failing.id, "delayed", "due_at"),
        (&waiting.id, "waits", "wait_until"),
        (&scheduled.id, "delayed", "due_at"),
    ] {
        let record = format!("hero:job:{{osis}}:{id}");
        ask::<i64>(&mut bench, &["HINCRBY", &record, "updated_at", &STEP.to_string()]).await;
        if *id != scheduled.id {
            let due: i64 = ask(&mut bench, &["HINCRBY", &record, field, &STEP.to_string()]).await;
            ask::<i64>(
                &mut bench,
                &["ZADD", &format!("hero:{{osis}}:{index}"), &due.to_string(), id.as_str()],
            )
            .await;
        }
    }
    let ahead = (clock(&mut bench).await + STEP).to_string();
    ask::<i64>(&mut bench, &["HSET", TICK, "at", &ahead]).await;

    let failed = until_state(&queue, &waiting.id, JobState::Failed).await;
    assert_eq!(failed.error.unwrap().kind, JobErrorKind::QueueTimeout);
    until_state(&queue, &failing.id, JobState::Queued).await;
    let again = take_one(&actor).await;
    assert_eq!((&again.lease.job_id, again.attempt), (&failing.id, 2));
    let left = read(&queue, &scheduled.id).await;
    assert_eq!(
        (left.state, left.due_at),
        (JobState::Scheduled, scheduled.due_at),
        "its time is that of its caller"
    );
    queue.close().await;
}

/// A machine so busy that every round comes late must not keep the jobs of the dead for ever.
#[tokio::test]
async fn leases_end_also_when_every_round_comes_late() {
    let mut bench = bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, spec("1")).await;
    let taken = take_one(&actor).await;
    for _round in 0..8 {
        queue.maintain().await.unwrap();
        if read(&queue, &job.id).await.state == JobState::Failed {
            return;
        }
        let_pass(&mut bench, &taken.lease, 2700).await;
    }
    panic!("the lease never ends");
}

#[tokio::test]
async fn an_entry_that_is_no_job_is_taken_out_and_stops_nobody() {
    let mut bench = bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let add: [&[&[u8]]; 7] = [
        &[b"id", b"\xff\xfe", b"attempt", b"1"],
        &[b"id", b"p1", b"attempt", b"1", b"script", b"\xff"],
        &[b"id", b"p2", b"attempt", b"1", b"script", b"1", b"timeout", b"nan"],
        &[b"id", b"p3", b"attempt", b"1", b"script", b"1", b"env_vars", b"{"],
        &[b"id", b"p4", b"attempt", b"1", b"script", b"1", b"kind", b"evil"],
        &[b"id", b"../x", b"attempt", b"1"],
        &[b"what", b"ever"],
    ];
    let mut connection = bench.redis().connection().await;
    for fields in add {
        let mut entry = redis::cmd("XADD");
        entry.arg("hero:{osis}:q").arg("*").arg(fields);
        entry.query_async::<String>(&mut connection).await.unwrap();
    }
    // A record that is none, and one that is not UTF-8.
    ask::<()>(&mut bench, &["SET", "hero:job:{osis}:wrong", "x"]).await;
    ask::<String>(&mut bench, &["XADD", "hero:{osis}:q", "*", "id", "wrong", "attempt", "1"]).await;
    let odd = submit(&queue, spec(&"long ".repeat(2000))).await;
    let mut spoil = redis::cmd("HSET");
    spoil.arg(format!("hero:job:{{osis}}:{}", odd.id)).arg("caller_id").arg(b"\xff");
    spoil.query_async::<i64>(&mut connection).await.unwrap();
    let good = submit(&queue, spec("1")).await;

    let mut taken = Vec::new();
    while !taken.iter().any(|work| matches!(work, Work::Job(job) if job.lease.job_id == good.id)) {
        taken.extend(actor.take(16, LIMIT).await.unwrap());
    }
    for work in taken {
        let Work::Job(job) = work else { continue };
        let accepted = finish(&actor, success(&bench, &job.lease, text("1"))).await;
        assert_eq!(accepted, job.lease.job_id == good.id);
    }
    let pending: PendingSummary = ask(&mut bench, &["XPENDING", "hero:{osis}:q", "g"]).await;
    assert_eq!(pending.0, 0, "nothing stays pending");
    assert_eq!(ask::<u64>(&mut bench, &["XLEN", "hero:{osis}:q"]).await, 0);
    let state = queue.state(OSIS.into()).await.unwrap();
    assert!(state.malformed >= 6, "{state:?}");
    assert_eq!(ask::<u64>(&mut bench, &["XLEN", "hero:{osis}:dlq"]).await, state.malformed);
    assert_eq!(read(&queue, &good.id).await.state, JobState::Succeeded);
    queue.close().await;
}

/// The answer of XPENDING without a range: how many, the first and the last id, how many of each consumer.
type PendingSummary = (u64, Option<String>, Option<String>, Option<Vec<(String, String)>>);

/// The record of one job holds something else: the others of its queue go on.
#[tokio::test]
async fn a_damaged_record_keeps_no_lease_and_no_retry_of_others() {
    let mut bench =
        Kind::Redis.bench_with(Settings { lease: Duration::from_secs(1), ..Settings::default() }).await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let (damaged, other) = (submit(&queue, spec("1")).await, submit(&queue, spec("2")).await);
    let taken = super::queue_contract::take(&actor, 2).await;
    assert_eq!(taken.len(), 2);
    let key = format!("hero:job:{{osis}}:{}", damaged.id);
    ask::<u64>(&mut bench, &["DEL", &key]).await;
    ask::<()>(&mut bench, &["SET", &key, "x"]).await;
    // Its end cannot be written; the one that is sent with it can.
    let ends = taken.iter().map(|job| success(&bench, &job.lease, text("1"))).collect();
    actor.finish(ends).await.unwrap_err();
    assert_eq!(read_other(&queue, &other.id).await, JobState::Succeeded);
    let waits = submit(&queue, spec("3")).await;
    take_one(&actor).await;
    until_state_of(&queue, &waits.id).await;
    assert!(queue.state(OSIS.into()).await.unwrap().damaged > 0);
    queue.close().await;
}

async fn read_other(
    queue: &std::sync::Arc<dyn Queue>,
    id: &hero_supervisor::domain::model::id::JobId,
) -> JobState {
    read(queue, id).await.state
}

async fn until_state_of(queue: &std::sync::Arc<dyn Queue>, id: &hero_supervisor::domain::model::id::JobId) {
    until_state(queue, id, JobState::Failed).await;
}
