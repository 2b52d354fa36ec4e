//! StreamActorLogs and `actor logs` on the whole service: what was written, what is being written, and going on.

use std::process::Stdio;
use std::time::Duration;

use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::ports::clock::Clock;
use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::log_entry::Stream;
use tonic::{Code, Streaming};

use crate::support::full_service::{Client, FullService, client, create, span, told};
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// Says `N out` and `N err`, counting, with a number of its own before it.
const COUNTER: &str =
    "i=0; while :; do i=$((i+1)); echo \"$$ $i out\"; echo \"$$ $i err\" >&2; sleep 0.1; done";

/// An actor that is this shell script.
async fn talker(whole: &FullService, id: &str, script: &str) -> pb::Actor {
    let mut definition = whole.definition(id);
    let config = definition.config.as_mut().unwrap();
    config.binary_path = "/bin/sh".to_owned();
    config.args = vec!["-c".to_owned(), script.to_owned()];
    config.readiness = pb::actor_config::Readiness::Process.into();
    config.drain_timeout = span(Duration::from_secs(1));
    create(&mut whole.client(), definition).await
}

fn request(id: &str) -> pb::StreamActorLogsRequest {
    pb::StreamActorLogsRequest { actor_id: id.to_owned(), ..Default::default() }
}

async fn all(client: &Client, request: pb::StreamActorLogsRequest) -> Vec<String> {
    let mut parts = client.clone().stream_actor_logs(request).await.unwrap().into_inner();
    let mut texts = Vec::new();
    while let Some(part) = parts.message().await.unwrap() {
        texts.extend(part.entries.into_iter().map(|entry| entry.text));
    }
    texts
}

/// The next part with lines, within the limit.
async fn next(parts: &mut Streaming<pb::StreamActorLogsResponse>) -> pb::StreamActorLogsResponse {
    let lines = async {
        loop {
            let part = parts.message().await.unwrap().expect("the log goes on");
            if !part.entries.is_empty() {
                return part;
            }
        }
    };
    tokio::time::timeout(LIMIT, lines).await.unwrap()
}

/// The numbers behind the pid of lines of standard output.
fn numbers(part: &pb::StreamActorLogsResponse) -> Vec<u64> {
    let out = part.entries.iter().filter(|entry| entry.stream() == Stream::Stdout);
    out.map(|entry| entry.text.split(' ').nth(1).unwrap().parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_counted_from_the_end_and_filtered() {
    let whole = FullService::start().await;
    let script =
        "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; sleep 0.02; done; echo done; exec sleep 1000";
    talker(&whole, "talker", script).await;
    let client = whole.client();
    let read = |change: &dyn Fn(&mut pb::StreamActorLogsRequest)| {
        let mut request = request("talker");
        change(&mut request);
        all(&client, request)
    };
    eventually("all is written", LIMIT, || async {
        read(&|_| {}).await.last().filter(|text| *text == "done").map(drop)
    })
    .await;
    assert_eq!(read(&|_| {}).await.len(), 11);
    assert_eq!(read(&|request| request.tail_lines = Some(0)).await, [""; 0]);
    let stderr = |request: &mut pb::StreamActorLogsRequest| {
        request.streams = vec![Stream::Stderr.into()];
        request.tail_lines = Some(2);
    };
    assert_eq!(read(&stderr).await, ["err 4", "err 5"]);
    assert_eq!(read(&|request| request.contains = "3".to_owned()).await.len(), 2);
    let future = SystemClock.now() + Duration::from_secs(3600);
    assert_eq!(read(&|request| request.since_time = Some(future.into())).await, [""; 0]);
    let past = SystemClock.now() - Duration::from_secs(3600);
    assert_eq!(read(&|request| request.since_time = Some(past.into())).await.len(), 11);

    let bad = pb::StreamActorLogsRequest {
        resume_after: "x".to_owned(),
        tail_lines: Some(-1),
        ..request("talker")
    };
    let refused = told(&client.clone().stream_actor_logs(bad).await.unwrap_err());
    assert_eq!(
        (refused.code, refused.fields),
        (Code::InvalidArgument, vec!["tail_lines".to_owned(), "resume_after".to_owned()])
    );
    let missing = told(&client.clone().stream_actor_logs(request("nobody")).await.unwrap_err());
    assert_eq!(missing.why(), (Code::NotFound, "ACTOR_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_resumes_sees_every_line_once() {
    let whole = FullService::start().await;
    talker(&whole, "talker", COUNTER).await;
    let mut client = whole.client();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _connection in 0..4 {
        let follow = pb::StreamActorLogsRequest {
            follow: true,
            tail_lines: Some(10_000),
            resume_after: cursor.clone(),
            ..request("talker")
        };
        let mut parts = client.stream_actor_logs(follow).await.unwrap().into_inner();
        for _part in 0..2 {
            let part = next(&mut parts).await;
            assert_eq!(part.dropped_count, 0);
            seen.extend(numbers(&part));
            cursor.clone_from(&part.cursor);
        }
    }
    let expected: Vec<u64> = (1..=seen.len() as u64).collect();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_goes_on_through_restarts_of_the_actor_and_of_zinit_and_ends_with_the_actor() {
    let mut whole = FullService::start().await;
    talker(&whole, "talker", COUNTER).await;
    let mut client = whole.client();
    let follow = pb::StreamActorLogsRequest { follow: true, ..request("talker") };
    let mut parts = client.stream_actor_logs(follow).await.unwrap().into_inner();
    let pid_of = |part: &pb::StreamActorLogsResponse| {
        part.entries.last().unwrap().text.split(' ').next().unwrap().to_owned()
    };
    let first = pid_of(&next(&mut parts).await);
    let restart = pb::RestartActorRequest {
        actor_id: "talker".to_owned(),
        max_wait: span(LIMIT),
        ..Default::default()
    };
    client.restart_actor(restart).await.unwrap();
    let mut second = pid_of(&next(&mut parts).await);
    while second == first {
        second = pid_of(&next(&mut parts).await);
    }
    whole.zinit.kill_server();
    whole.zinit.kill_orphans();
    whole.zinit.launch().await;
    let mut third = pid_of(&next(&mut parts).await);
    while third == second {
        third = pid_of(&next(&mut parts).await);
    }
    let delete = pb::DeleteActorRequest { actor_id: "talker".to_owned(), ..Default::default() };
    let (deleted, ended) = tokio::join!(client.delete_actor(delete), async {
        tokio::time::timeout(LIMIT, async { while parts.message().await.unwrap().is_some() {} }).await
    });
    deleted.unwrap();
    ended.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_are_told_when_the_server_ends_and_when_another_node_has_the_log() {
    let mut whole = FullService::start().await;
    talker(&whole, "talker", "exec sleep 1000").await;
    let other = whole.another(&["--node", "elsewhere"]).await;
    let local = pb::StreamActorLogsRequest { local_only: true, ..request("talker") };
    let refused = told(&client(&other).stream_actor_logs(local).await.unwrap_err());
    assert_eq!(refused.code, Code::FailedPrecondition, "{refused:?}");
    assert!(refused.message.contains("ask the supervisor of that node"), "{refused:?}");
    let follow = pb::StreamActorLogsRequest { follow: true, ..request("talker") };
    let mut parts = whole.client().stream_actor_logs(follow).await.unwrap().into_inner();
    parts.message().await.unwrap().expect("a sign of life comes at once");
    whole.service.signal(Signal::SIGTERM);
    let ended = tokio::time::timeout(LIMIT, async {
        loop {
            if let Err(status) = parts.message().await {
                return status;
            }
        }
    });
    assert_eq!(told(&ended.await.unwrap()).why(), (Code::Unavailable, "SERVER_DRAINING"));
    whole.service.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_lines_and_follows_over_a_restart_of_the_server() {
    let mut whole = FullService::start().await;
    talker(&whole, "talker", COUNTER).await;
    let service = &whole.service;
    let printed = eventually("lines are there", LIMIT, || async {
        let ran = service.run(["actor", "logs", "talker", "-n", "3", "--stdout", "--grep", "out"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        (ran.stdout.lines().count() == 3).then_some(ran.stdout)
    })
    .await;
    assert!(printed.lines().all(|line| line.ends_with(" out")), "{printed}");
    let file = whole.service.dir().join("followed");
    let out = std::fs::File::create(&file).unwrap();
    let mut follower = whole
        .service
        .client(["actor", "logs", "talker", "-f", "-n", "10000", "--stdout"])
        .stdout(out)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = || std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    eventually("it follows", LIMIT, || async { (lines().len() > 3).then_some(()) }).await;
    whole.service.signal(Signal::SIGKILL);
    whole.service.ended().await;
    let before = lines().len();
    whole.service.restart().await;
    eventually("it goes on", LIMIT, || async { (lines().len() > before + 3).then_some(()) }).await;
    follower.kill().unwrap();
    follower.wait().unwrap();
    let numbers: Vec<u64> = lines().iter().filter_map(|line| line.split(' ').nth(1)?.parse().ok()).collect();
    let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, expected, "each line once");
}
