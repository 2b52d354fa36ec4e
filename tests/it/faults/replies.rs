//! Answers of Redis that are lost on the way: what was done is never called undone.

use std::time::Duration;

use hero_supervisor::proto as pb;
use tokio::task::JoinSet;
use tonic::{Code, Request};

use super::between::Between;
use crate::support::full_service::{Client, JOBS, client, osis, span, told, until_serves};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;

struct Stage {
    redis: PrivateRedis,
    between: Between,
    service: Service,
    client: Client,
}

async fn stage() -> Stage {
    let redis = PrivateRedis::start().await;
    let between = Between::start(&redis);
    let service = Service::serve(&["--redis-url", &between.url(), "--process-manager", "local"]).await;
    let client = client(&service);
    until_serves(&service, &[(JOBS, true)]).await;
    Stage { redis, between, service, client }
}

impl Stage {
    async fn jobs(&self) -> usize {
        let mut redis = self.redis.connection().await;
        redis::cmd("ZCARD").arg("hero:{osis}:jobs").query_async(&mut redis).await.unwrap()
    }

    /// The state of a job as Redis has it.
    async fn status(&self, id: &str) -> String {
        let mut redis = self.redis.connection().await;
        redis::cmd("HGET")
            .arg(format!("hero:job:{{osis}}:{id}"))
            .arg("status")
            .query_async(&mut redis)
            .await
            .unwrap()
    }

    /// Waits until one more job is in Redis than before.
    async fn until_made(&self, before: usize) {
        eventually("the job is in Redis", LIMIT, || async { (self.jobs().await > before).then_some(()) })
            .await;
    }

    async fn whole_again(&self) {
        self.between.renew();
        until_serves(&self.service, &[(JOBS, true)]).await;
    }

    /// The job as it is kept. A connection that was cut may be noticed only by the next call on it.
    async fn job(&self, id: &str) -> pb::Job {
        eventually("the job is read", LIMIT, || async {
            let request = pb::GetJobRequest { job_id: id.to_owned(), view: 0 };
            match self.client.clone().get_job(request).await {
                Ok(answer) => Some(answer.into_inner().job.unwrap()),
                Err(status) if status.code() == Code::Unavailable => None,
                Err(status) => panic!("{id}: {status:?}"),
            }
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_whose_answer_is_lost_is_found_again_whatever_its_times_are() {
    let stage = stage().await;
    let odd = Duration::from_micros(60_000_500);
    let policy = pb::RetryPolicy {
        max_attempts: Some(3),
        initial_backoff: span(Duration::from_micros(200_500)),
        max_backoff: span(odd),
    };
    let specs = [
        pb::JobSpec { run_timeout: span(odd), ..osis("1") },
        pb::JobSpec { result_ttl: span(odd), ..osis("1") },
        pb::JobSpec { queue_timeout: span(odd), ..osis("1") },
        pb::JobSpec { retry_policy: Some(policy), ..osis("1") },
        osis("1"),
    ];
    for (round, spec) in specs.into_iter().enumerate() {
        let before = stage.jobs().await;
        stage.between.mute();
        // The last one is asked for by its request id; that it was there is not told, since it was this very call.
        let request_id = if round == 4 { "r".to_owned() } else { String::new() };
        let submit = pb::SubmitJobRequest { job: Some(spec.clone()), request_id, ..Default::default() };
        let mut request = Request::new(submit);
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        request.metadata_mut().insert("traceparent", trace.parse().unwrap());
        let mut caller = stage.client.clone();
        let mut answer = JoinSet::new();
        answer.spawn(async move { caller.submit_job(request).await });
        stage.until_made(before).await;
        stage.between.renew();
        let answer = answer.join_next().await.unwrap().unwrap();
        let accepted = answer.unwrap_or_else(|status| panic!("{spec:?}: {status:?}")).into_inner();
        assert!(!accepted.deduplicated, "{spec:?}");
        let accepted = accepted.job.unwrap();
        assert_eq!(stage.jobs().await, before + 1);
        stage.whole_again().await;
        let kept = stage.job(&accepted.job_id).await;
        assert_eq!(kept.spec, accepted.spec, "what was told is what is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_know_whether_a_job_was_accepted_is_told_so_with_its_id() {
    let stage = stage().await;
    let submit = || pb::SubmitJobRequest { job: Some(osis("1")), ..Default::default() };
    let mut client = stage.client.clone();

    stage.between.mute();
    let told_of = told(&client.submit_job(submit()).await.unwrap_err());
    assert_eq!(told_of.why(), (Code::DeadlineExceeded, "TIMED_OUT"), "{told_of:?}");
    stage.whole_again().await;
    stage.job(&told_of.metadata["job_id"]).await;

    // The first who waits asks Redis for more than the job.
    let wait = pb::AwaitJobRequest { job_id: "nobody".to_owned(), max_wait: span(LIMIT) };
    assert_eq!(told(&client.await_job(wait).await.unwrap_err()).reason, "JOB_NOT_FOUND");
    stage.between.mute();
    let run = pb::RunJobRequest { job: Some(osis("1")), max_wait: span(LIMIT), ..Default::default() };
    let told_of = told(&client.run_job(run).await.unwrap_err());
    assert_eq!(told_of.why(), (Code::DeadlineExceeded, "TIMED_OUT"), "{told_of:?}");
    stage.whole_again().await;
    stage.job(&told_of.metadata["job_id"]).await;

    stage.between.mute();
    let batch = pb::SubmitJobsRequest { requests: vec![submit(), submit()] };
    let results = client.submit_jobs(batch).await.unwrap().into_inner().results;
    stage.whole_again().await;
    assert_eq!(results.len(), 2);
    for result in results {
        let error = result.error.expect("nobody knows");
        assert_eq!((error.code, error.reason.as_str()), (Code::DeadlineExceeded as i32, "TIMED_OUT"));
        stage.job(&error.metadata["job_id"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_whose_answer_is_lost_is_not_refused() {
    let stage = stage().await;
    let mut client = stage.client.clone();
    let submit = pb::SubmitJobRequest { job: Some(osis("1")), ..Default::default() };
    let job_id = client.submit_job(submit).await.unwrap().into_inner().job.unwrap().job_id;
    let cancel = pb::CancelJobRequest { job_id: job_id.clone(), ..Default::default() };
    client.cancel_job(cancel).await.unwrap();
    let ended = stage.status(&job_id).await;

    stage.between.mute_from("hero_retry");
    let retry = pb::RetryJobRequest { job_id: job_id.clone(), ..Default::default() };
    let mut answer = JoinSet::new();
    answer.spawn(async move { client.retry_job(retry).await });
    eventually("the job is queued again", LIMIT, || async {
        (stage.status(&job_id).await != ended).then_some(())
    })
    .await;
    stage.between.renew();
    let answer = answer.join_next().await.unwrap().unwrap().unwrap().into_inner();
    assert_eq!(answer.job.unwrap().state(), pb::job::State::Queued);
}

/// Makes a call whose answer is lost once it has had its effect, and which the supervisor then repeats by itself.
async fn answered_late<T: Send + 'static>(
    stage: &Stage,
    word: &'static str,
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>> + Send + 'static,
    had_its_effect: impl AsyncFn() -> bool,
) -> T {
    stage.between.mute_from(word);
    let mut answer = JoinSet::new();
    answer.spawn(call);
    eventually(&format!("{word} has had its effect"), LIMIT, || async {
        had_its_effect().await.then_some(())
    })
    .await;
    stage.between.renew();
    answer.join_next().await.unwrap().unwrap().unwrap().into_inner()
}

impl Stage {
    async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut redis = self.redis.connection().await;
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut redis).await.unwrap()
    }

    async fn submitted(&self) -> String {
        let submit = pb::SubmitJobRequest { job: Some(osis("1")), ..Default::default() };
        self.client.clone().submit_job(submit).await.unwrap().into_inner().job.unwrap().job_id
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_whose_answer_is_lost_has_deleted() {
    let stage = stage().await;
    let mut client = stage.client.clone();
    let job_id = stage.submitted().await;
    let cancel = pb::CancelJobRequest { job_id: job_id.clone(), ..Default::default() };
    client.cancel_job(cancel).await.unwrap();
    let key = format!("hero:job:{{osis}}:{job_id}");
    let delete = pb::DeleteJobRequest { job_id, ..Default::default() };
    let again = delete.clone();
    let mut caller = client.clone();
    answered_late(&stage, "hero_delete", async move { caller.delete_job(delete).await }, async || {
        stage.ask::<u32>(&["EXISTS", &key]).await == 0
    })
    .await;
    let refused = client.delete_job(again).await.unwrap_err();
    assert_eq!(told(&refused).why(), (Code::NotFound, "JOB_NOT_FOUND"), "a further call finds none");
}

/// A failover in the middle of what goes out in one write: the queue of the job has deleted it, the next one is read-only.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_meets_a_failover_half_way_has_deleted() {
    let stage = stage().await;
    let mut client = stage.client.clone();
    let job_id = stage.submitted().await;
    let cancel = pb::CancelJobRequest { job_id: job_id.clone(), ..Default::default() };
    client.cancel_job(cancel).await.unwrap();
    let read_only = "-READONLY You can't write against a read only replica.\r\n";
    stage.between.answer_once("hero_delete", &format!("$4\r\ngone\r\n{read_only}$-1\r\n$-1\r\n"));
    let key = format!("hero:job:{{osis}}:{job_id}");
    let delete = pb::DeleteJobRequest { job_id, ..Default::default() };
    assert!(client.delete_job(delete).await.unwrap().into_inner().changed);
    assert_eq!(stage.ask::<u32>(&["EXISTS", &key]).await, 0);
    assert!(stage.between.has_answered(), "the failover was met");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_and_a_purge_whose_answers_are_lost_have_changed_something() {
    let stage = stage().await;
    let client = stage.client.clone();
    let (first, second, third) = (stage.submitted().await, stage.submitted().await, stage.submitted().await);
    let cancel = pb::CancelJobRequest { job_id: first.clone(), ..Default::default() };
    let mut caller = client.clone();
    let answer =
        answered_late(&stage, "hero_cancel", async move { caller.cancel_job(cancel).await }, async || {
            stage.status(&first).await == "cancelled"
        })
        .await;
    assert!(answer.changed);
    let purge = pb::PurgeQueueRequest { script_type: pb::ScriptType::Osis.into(), ..Default::default() };
    let mut caller = client.clone();
    let answer =
        answered_late(&stage, "hero_purge", async move { caller.purge_queue(purge).await }, async || {
            stage.status(&second).await == "cancelled" && stage.status(&third).await == "cancelled"
        })
        .await;
    assert_eq!(answer.purged_count, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_and_a_resume_whose_answers_are_lost_are_told_once_in_the_events() {
    let stage = stage().await;
    let client = stage.client.clone();
    let osis = i32::from(pb::ScriptType::Osis);
    let paused = async || stage.ask::<u64>(&["HGET", "hero:{osis}:pause", "n"]).await % 2 == 1;
    let mut caller = client.clone();
    let pause = pb::PauseQueueRequest { script_type: osis, ..Default::default() };
    let is_paused = async || stage.ask::<Option<u64>>(&["HGET", "hero:{osis}:pause", "n"]).await == Some(1);
    let answer =
        answered_late(&stage, "hero_pause", async move { caller.pause_queue(pause).await }, is_paused).await;
    assert!(answer.changed);
    let mut caller = client.clone();
    let resume = pb::ResumeQueueRequest { script_type: osis, ..Default::default() };
    let answer =
        answered_late(&stage, "hero_resume", async move { caller.resume_queue(resume).await }, async || {
            !paused().await
        })
        .await;
    assert!(answer.changed);
    let about = [pb::event::Type::QueuePaused, pb::event::Type::QueueResumed];
    let told = eventually("both are told", LIMIT, || async {
        let request = pb::ListEventsRequest { script_types: vec![osis], ..Default::default() };
        let events = client.clone().list_events(request).await.ok()?.into_inner().events;
        let told: Vec<_> = events.iter().map(pb::Event::r#type).filter(|kind| about.contains(kind)).collect();
        (told.len() >= 2).then_some(told)
    })
    .await;
    assert_eq!(told.len(), 2, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_and_a_change_of_settings_whose_answers_are_lost_have_changed_something() {
    let stage = stage().await;
    let client = stage.client.clone();
    let config = pb::ActorConfig {
        script_type: pb::ScriptType::Osis.into(),
        binary_path: "/bin/sleep".to_owned(),
        ..Default::default()
    };
    let create = pb::CreateActorRequest {
        actor_id: "a".to_owned(),
        config: Some(config),
        start: Some(false),
        ..Default::default()
    };
    let mut caller = client.clone();
    let answer = answered_late(
        &stage,
        "hero_compare_and_set",
        async move { caller.create_actor(create).await },
        async || stage.ask::<u32>(&["HEXISTS", "hero:actors", "a"]).await == 1,
    )
    .await;
    assert!(answer.changed);
    stage.whole_again().await;
    let update = pb::UpdateScriptTypeRequest {
        script_type: pb::ScriptType::Sal.into(),
        settings: Some(pb::ScriptTypeSettings { max_queue_depth: Some(5), ..Default::default() }),
        ..Default::default()
    };
    let mut caller = client.clone();
    let answer = answered_late(
        &stage,
        "hero_compare_and_set",
        async move { caller.update_script_type(update).await },
        async || stage.ask::<u32>(&["HEXISTS", "hero:settings", "sal"]).await == 1,
    )
    .await;
    assert_eq!(answer.status.unwrap().settings.unwrap().max_queue_depth, Some(5));
}

/// Two calls at once, and a repeat of one of them after the job has run and failed again: one retry each time.
#[tokio::test(flavor = "multi_thread")]
async fn retries_at_once_retry_a_job_once() {
    let stage = stage().await;
    let client = stage.client.clone();
    let job_id = stage.submitted().await;
    let cancel = || pb::CancelJobRequest { job_id: job_id.clone(), ..Default::default() };
    client.clone().cancel_job(cancel()).await.unwrap();
    let place: String = stage.ask(&["HGET", &format!("hero:job:{{osis}}:{job_id}"), "at"]).await;
    let queued = async || stage.ask::<u32>(&["XLEN", "hero:{osis}:q"]).await;
    let retry = async || {
        let words = ["FCALL", "hero_retry", "1", "hero:{osis}:q", &job_id, "0", &place];
        stage.ask::<redis::Value>(&words).await
    };
    retry().await;
    assert!(matches!(retry().await, redis::Value::Array(_)), "the repeat is no refusal");
    assert_eq!(queued().await, 1);
    client.clone().cancel_job(cancel()).await.unwrap();
    assert!(matches!(retry().await, redis::Value::Array(_)));
    assert_eq!((queued().await, stage.status(&job_id).await.as_str()), (0, "cancelled"));
    let retry = pb::RetryJobRequest { job_id: job_id.clone(), ..Default::default() };
    let calls = (0..8).map(|_call| {
        let (mut client, retry) = (client.clone(), retry.clone());
        async move { client.retry_job(retry).await }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().any(Result::is_ok), "{answers:?}");
    for refused in answers.into_iter().filter_map(Result::err) {
        assert_eq!(told(&refused).why(), (Code::FailedPrecondition, "INVALID_STATE"));
    }
    assert_eq!(queued().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_several_types_of_which_one_fails_tells_which_jobs_were_accepted() {
    let stage = stage().await;
    let mut redis = stage.redis.connection().await;
    // No job of SAL can be put into its index.
    redis::cmd("SET").arg("hero:{sal}:jobs").arg("x").query_async::<()>(&mut redis).await.unwrap();
    let of = |script_type: pb::ScriptType| pb::SubmitJobRequest {
        job: Some(pb::JobSpec { script_type: script_type.into(), ..osis("1") }),
        ..Default::default()
    };
    let requests = [pb::ScriptType::Sal, pb::ScriptType::Osis, pb::ScriptType::V].map(of).to_vec();
    let batch = pb::SubmitJobsRequest { requests };
    let results = stage.client.clone().submit_jobs(batch).await.unwrap().into_inner().results;
    let [sal, osis, v] = results.as_slice() else { panic!("{results:?}") };
    stage.job(&osis.job.as_ref().unwrap().job_id).await;
    // Queues have their turns in the order of their names, so that of V came after the failure.
    for (refused, name) in [(sal, "sal"), (v, "v")] {
        assert!(refused.job.is_none(), "{name}: {refused:?}");
        assert!(!refused.error.as_ref().unwrap().reason.is_empty(), "{name}: {refused:?}");
    }
    let stored: usize = redis::cmd("ZCARD").arg("hero:{v}:jobs").query_async(&mut redis).await.unwrap();
    assert_eq!(stored, 0, "what is told to be refused was not accepted");
}
