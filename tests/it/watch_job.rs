//! A job is followed to its end, on real Redis, Zinit and actors.

use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::job::State;
use pb::watch_job_response::Item;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::support::full_service::{
    Client, FullService, osis, signal, span, submit, told, until_actor, until_running, with_attempts,
};
use crate::support::service::LIMIT;

type Messages = Streaming<pb::WatchJobResponse>;

async fn follow(client: &Client, job_id: &str, resume_after: &str) -> Messages {
    let request = pb::WatchJobRequest {
        job_id: job_id.to_owned(),
        include_logs: true,
        resume_after: resume_after.to_owned(),
        heartbeat_interval: None,
    };
    client.clone().watch_job(request).await.unwrap().into_inner()
}

async fn next(messages: &mut Messages) -> Option<pb::WatchJobResponse> {
    timeout(LIMIT, messages.message()).await.expect("a message in time").unwrap()
}

/// A message in a few words; `job` for the whole job, nothing for a mark.
fn word(message: &pb::WatchJobResponse) -> Vec<String> {
    match message.item.as_ref().expect("an item") {
        Item::Job(job) => vec![format!("job {}", state(job.state()))],
        Item::StateChange(change) => vec![format!(
            "{} -> {} {}{}",
            state(change.old_state()),
            state(change.new_state()),
            change.attempt,
            change.error.as_ref().map(|error| format!(" {}", error.message)).unwrap_or_default()
        )],
        Item::Progress(progress) => vec![format!("{} % {}", progress.percent(), progress.message)],
        Item::LogEntries(lines) => {
            assert_eq!(lines.dropped_count, 0);
            lines.entries.iter().map(|line| format!("say {}", line.text)).collect()
        }
        Item::Bookmark(_) => Vec::new(),
    }
}

fn state(state: State) -> String {
    state.as_str_name().trim_start_matches("STATE_").to_ascii_lowercase()
}

async fn words(messages: &mut Messages) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(message) = next(messages).await {
        words.extend(word(&message));
    }
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_is_told_with_what_was_said_in_it() {
    let whole = FullService::start().await;
    let client = whole.client();
    let script = "print(\"one\"); progress(50, \"half\"); print(\"two\"); throw \"boom\"";
    let job_id = submit(&client, with_attempts(script, 2)).await;
    let mut early = follow(&client, &job_id, "").await;
    assert_eq!(word(&next(&mut early).await.unwrap()), ["job queued"]);
    whole.running_actor("osis_actor_0").await;
    let told = words(&mut early).await;
    // The wait between two attempts may be told or not; it is as short as can be.
    let told: Vec<&str> =
        told.iter().map(String::as_str).filter(|word| *word != "retry_wait -> queued 1").collect();
    let boom = |told: &str| told.contains("boom") || told.contains("-> failed");
    assert_eq!(told.len(), 11, "{told:#?}");
    assert_eq!(told[..4], ["queued -> running 1", "say one", "50 % half", "say two"]);
    // With so short a pause there may be none.
    let failed = ["running -> retry_wait 1", "running -> queued 1"];
    assert!(failed.iter().any(|failed| told[4].starts_with(failed)) && boom(told[4]), "{told:#?}");
    assert!(told[5].ends_with(" -> running 2"), "{told:#?}");
    assert_eq!(told[6..9], ["say one", "50 % half", "say two"]);
    assert!(told[9].starts_with("running -> failed 2") && boom(told[9]), "{told:#?}");
    assert_eq!(told[10], "job failed");

    // Who comes after the end hears what was said, too.
    let mut late = follow(&client, &job_id, "").await;
    let late = words(&mut late).await;
    assert_eq!(late.first().map(String::as_str), Some("job failed"));
    assert_eq!(late.iter().filter(|word| *word == "say two").count(), 2, "{late:#?}");
    assert_eq!(late.last().map(String::as_str), Some("job failed"));
    let job = crate::support::full_service::job(&client, &job_id).await;
    assert_eq!(job.progress.as_ref().map(|progress| progress.message.as_str()), Some("half"));
    assert_eq!(job.past_attempts.len(), 1);
    let past = &job.past_attempts[0];
    assert_eq!((past.attempt, past.actor_id.as_str()), (1, "osis_actor_0"));
    assert!(past.error.as_ref().is_some_and(|error| error.message.contains("boom")), "{past:?}");
    assert!(past.start_time.is_some() && past.end_time.is_some(), "{past:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_heard_while_its_script_runs_and_not_at_the_next_look() {
    let whole = FullService::start().await;
    whole.running_actor("osis_actor_0").await;
    let client = whole.client();
    let job_id = submit(&client, osis("sleep(1); print(\"now\"); sleep(600)")).await;
    until_running(&client, &job_id).await;
    let mut messages = follow(&client, &job_id, "").await;
    let said = async {
        while let Some(message) = next(&mut messages).await {
            if word(&message).contains(&"say now".to_owned()) {
                return true;
            }
        }
        false
    };
    // A look without a hint comes each 5 s at the earliest.
    assert!(timeout(Duration::from_millis(4500), said).await.expect("a hint came"), "the watch ended");
    let request = pb::CancelJobRequest { job_id: job_id.clone(), ..Default::default() };
    client.clone().cancel_job(request).await.unwrap();
    let rest = words(&mut messages).await;
    assert_eq!(rest, ["running -> cancelled 1", "job cancelled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_at_the_next_supervisor_where_it_stopped() {
    let mut whole = FullService::start().await;
    whole.running_actor("osis_actor_0").await;
    let script = "for i in 0..40 { print(`${i}`); sleep(0.1); } 7";
    let job_id = submit(&whole.client(), osis(script)).await;
    let mut messages = follow(&whole.client(), &job_id, "").await;
    let (mut heard, mut cursor) = (Vec::new(), String::new());
    while heard.iter().filter(|word: &&String| word.starts_with("say")).count() < 5 {
        let message = next(&mut messages).await.unwrap();
        heard.extend(word(&message));
        cursor = message.cursor;
    }
    whole.replace().await;
    let mut messages = follow(&whole.client(), &job_id, &cursor).await;
    assert_eq!(word(&next(&mut messages).await.unwrap()), ["job running"]);
    heard.extend(words(&mut messages).await);
    let said: Vec<String> =
        heard.iter().filter_map(|word| word.strip_prefix("say ")).map(str::to_owned).collect();
    assert_eq!(said, (0..40).map(|i| i.to_string()).collect::<Vec<_>>(), "each once and in order");
    assert_eq!(heard[heard.len() - 2..], ["running -> succeeded 1", "job succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_whose_actor_was_killed_is_told_as_such() {
    let whole = FullService::start().await;
    let actor = whole.running_actor("osis_actor_0").await;
    let client = whole.client();
    let job_id = submit(&client, pb::JobSpec { ..with_attempts("sleep(3); 1", 2) }).await;
    until_running(&client, &job_id).await;
    let mut messages = follow(&client, &job_id, "").await;
    assert_eq!(word(&next(&mut messages).await.unwrap()), ["job running"]);
    signal(actor.pid(), Signal::SIGKILL);
    let told = words(&mut messages).await;
    assert!(told[0].starts_with("running -> queued 1 "), "{told:#?}");
    assert_eq!(told[told.len() - 3..], ["queued -> running 2", "running -> succeeded 2", "job succeeded"]);
    until_actor(&client, "osis_actor_0", "is back", |actor| actor.restart_count >= 1).await;
    let job = crate::support::full_service::job(&client, &job_id).await;
    let lost = job.past_attempts[0].error.clone().unwrap();
    assert_eq!(lost.kind(), pb::job_error::Kind::ActorLost, "{lost:?}");
    assert_eq!(lost.signal, Some(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_followed_is_refused_by_name() {
    let whole = FullService::start().await;
    let client = whole.client();
    let ask = async |request: pb::WatchJobRequest| {
        told(&client.clone().watch_job(request).await.expect_err("a refusal"))
    };
    let unknown = ask(pb::WatchJobRequest { job_id: "nobody".to_owned(), ..Default::default() }).await;
    assert_eq!(unknown.why(), (Code::NotFound, "JOB_NOT_FOUND"));
    let job_id = submit(&client, osis("1")).await;
    let wrong = pb::WatchJobRequest {
        job_id: job_id.clone(),
        resume_after: "yesterday".to_owned(),
        heartbeat_interval: span(Duration::from_secs(3600)),
        ..Default::default()
    };
    let wrong = ask(wrong).await;
    assert_eq!(wrong.why(), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(wrong.fields, ["resume_after", "heartbeat_interval"]);

    // One that is deleted under its watcher ends the watch with that.
    let mut messages = follow(&client, &job_id, "").await;
    next(&mut messages).await.unwrap();
    let request = pb::CancelJobRequest { job_id: job_id.clone(), ..Default::default() };
    client.clone().cancel_job(request).await.unwrap();
    assert_eq!(words(&mut messages).await, ["queued -> cancelled 0", "job cancelled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_watchers_of_one_job_hear_the_same() {
    let whole = FullService::start().await;
    let client = whole.client();
    let job_id = submit(&client, osis("for i in 0..20 { print(`${i}`); sleep(0.05); } 7")).await;
    let mut watching = tokio::task::JoinSet::new();
    for _watcher in 0..500 {
        let mut messages = follow(&client, &job_id, "").await;
        watching.spawn(async move { words(&mut messages).await });
    }
    whole.running_actor("osis_actor_0").await;
    let mut expected = vec!["job queued".to_owned(), "queued -> running 1".to_owned()];
    expected.extend((0..20).map(|i| format!("say {i}")));
    expected.extend(["running -> succeeded 1", "job succeeded"].map(str::to_owned));
    while let Some(heard) = watching.join_next().await {
        assert_eq!(heard.unwrap(), expected);
    }
}
