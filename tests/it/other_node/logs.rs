//! The log of an actor of another machine.

use hero_supervisor::proto as pb;
use tonic::Streaming;

use super::{Pair, create};
use crate::support::service::LIMIT;

/// Reads lines until one of them has this text.
async fn until_line(stream: &mut Streaming<pb::StreamActorLogsResponse>, text: &str) -> Vec<String> {
    let read = async {
        let mut lines = Vec::new();
        while let Some(part) = stream.message().await.unwrap() {
            lines.extend(part.entries.into_iter().map(|entry| entry.text));
            if lines.iter().any(|line: &String| line.contains(text)) {
                return lines;
            }
        }
        panic!("the log ended without {text:?}: {lines:?}");
    };
    tokio::time::timeout(LIMIT, read).await.unwrap()
}

fn shell(pair: &Pair, id: &str, script: &str) -> pb::CreateActorRequest {
    let mut request = pair.definition(id);
    let config = request.config.as_mut().unwrap();
    config.binary_path = "/bin/sh".to_owned();
    config.args = vec!["-c".to_owned(), script.to_owned()];
    config.readiness = pb::actor_config::Readiness::Process.into();
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_an_actor_of_another_machine_is_read_page_by_page() {
    let pair = Pair::start().await;
    let mut client = pair.client();
    create(&mut client, shell(&pair, "a", "seq -f 'line %g' 900; echo the last one; exec sleep 1000")).await;
    let follow = pb::StreamActorLogsRequest {
        actor_id: "a".to_owned(),
        tail_lines: Some(10_000),
        follow: true,
        ..Default::default()
    };
    let mut stream = client.stream_actor_logs(follow.clone()).await.unwrap().into_inner();
    let lines = until_line(&mut stream, "the last one").await;
    let numbered: Vec<String> = (1..=900).map(|number| format!("line {number}")).collect();
    assert_eq!(lines[..lines.len() - 1], numbered);

    let once = pb::StreamActorLogsRequest { follow: false, tail_lines: Some(3), ..follow };
    let mut stream = client.stream_actor_logs(once.clone()).await.unwrap().into_inner();
    let mut lines = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        lines.extend(part.entries.into_iter().map(|entry| entry.text));
    }
    assert_eq!(lines, ["line 899", "line 900", "the last one"]);

    let unknown = pb::StreamActorLogsRequest { actor_id: "b".to_owned(), ..once };
    assert_eq!(client.stream_actor_logs(unknown).await.unwrap_err().code(), tonic::Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sees_each_new_line_of_another_machine_once() {
    let pair = Pair::start().await;
    let mut client = pair.client();
    let script =
        "for n in $(seq 40); do echo \"line $n\"; sleep 0.05; done; echo the last one; exec sleep 1000";
    // Nothing was written when the follower begins.
    let mut request = shell(&pair, "a", script);
    request.start = Some(false);
    client.create_actor(request).await.unwrap();
    let follow = pb::StreamActorLogsRequest {
        actor_id: "a".to_owned(),
        tail_lines: Some(0),
        follow: true,
        ..Default::default()
    };
    let mut stream = client.stream_actor_logs(follow).await.unwrap().into_inner();
    let start = pb::StartActorRequest { actor_id: "a".to_owned(), ..Default::default() };
    client.start_actor(start).await.unwrap();
    let lines = until_line(&mut stream, "the last one").await;
    let expected: Vec<String> = (1..=40).map(|number| format!("line {number}")).collect();
    assert_eq!(lines[..lines.len() - 1], expected);
}
