//! Submit, take, finish, await.

use std::time::Duration;

use hero_supervisor::ScriptType;
use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{
    JobResult, JobSpec, JobState, JobView, Outcome, Priority, ResultKind,
};

use super::queue_contract::{
    Kind, LIMIT, OSIS, finish, offer, read, scripts, spec, submission, submit, submit_wanted, success, take,
    take_and_start, take_nothing, take_one, text,
};

pub(super) async fn a_job_is_submitted_taken_finished_and_awaited(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;

    let (job, completion) = submit_wanted(&queue, spec("40 + 2")).await;
    assert_eq!((job.state, job.attempt), (JobState::Queued, 0));
    assert_eq!(job.spec.script, "");
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().queued, 1);

    let taken = take_one(&actor).await;
    assert_eq!((&taken.lease.job_id, taken.attempt), (&job.id, 1));
    assert_eq!(taken.spec, spec("40 + 2"));
    assert_eq!(queue.depth(OSIS.into()).await.unwrap().running, 1);

    assert!(finish(&actor, success(&bench, &taken.lease, text("42"))).await);
    let end = completion.wait().await.unwrap();
    assert_eq!(end.outcome, Outcome::Succeeded(text("42")));
    assert_eq!((end.attempt, end.actor_id.as_ref().map(|id| id.as_str())), (1, Some("osis_actor_0")));

    let ended = read(&queue, &job.id).await;
    assert_eq!((ended.state, ended.result.as_ref()), (JobState::Succeeded, Some(&text("42"))));
    assert_eq!(ended, job.finish(end));
    assert_eq!(queue.depth(OSIS.into()).await.unwrap(), Default::default());
    queue.close().await;
    actor.close().await;
}

pub(super) async fn results_come_back_as_they_were(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let results = [
        JobResult::default(),
        JobResult { text: "printed".to_owned(), kind: ResultKind::None },
        text(""),
        text("line one\nline two\0 \u{1F980} \r\n"),
        JobResult { text: "{\"a\":[1,null]}".to_owned(), kind: ResultKind::Json },
        text(&"x".repeat(16 * 1024)),
        text(&"é".repeat(16 * 1024)),
        text(&"x".repeat(1024 * 1024)),
    ];
    for result in results {
        let (job, completion) = submit_wanted(&queue, spec("1")).await;
        let taken = take_one(&actor).await;
        assert!(finish(&actor, success(&bench, &taken.lease, result.clone())).await);
        let end = completion.wait().await.unwrap();
        assert_eq!(end.outcome, Outcome::Succeeded(result.clone()));
        assert_eq!(read(&queue, &job.id).await.result, Some(result));
    }
    queue.close().await;
}

pub(super) async fn scripts_arrive_as_they_were_whatever_their_size(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let long = |bytes: usize| format!("\"{}\"", "c".repeat(bytes - 2));
    for (script, input) in [
        ("40 + 2", None),
        ("let s = \"\u{1F980}\0\";\r\n", Some("{\"a\": [\"\u{1F980}\", 1e3 ]}\r\n".to_owned())),
        ("1", Some(String::new())),
        (&"a".repeat(4096), Some(long(4096))),
        ("2", Some(long(4097))),
        (&"b".repeat(1024 * 1024), Some(long(1024 * 1024))),
    ] {
        let mut sent = spec(script);
        sent.input = input;
        sent.priority = Priority::LAST;
        sent.retry_of = Some(JobId::parse("earlier-1").unwrap());
        sent.env.insert("KEY".to_owned(), "va lue\n".to_owned());
        sent.labels.insert("team".to_owned(), "blue".to_owned());
        sent.run_timeout = Duration::from_millis(1500);
        sent.result_ttl = Duration::from_secs(60);
        let job = submit(&queue, sent.clone()).await;
        let taken = take_one(&actor).await;
        assert!(taken.spec == sent, "{:?}", JobSpec { script: String::new(), input: None, ..taken.spec });
        let stored = queue.get(&job.id, JobView::Full).await.unwrap().unwrap();
        assert!(stored.spec == sent, "{:?}", JobSpec { script: String::new(), input: None, ..stored.spec });
        assert!(finish(&actor, success(&bench, &taken.lease, text(""))).await);
    }
    queue.close().await;
}

pub(super) async fn jobs_are_taken_in_the_order_of_submission(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let batch = (0..100).map(|n| submission(spec(&format!("batch {n}")))).collect();
    assert!(queue.submit(batch).await.unwrap().iter().all(Result::is_ok));
    for n in 0..20 {
        submit(&queue, spec(&format!("single {n}"))).await;
    }
    let taken = take(&actor, 120).await;
    let expected: Vec<String> =
        (0..100).map(|n| format!("batch {n}")).chain((0..20).map(|n| format!("single {n}"))).collect();
    assert_eq!(scripts(&taken), expected);
    assert!(taken.is_sorted_by_key(|job| job.lease.clone()), "leases order as the queue does");
    queue.close().await;
}

pub(super) async fn a_batch_is_answered_in_its_order(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let types = [ScriptType::Python, OSIS, ScriptType::V, ScriptType::SAL];
    let batch: Vec<_> =
        (0..40).map(|n| submission(JobSpec { script_type: types[n % 4], ..spec(&n.to_string()) })).collect();
    let ids: Vec<_> = batch.iter().map(|submission| submission.id.clone()).collect();
    let answers = queue.submit(batch).await.unwrap();
    let answered: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().job.id).collect();
    assert_eq!(answered, ids);
    for script_type in ScriptType::ALL {
        assert_eq!(queue.depth(script_type.into()).await.unwrap().queued, 10);
    }
    assert_eq!(queue.submit(Vec::new()).await.unwrap().len(), 0);
    queue.close().await;
}

pub(super) async fn a_started_job_is_seen_running(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let actor = bench.actor("osis_actor_0", 41).await;
    let job = submit(&queue, spec("1")).await;
    let taken = take_and_start(&bench, &actor).await;
    let running = read(&queue, &job.id).await;
    assert_eq!((running.state, running.attempt), (JobState::Running, 1));
    assert_eq!(running.actor_id.as_ref().map(|id| id.as_str()), Some("osis_actor_0"));
    assert!(running.started_at.is_some() && running.finished_at.is_none());
    assert!(finish(&actor, success(&bench, &taken.lease, text(""))).await);
    assert!(!finish(&actor, success(&bench, &taken.lease, text("again"))).await, "an attempt ends once");
    assert_eq!(actor.start(&[(taken.lease.clone(), bench.now())]).await.unwrap(), [taken.lease]);
    assert_eq!(read(&queue, &job.id).await.result, Some(text("")));
    queue.close().await;
}

pub(super) async fn released_jobs_are_taken_again_first_and_in_order(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let one = bench.actor("osis_actor_0", 41).await;
    let two = bench.actor("osis_actor_1", 42).await;
    for n in 0..12 {
        submit(&queue, spec(&n.to_string())).await;
    }
    let leases = |jobs: &[hero_supervisor::ports::work_queue::TakenJob]| {
        jobs.iter().map(|job| job.lease.clone()).collect::<Vec<_>>()
    };
    // 0 to 3 are with one, 4 to 7 with two; each gives back all but the first, the later ones first.
    let first = take(&one, 4).await;
    let second = take(&two, 4).await;
    two.release(&leases(&second[1..])).await.unwrap();
    one.release(&leases(&first[1..])).await.unwrap();
    assert!(
        !finish(&one, success(&bench, &first[1].lease, text("late"))).await,
        "what was given back is void"
    );
    let third = take(&one, 4).await;
    assert_eq!(scripts(&third), ["1", "2", "3", "5"]);
    assert!(third.iter().all(|job| job.attempt == 1), "what was given back was not started");
    one.release(&leases(&third[1..])).await.unwrap();
    assert_eq!(scripts(&take(&two, 9).await), ["2", "3", "5", "6", "7", "8", "9", "10", "11"]);
    take_nothing(&one).await;
    queue.close().await;
}

pub(super) async fn many_callers_and_actors_lose_and_double_nothing(kind: Kind) {
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..3 {
        let actor = bench.actor(&format!("osis_actor_{index}"), 50 + index).await;
        let now = bench.now();
        tasks.spawn(async move {
            loop {
                let work = actor.take(8, LIMIT).await.unwrap();
                let mut ends = Vec::new();
                for work in work {
                    let hero_supervisor::ports::work_queue::Work::Job(job) = work else { return };
                    let result = text(&job.spec.script);
                    let lease = job.lease;
                    ends.push(hero_supervisor::ports::work_queue::AttemptEnd {
                        lease,
                        started_at: now,
                        outcome: Ok(result),
                        usage: None,
                        output: Vec::new(),
                    });
                }
                assert!(actor.finish(ends).await.unwrap().into_iter().all(|accepted| accepted));
            }
        });
    }
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..20 {
        let queue = queue.clone();
        callers.spawn(async move {
            for n in 0..15 {
                let script = format!("{caller} {n}");
                let (_job, completion) = submit_wanted(&queue, spec(&script)).await;
                let end = tokio::time::timeout(LIMIT, completion.wait()).await.unwrap().unwrap();
                assert_eq!(end.outcome, Outcome::Succeeded(text(&script)));
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    assert_eq!(queue.depth(OSIS.into()).await.unwrap(), Default::default());
    queue.close().await;
}

pub(super) async fn jobs_can_be_awaited_read_and_cancelled_by_another_supervisor(kind: Kind) {
    let bench = kind.bench().await;
    let (one, two) = (bench.supervisor(), bench.supervisor());
    let actor = bench.actor("osis_actor_0", 41).await;
    let (job, mine) = submit_wanted(&one, spec("1")).await;
    let attached = two.attach(&job.id).await.unwrap().unwrap();
    assert_eq!(attached.job, job);
    let theirs = attached.completion.unwrap();
    assert_eq!(read(&two, &job.id).await, job);
    let taken = take_one(&actor).await;
    assert!(finish(&actor, success(&bench, &taken.lease, text("1"))).await);
    let end = mine.wait().await.unwrap();
    assert_eq!(theirs.wait().await.as_ref(), Some(&end));
    let late = two.attach(&job.id).await.unwrap().unwrap();
    assert_eq!((late.job, late.completion.is_none()), (job.finish(end), true));

    let (job, completion) = submit_wanted(&one, spec("2")).await;
    assert!(two.cancel(&job.id, "not needed").await.unwrap().unwrap().changed);
    assert_eq!(completion.wait().await.unwrap().outcome, Outcome::Cancelled("not needed".to_owned()));
    let unknown = offer(&one, submission(spec("3"))).await.unwrap().job.id;
    assert!(two.cancel(&unknown, "").await.unwrap().is_some());
    assert!(two.attach(&hero_supervisor::domain::model::id::JobId::mint()).await.unwrap().is_none());
    one.close().await;
    two.close().await;
}

pub(super) async fn closing_breaks_completions_and_not_jobs(kind: Kind) {
    if kind == Kind::Memory {
        return; // its views share one table, which nobody can close
    }
    let bench = kind.bench().await;
    let queue = bench.supervisor();
    let (job, completion) = submit_wanted(&queue, spec("1")).await;
    queue.close().await;
    assert_eq!(completion.wait().await, None);
    assert_eq!(read(&bench.supervisor(), &job.id).await.state, JobState::Queued);
}
