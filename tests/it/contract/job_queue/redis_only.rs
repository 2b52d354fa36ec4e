//! What only a real Redis does to a queue: replies, rights, foreign keys, dead letters.

use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::adapters::redis::{RedisConfig, RedisWorkQueue};
use hero_supervisor::domain::model::id::{JobId, RequestId};
use hero_supervisor::domain::model::job::{JobState, JobView, Outcome};
use hero_supervisor::domain::model::output::{LogStream, OutputChunk, OutputItem, OutputMark};
use hero_supervisor::ports::job_submission::{RequestKey, Submission};
use hero_supervisor::ports::store_fault::StoreFault;
use hero_supervisor::ports::work_queue::{LeaseOutput, WorkQueue};
use tokio::time::{Instant, sleep, timeout};

use super::queue_contract::{
    Kind, LIMIT, OSIS, QueueContract, Settings, actor_id, failure, finish, offer, read, spec, submission,
    submit, submit_wanted, success, take_and_start, take_one, text, until_state, with_attempts,
};
use super::redis_outages::complete;

pub(super) async fn command(bench: &mut QueueContract, words: &[&str]) -> redis::Value {
    let mut connection = bench.redis().connection().await;
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
}

async fn keys(bench: &mut QueueContract, pattern: &str) -> Vec<String> {
    redis::from_redis_value(command(bench, &["KEYS", pattern]).await).unwrap()
}

#[tokio::test]
async fn an_end_is_heard_of_even_if_the_reply_stream_is_removed() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    for _round in 0..2 {
        let (_job, completion) = submit_wanted(&queue, spec("1")).await;
        let taken = take_one(&actor).await;
        for key in keys(&mut bench, "hero:{osis}:rep:*").await {
            command(&mut bench, &["DEL", &key]).await;
        }
        assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
        let end = timeout(LIMIT, completion.wait()).await.expect("the sweep finds it").unwrap();
        assert_eq!(end.outcome, Outcome::Succeeded(text("1")));
    }
    let deadline = Instant::now() + LIMIT;
    while keys(&mut bench, "hero:{osis}:rep:*").await.is_empty() {
        assert!(Instant::now() < deadline, "the reply stream is not made again");
        sleep(Duration::from_millis(50)).await;
    }
    queue.close().await;
}

/// Who waits by a request that is known learns the id of the job from the same answer that says that it has not ended.
#[tokio::test]
async fn who_waits_by_a_known_request_is_told_of_the_end_at_once_however_near_it_is() {
    /// Much more than a round trip, and less than what a sweep takes.
    const AT_ONCE: Duration = Duration::from_millis(300);
    let bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    for round in 0..150 {
        let key = RequestKey {
            id: RequestId::parse(&format!("r{round}")).unwrap(),
            fingerprint: "f".to_owned(),
            owner: None,
        };
        let first = Submission { request: Some(key.clone()), ..submission(spec("1")) };
        offer(&queue, first).await.unwrap();
        let taken = take_one(&actor).await;
        let again = Submission { request: Some(key), wanted: true, ..submission(spec("1")) };
        let end = success(&bench, &taken.lease, text("1"));
        let (again, finished) = tokio::join!(offer(&queue, again), finish(&actor, end));
        assert!(finished);
        let again = again.unwrap();
        assert!(again.deduplicated);
        if let Some(completion) = again.completion {
            let end = timeout(AT_ONCE, completion.wait()).await;
            let end = end.unwrap_or_else(|_late| panic!("round {round}: the end is told late")).unwrap();
            assert_eq!(end.outcome, Outcome::Succeeded(text("1")));
        }
    }
    queue.close().await;
}

/// A Zinit that was killed twice in a moment leaves such processes behind, and which of them announces itself last is chance.
#[tokio::test]
async fn a_process_that_was_left_over_does_not_take_the_place_of_a_younger_one() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let url = bench.redis().url();
    let process = |pid: u32, started: u64| {
        let config = RedisConfig { url: url.clone(), ..RedisConfig::default() };
        let queue = RedisWorkQueue::new(config, OSIS.into(), actor_id("osis_actor_0"), pid).unwrap();
        queue.of_type(OSIS).started(Some(Duration::from_millis(started)))
    };
    let announced = async || {
        let presences = queue.presences(OSIS.into()).await.unwrap();
        presences.first().map(|presence| (presence.pid, presence.draining))
    };
    let (oldest, older, young) = (process(41, 1000), process(42, 2000), process(43, 2010));
    older.announce(false).await.unwrap();
    young.announce(false).await.unwrap();
    assert_eq!(announced().await, Some((43, false)), "the successor takes the place");
    for left in [&older, &oldest] {
        left.announce(false).await.unwrap();
        left.announce(true).await.unwrap();
        assert_eq!(announced().await, Some((43, false)));
        left.close().await;
        assert_eq!(announced().await, Some((43, false)), "what is left over takes nothing with it");
    }

    // One that drains makes room for whoever goes on, older or not.
    young.announce(true).await.unwrap();
    assert_eq!(announced().await, Some((43, true)));
    older.announce(false).await.unwrap();
    assert_eq!(announced().await, Some((42, false)));
    // Older versions and actors in other languages do not tell their start: the last one is believed.
    let untold = bench.actor("osis_actor_0", 44).await;
    assert_eq!(announced().await, Some((44, false)));
    older.announce(false).await.unwrap();
    assert_eq!(announced().await, Some((42, false)));
    untold.close().await;
    queue.close().await;
}

/// Its user has all that an actor needs but the right to publish.
#[tokio::test]
async fn an_actor_that_may_not_publish_ends_its_attempts_all_the_same() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let job = submit(&queue, with_attempts("boom", 2)).await;
    let user = ["ACL", "SETUSER", "mute", "on", ">secret"];
    let rights = ["~hero:*", "+@read", "+@write", "+@connection", "+fcall", "+time"];
    command(&mut bench, &[&user[..], &rights[..]].concat()).await;
    let url = format!("{}?user=mute&pass=secret", bench.redis().url());
    let config = RedisConfig { url, ..RedisConfig::default() };
    let actor: Arc<dyn WorkQueue> =
        Arc::new(RedisWorkQueue::new(config, OSIS.into(), actor_id("osis_actor_0"), 41).unwrap());
    actor.announce(false).await.unwrap();
    let taken = take_and_start(&bench, &actor).await;
    assert!(finish(&actor, failure(&bench, &taken.lease, "boom")).await);
    let seen = read(&queue, &job.id).await;
    assert_eq!((seen.state, seen.past_attempts.len()), (JobState::RetryWait, 1));
    until_state(&queue, &job.id, JobState::Queued).await;
    let taken = take_and_start(&bench, &actor).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    assert_eq!(read(&queue, &job.id).await.state, JobState::Succeeded);
    queue.close().await;
}

/// What an actor of another language writes is held to the limits of the protocol, and ends its job whatever it is.
#[tokio::test]
async fn what_an_actor_says_beyond_the_limits_is_cut_and_costs_no_job_its_end() {
    const LINE_BYTES: usize = 64 * 1024;
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;

    let talkative = submit(&queue, spec("1")).await;
    let taken = take_one(&actor).await;
    let (at, long) = (bench.now(), "ä".repeat(LINE_BYTES));
    let said = [
        OutputItem::Line { stream: LogStream::Stdout, text: long.clone() },
        OutputItem::Progress { percent: Some(f64::NAN), message: "going on".to_owned() },
        OutputItem::Progress { percent: Some(f64::NEG_INFINITY), message: long },
    ];
    let chunk = |(number, item)| OutputChunk { number, at, item };
    let chunks = (1..).zip(said).map(chunk).collect();
    let void = actor.report_output(&[LeaseOutput { lease: taken.lease.clone(), chunks }]).await.unwrap();
    assert_eq!(void, []);
    let kept = queue.output(OSIS.into(), &talkative.id, &OutputMark::default(), 100).await.unwrap();
    let percents = kept.iter().filter_map(|kept| match kept.chunk.item {
        OutputItem::Progress { percent, .. } => Some(percent),
        OutputItem::Line { .. } => None,
    });
    assert_eq!(percents.collect::<Vec<_>>(), [None, None]);
    let lengths: Vec<usize> = kept.iter().map(|kept| kept.chunk.item.len()).collect();
    assert_eq!(lengths, [LINE_BYTES, "going on".len(), LINE_BYTES]);
    let progress = read(&queue, &talkative.id).await.progress.unwrap();
    assert_eq!((progress.percent, progress.message.len()), (None, LINE_BYTES));
    assert!(finish(&actor, failure(&bench, &taken.lease, &"e".repeat(600 * 1024))).await);
    let ended = until_state(&queue, &talkative.id, JobState::Failed).await;
    assert_eq!(ended.error.map(|error| error.message.len()), Some(2048));

    let deaf = submit(&queue, spec("2")).await;
    let taken = take_and_start(&bench, &actor).await;
    command(&mut bench, &["SET", &format!("hero:{{osis}}:log:{}", deaf.id), "x"]).await;
    let mut end = success(&bench, &taken.lease, text("2"));
    let item = OutputItem::Line { stream: LogStream::Stdout, text: "last words".to_owned() };
    end.output = vec![OutputChunk { number: 1, at: bench.now(), item }];
    assert!(finish(&actor, end).await);
    let ended = until_state(&queue, &deaf.id, JobState::Succeeded).await;
    assert_eq!(ended.result, Some(text("2")));
    queue.close().await;
}

/// A supervisor of an older version looks for output in streams alone. It shows itself by how it opens its replies.
#[tokio::test]
async fn output_stays_out_of_records_while_an_older_supervisor_is_there() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let opens = ["FCALL", "hero_open_replies", "1", "hero:{osis}:q", "other", "60000", "0"];
    command(&mut bench, &opens).await;
    for (is_older_there, length, has_stream) in [(false, 10, 0), (false, 2000, 1), (true, 10, 1)] {
        if is_older_there {
            command(&mut bench, &opens[..6]).await;
        }
        let job = submit(&queue, spec("1")).await;
        let taken = take_one(&actor).await;
        let mut end = success(&bench, &taken.lease, text("1"));
        let item = OutputItem::Line { stream: LogStream::Stdout, text: "x".repeat(length) };
        end.output = vec![OutputChunk { number: 1, at: bench.now(), item }];
        assert!(finish(&actor, end).await);
        let stream = format!("hero:{{osis}}:log:{}", job.id);
        assert_eq!(
            command(&mut bench, &["EXISTS", &stream]).await,
            redis::Value::Int(has_stream),
            "{length}"
        );
        let kept = queue.output(OSIS.into(), &job.id, &OutputMark::default(), 100).await.unwrap();
        assert_eq!(kept.iter().map(|kept| kept.chunk.item.len()).collect::<Vec<_>>(), [length]);
    }
    queue.close().await;
}

#[tokio::test]
async fn a_foreign_record_is_an_error_that_names_it() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    command(&mut bench, &["HSET", "hero:job:{sal}:theirs", "id", "theirs", "status", "dispatched"]).await;
    let error = queue.get(&JobId::parse("theirs").unwrap(), JobView::Full).await.unwrap_err();
    let StoreFault::Corrupt { what, .. } = error.fault() else { panic!("{error:?}") };
    assert!(what.contains("hero:job:{sal}:theirs"), "{what}");

    // An entry that somebody else put into the queue stops nobody.
    let actor = bench.actor("osis_actor_0", 41).await;
    command(&mut bench, &["XADD", "hero:{osis}:q", "*", "what", "ever"]).await;
    command(&mut bench, &["XADD", "hero:{osis}:q", "*", "id", "unknown"]).await;
    let job = submit(&queue, spec("1")).await;
    assert_eq!(take_one(&actor).await.lease.job_id, job.id);
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().running, 1, "the others are gone");
    queue.close().await;
}

#[tokio::test]
async fn a_dead_supervisor_leaves_no_reply_stream_that_grows() {
    let mut bench = Kind::Redis.bench().await;
    let dead = bench.supervisor();
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let (job, _completion) = submit_wanted(&dead, spec("1")).await;
    dead.close().await;
    for key in keys(&mut bench, "hero:{osis}:rep:*").await {
        command(&mut bench, &["DEL", &key]).await;
    }
    let taken = take_one(&actor).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    assert_eq!(keys(&mut bench, "hero:{osis}:rep:*").await, Vec::<String>::new());
    assert_eq!(read(&queue, &job.id).await.state, JobState::Succeeded);
    queue.close().await;
}

#[tokio::test]
async fn ten_thousand_can_wait_and_all_are_told() {
    let settings = Settings { queue_limit: 20_000, finished_limit: 20_000, ..Settings::default() };
    let bench = Kind::Redis.bench_with(settings).await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let mut waiting = Vec::new();
    for _batch in 0..10 {
        let batch = (0..1000).map(|_| Submission { wanted: true, ..submission(spec("1")) }).collect();
        for answer in queue.submit(batch).await.unwrap() {
            waiting.push(answer.unwrap().completion.unwrap());
        }
    }
    let mut left = waiting.len();
    while left > 0 {
        let work = actor.take(256, LIMIT).await.unwrap();
        left -= work.len();
        assert!(complete(&*actor, work, bench.now()).await.is_empty());
    }
    for completion in waiting {
        assert!(timeout(LIMIT, completion.wait()).await.unwrap().is_some());
    }
    queue.close().await;
}

#[tokio::test]
async fn a_dead_letter_is_written_when_attempts_run_out() {
    let mut bench = Kind::Redis.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, super::queue_contract::with_attempts("1", 2)).await;
    for _attempt in 0..2 {
        until_state(&queue, &job.id, JobState::Queued).await;
        let taken = take_one(&actor).await;
        assert!(finish(&actor, super::queue_contract::failure(&bench, &taken.lease, "no")).await);
    }
    assert_eq!(command(&mut bench, &["XLEN", "hero:{osis}:dlq"]).await, redis::Value::Int(1));
    assert_eq!(read(&queue, &job.id).await.state, JobState::Failed);
    queue.close().await;
}
