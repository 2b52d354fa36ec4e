//! `job run --follow` and `job logs --follow`: what a script says is seen while it says it, over a restart of the server.

use std::process::Stdio;

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::full_service::FullService;
use crate::support::service::{LIMIT, Service};

/// A follower, and the lines of its standard output.
fn follower(service: &Service, args: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::from(service.client(args));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<String> {
    timeout(LIMIT, lines.next_line()).await.expect("a line in time").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_job_is_seen_to_its_end_over_a_killed_server() {
    let mut whole = FullService::start().await;
    whole.running_actor("osis_actor_0").await;
    let script = "for i in 0..30 { print(`line ${i}`); sleep(0.1); } throw \"the end\"";
    let (child, mut lines) =
        follower(&whole.service, &["job", "run", script, "--follow", "--timeout", "60s"]);
    for number in 0..5 {
        assert_eq!(line(&mut lines).await, Some(format!("line {number}")));
    }
    whole.service.signal(Signal::SIGKILL);
    whole.service.restart().await;
    for number in 5..30 {
        assert_eq!(line(&mut lines).await, Some(format!("line {number}")), "each once and in order");
    }
    assert_eq!(line(&mut lines).await, None);
    let output = timeout(LIMIT, child.wait_with_output()).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "the outcome of the job is its own: {said}");
    assert!(said.contains("the end"), "{said}");

    // Whoever comes later sees all of it, too.
    let jobs = whole.service.run(["job", "ls", "-o", "json"]).json();
    let id = jobs["jobs"][0]["jobId"].as_str().unwrap().to_owned();
    let logs = whole.service.run(["job", "logs", &id]);
    let expected: String = (0..30).map(|number| format!("line {number}\n")).collect();
    assert_eq!((logs.code, logs.stdout.as_str()), (0, expected.as_str()), "{logs:?}");
}
