//! A Redis that answers and refuses: full, read-only, without disk or replicas, without rights, busy.

use std::os::unix::fs::symlink;
use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::job::State as JobState;
use redis::aio::MultiplexedConnection;
use tonic::{Code, Status};

use crate::support::full_service::{
    ALLOWANCE, Client, FullService, JOBS, READY, client, end_of, job, osis, run, span, submit, told,
    until_serves,
};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;

/// Longest time until health tells it.
const HEALTH_FLIPS: Duration = Duration::from_secs(5);

/// How Redis is made to refuse, and what callers are told then.
struct Refusal {
    name: &'static str,
    make: &'static [&'static [&'static str]],
    undo: &'static [&'static [&'static str]],
    code: Code,
    reason: &'static str,
    /// The word of Redis.
    error: &'static str,
    /// Whether reads go on; None when some do.
    reads: Option<bool>,
}

const REFUSALS: [Refusal; 6] = [
    Refusal {
        name: "a replica",
        make: &[&["REPLICAOF", "127.0.0.1", "1"]],
        undo: &[&["REPLICAOF", "NO", "ONE"]],
        code: Code::Unavailable,
        reason: "REDIS_READ_ONLY",
        error: "READONLY",
        reads: Some(false),
    },
    Refusal {
        name: "no replicas",
        make: &[&["CONFIG", "SET", "min-replicas-to-write", "1"]],
        undo: &[&["CONFIG", "SET", "min-replicas-to-write", "0"]],
        code: Code::Unavailable,
        reason: "REDIS_NOT_DURABLE",
        error: "NOREPLICAS",
        reads: Some(true),
    },
    Refusal {
        name: "a failed snapshot",
        make: &[&["CONFIG", "SET", "save", "3600 1000000"], &["BGSAVE"]],
        undo: &[&["CONFIG", "SET", "save", ""]],
        code: Code::Unavailable,
        reason: "REDIS_NOT_DURABLE",
        error: "MISCONF",
        reads: Some(true),
    },
    Refusal {
        name: "full",
        make: &[&["CONFIG", "SET", "maxmemory", "1"]],
        undo: &[&["CONFIG", "SET", "maxmemory", "0"]],
        code: Code::ResourceExhausted,
        reason: "REDIS_FULL",
        error: "OOM",
        reads: Some(true),
    },
    Refusal {
        name: "no right to call functions",
        make: &[&["ACL", "SETUSER", "default", "-fcall"]],
        undo: &[&["ACL", "SETUSER", "default", "+fcall"]],
        code: Code::Unavailable,
        reason: "REDIS_ACCESS_DENIED",
        error: "NOPERM",
        reads: None,
    },
    Refusal {
        name: "a password that nobody knows",
        make: &[&["CONFIG", "SET", "requirepass", "secret"], &["CLIENT", "KILL", "TYPE", "normal"]],
        undo: &[&["CONFIG", "SET", "requirepass", ""]],
        code: Code::Unavailable,
        reason: "REDIS_ACCESS_DENIED",
        error: "NOAUTH",
        reads: Some(false),
    },
];

async fn say(redis: &mut MultiplexedConnection, commands: &[&[&str]]) {
    for words in commands {
        redis::cmd(words[0]).arg(&words[1..]).query_async::<redis::Value>(redis).await.unwrap();
    }
}

/// Every call that changes something, but those that make room, and what it was answered with.
async fn changes(client: &Client) -> Vec<(&'static str, Status)> {
    let mut c = client.clone();
    let spec = || Some(osis("1"));
    let submit = pb::SubmitJobRequest { job: spec(), ..Default::default() };
    let batch = pb::SubmitJobsRequest { requests: vec![submit.clone()] };
    let run = pb::RunJobRequest { job: spec(), max_wait: span(LIMIT), ..Default::default() };
    let retry = pb::RetryJobRequest { job_id: "failed".to_owned(), ..Default::default() };
    vec![
        ("SubmitJob", c.submit_job(submit).await.unwrap_err()),
        ("SubmitJobs", c.submit_jobs(batch).await.unwrap_err()),
        ("RunJob", c.run_job(run).await.unwrap_err()),
        ("RetryJob", c.retry_job(retry).await.unwrap_err()),
    ]
}

/// Every call that makes room, or steers, and what it was answered with.
async fn frees(client: &Client, round: usize) -> Vec<(&'static str, Option<Status>)> {
    let mut c = client.clone();
    let (mine, ended) = (format!("mine-{round}"), format!("ended-{round}"));
    let osis = pb::ScriptType::Osis.into();
    let cancel = pb::CancelJobRequest { job_id: mine.clone(), reason: String::new() };
    let delete = pb::DeleteJobRequest { job_id: ended, ..Default::default() };
    let pause = pb::PauseQueueRequest { script_type: osis, ..Default::default() };
    let resume = pb::ResumeQueueRequest { script_type: osis, ..Default::default() };
    let purge = pb::PurgeQueueRequest { script_type: osis, ..Default::default() };
    let wait = pb::AwaitJobRequest { job_id: mine, max_wait: span(Duration::from_millis(1)) };
    vec![
        ("AwaitJob", c.await_job(wait).await.err()),
        ("CancelJob", c.cancel_job(cancel).await.err()),
        ("DeleteJob", c.delete_job(delete).await.err()),
        ("PauseQueue", c.pause_queue(pause).await.err()),
        ("ResumeQueue", c.resume_queue(resume).await.err()),
        ("PurgeQueue", c.purge_queue(purge).await.err()),
    ]
}

/// Every call that only reads, and what it was answered with.
async fn looks(client: &Client) -> Vec<(&'static str, Option<Status>)> {
    let mut c = client.clone();
    let get = pb::GetJobRequest { job_id: "failed".to_owned(), view: 0 };
    let script_type =
        pb::GetScriptTypeRequest { script_type: pb::ScriptType::Osis.into(), ..Default::default() };
    vec![
        ("GetJob", c.get_job(get).await.err()),
        ("ListJobs", c.list_jobs(pb::ListJobsRequest::default()).await.err()),
        ("GetScriptType", c.get_script_type(script_type).await.err()),
        ("ListEvents", c.list_events(pb::ListEventsRequest::default()).await.err()),
    ]
}

async fn redis_is(client: &Client) -> pb::Dependency {
    let info = client.clone().get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    info.dependencies.into_iter().find(|dependency| dependency.name == "redis").unwrap()
}

async fn submit_as(client: &Client, name: &str, script: &str) {
    let request =
        pb::SubmitJobRequest { job: Some(osis(script)), job_id: name.to_owned(), ..Default::default() };
    client.clone().submit_job(request).await.unwrap();
}

async fn cancel(client: &Client, name: &str) {
    let request = pb::CancelJobRequest { job_id: name.to_owned(), reason: String::new() };
    client.clone().cancel_job(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_redis_is_told_as_it_is_by_every_call_and_by_health_and_ends_by_itself() {
    let whole = FullService::start_on(PrivateRedis::start().await, &[]).await;
    let client = whole.client();
    let mut redis = whole.redis.connection().await;
    // A snapshot cannot take the place of a folder.
    std::fs::create_dir(whole.redis.socket().with_file_name("dump.rdb")).unwrap();
    submit_as(&client, "failed", "1").await;
    cancel(&client, "failed").await;
    for (round, refusal) in REFUSALS.iter().enumerate() {
        let name = refusal.name;
        until_serves(&whole.service, &[(READY, true), (JOBS, true)]).await;
        submit_as(&client, &format!("mine-{round}"), "1").await;
        submit_as(&client, &format!("ended-{round}"), "1").await;
        cancel(&client, &format!("ended-{round}")).await;

        say(&mut redis, refusal.make).await;
        let took = until_serves(&whole.service, &[("", true), (READY, false), (JOBS, false)]).await;
        assert!(took < HEALTH_FLIPS + ALLOWANCE, "{name}: {took:?}");
        let dependency = redis_is(&client).await;
        assert_eq!(dependency.state(), pb::dependency::State::Down, "{name}: {dependency:?}");
        assert!(dependency.message.contains(refusal.error), "{name}: {dependency:?}");

        let refused = |call: &str, status: &Status| {
            let told = told(status);
            assert_eq!(told.why(), (refusal.code, refusal.reason), "{name}: {call}: {status:?}");
        };
        for (call, status) in changes(&client).await {
            refused(call, &status);
            assert_eq!(told(&status).metadata["error"], refusal.error, "{name}: {call}: {status:?}");
        }
        for (call, answer) in frees(&client, round).await {
            match answer {
                None => assert!(refusal.reason == "REDIS_FULL", "{name}: {call} was done"),
                Some(status) => refused(call, &status),
            }
        }
        for (call, answer) in looks(&client).await {
            match answer {
                None => assert_ne!(refusal.reads, Some(false), "{name}: {call} was answered"),
                Some(status) => {
                    assert_ne!(refusal.reads, Some(true), "{name}: {call}: {status:?}");
                    refused(call, &status);
                }
            }
        }

        say(&mut redis, refusal.undo).await;
        let took = until_serves(&whole.service, &[(READY, true), (JOBS, true)]).await;
        assert!(took < HEALTH_FLIPS + ALLOWANCE, "{name}: back after {took:?}");
        submit(&client, osis("1")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_in_a_slow_script_is_busy_and_not_broken() {
    let whole = FullService::start_on(PrivateRedis::start().await, &[]).await;
    let client = whole.client();
    until_serves(&whole.service, &[(JOBS, true)]).await;
    let mut redis = whole.redis.connection().await;
    say(&mut redis, &[&["CONFIG", "SET", "busy-reply-threshold", "1"]]).await;
    let mut slow = whole.redis.connection().await;
    let script = tokio::task::JoinSet::from_iter([async move {
        let endless = redis::cmd("EVAL").arg("while true do end").arg(0).query_async::<()>(&mut slow).await;
        endless.unwrap_err()
    }]);
    until_serves(&whole.service, &[(JOBS, false)]).await;
    let request = pb::SubmitJobRequest { job: Some(osis("1")), ..Default::default() };
    let status = client.clone().submit_job(request).await.unwrap_err();
    assert_eq!(told(&status).why(), (Code::Unavailable, "REDIS_BUSY"), "{status:?}");
    say(&mut redis, &[&["SCRIPT", "KILL"]]).await;
    script.join_all().await;
    until_serves(&whole.service, &[(JOBS, true)]).await;
    submit(&client, osis("1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_is_emptied_by_its_actors() {
    const JOBS_THAT_WAIT: usize = 50;
    let whole = FullService::start_on(PrivateRedis::start().await, &[]).await;
    let mut client = whole.client();
    whole.running_actor("osis_actor_0").await;
    let script_type = pb::ScriptType::Osis.into();
    client.pause_queue(pb::PauseQueueRequest { script_type, ..Default::default() }).await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..JOBS_THAT_WAIT {
        waiting.push(submit(&client, osis(&format!("print({number}); {number}"))).await);
    }
    let mut redis = whole.redis.connection().await;
    say(&mut redis, &[&["CONFIG", "SET", "maxmemory", "1"]]).await;
    let request = pb::SubmitJobRequest { job: Some(osis("1")), ..Default::default() };
    let status = client.submit_job(request).await.unwrap_err();
    assert_eq!(told(&status).why(), (Code::ResourceExhausted, "REDIS_FULL"), "{status:?}");

    client.resume_queue(pb::ResumeQueueRequest { script_type, ..Default::default() }).await.unwrap();
    for (number, id) in waiting.iter().enumerate() {
        let ended = end_of(&client, id).await;
        assert_eq!((ended.state(), ended.result()), (JobState::Succeeded, number.to_string().as_str()));
        assert_eq!(ended.attempt, 1);
    }
    // What happens meanwhile is told, too.
    let resumed = eventually("the resume is in the log", LIMIT, || async {
        let topics = vec![pb::event::Topic::Queue.into()];
        let request = pb::ListEventsRequest { topics, ..Default::default() };
        let events = client.clone().list_events(request).await.ok()?.into_inner().events;
        events.into_iter().find(|event| event.r#type() == pb::event::Type::QueueResumed)
    });
    resumed.await;
    say(&mut redis, &[&["CONFIG", "SET", "maxmemory", "0"]]).await;
    assert_eq!(run(&client, osis("40 + 2")).await.result(), "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_behind_one_address_the_new_primary_is_found() {
    let (old, new) = (PrivateRedis::start().await, PrivateRedis::start().await);
    let address = old.socket().with_file_name("address.sock");
    symlink(old.socket(), &address).unwrap();
    let url = format!("unix://{}", address.display());
    let service = Service::serve(&["--redis-url", &url, "--process-manager", "local"]).await;
    let client = client(&service);
    until_serves(&service, &[(JOBS, true)]).await;
    submit_as(&client, "before", "1").await;

    std::fs::remove_file(&address).unwrap();
    symlink(new.socket(), &address).unwrap();
    // The old one stays, and so do the connections to it.
    say(&mut old.connection().await, &[&["REPLICAOF", "127.0.0.1", "1"]]).await;
    submit_as(&client, "after", "1").await;
    let mut redis = new.connection().await;
    let found: bool =
        redis::cmd("EXISTS").arg("hero:job:{osis}:after").query_async(&mut redis).await.unwrap();
    assert!(found, "it is in the new one");
    until_serves(&service, &[(JOBS, true), (READY, true)]).await;
    assert_eq!(job(&client, "after").await.state(), JobState::Queued);
}
