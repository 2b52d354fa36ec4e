//! Lines of services: kept, followed, joined, and given up.

use std::time::Duration;

use hero_supervisor::domain::model::output::LogStream;
use hero_supervisor::ports::process_manager::{LogPosition, ProcessManager};
use tokio::time::Instant;

use super::{LIMIT, RecordedAnswers, always};
use crate::support::wait::eventually;

/// Reads on until there are so many lines.
async fn read(
    stage: &RecordedAnswers,
    name: &str,
    place: &mut Option<LogPosition>,
    number: usize,
) -> Vec<String> {
    let mut texts = Vec::new();
    let begun = Instant::now();
    while texts.len() < number && begun.elapsed() < LIMIT {
        let batch = stage.manager.logs(name, *place, Duration::from_millis(500)).await.unwrap();
        assert_eq!(batch.lost, 0);
        for placed in batch.lines {
            *place = Some(placed.position);
            texts.push(placed.line.text);
        }
    }
    texts
}

#[tokio::test]
async fn recorded_logs_are_kept_followed_and_not_repeated() {
    let mut stage = RecordedAnswers::start();
    stage.manager.start(&always("tk")).await.unwrap();
    stage.zinit.write("tk", "+", "one");
    stage.zinit.write("tk2", "+", "of another");
    stage.zinit.write("tk", "-", "two");
    let tail = stage.manager.log_tail("tk", 10).await.unwrap();
    let told: Vec<(LogStream, &str)> = tail.iter().map(|line| (line.stream, line.text.as_str())).collect();
    assert_eq!(told, [(LogStream::Stdout, "one"), (LogStream::Stderr, "two")]);
    let mut place = None;
    assert_eq!(read(&stage, "tk", &mut place, 2).await, ["one", "two"]);
    for number in 2..6 {
        let line = format!("line {number}");
        stage.zinit.write("tk", "+", &line);
        assert_eq!(read(&stage, "tk", &mut place, 1).await, [line]);
        if number == 3 {
            stage.zinit.restart().await;
        }
    }
}

/// `stream_subscribeLogs` of every version brings what is written after it, and nothing of what is kept.
#[tokio::test]
async fn recorded_lines_that_come_while_a_follow_begins_are_each_read_once() {
    let stage = RecordedAnswers::start();
    stage.manager.start(&always("tk")).await.unwrap();
    stage.zinit.write("tk", "+", "0");
    let mut place = None;
    let mut texts = read(&stage, "tk", &mut place, 1).await;
    for number in 1..200 {
        stage.zinit.write("tk", "+", &number.to_string());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    texts.extend(read(&stage, "tk", &mut place, 199).await);
    assert_eq!(texts, (0..200).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn recorded_line_that_says_the_same_once_more_is_read_once_more() {
    let stage = RecordedAnswers::start();
    stage.manager.start(&always("tk")).await.unwrap();
    stage.zinit.write("tk", "+", "the engine is up");
    let mut place = None;
    assert_eq!(read(&stage, "tk", &mut place, 1).await, ["the engine is up"]);
    // Once the subscription stands.
    let subscribed = || async { (stage.zinit.connections().1 == 1).then_some(()) };
    eventually("it is followed", LIMIT, subscribed).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.zinit.write("tk", "+", "the engine is up");
    assert_eq!(read(&stage, "tk", &mut place, 1).await, ["the engine is up"]);
}

#[tokio::test]
async fn recorded_lines_before_a_new_subscription_at_another_zinit_are_read() {
    let mut stage = RecordedAnswers::start();
    stage.manager.start(&always("tk")).await.unwrap();
    stage.zinit.write("tk", "+", "before");
    let mut place = None;
    assert_eq!(read(&stage, "tk", &mut place, 1).await, ["before"]);
    stage.zinit.restart_anew("tk", "the first line of the next life").await;
    assert_eq!(read(&stage, "tk", &mut place, 1).await, ["the first line of the next life"]);
}

#[tokio::test]
async fn recorded_tail_is_of_the_last_life() {
    let stage = RecordedAnswers::start();
    stage.manager.start(&always("tk")).await.unwrap();
    stage.zinit.write("tk", "+", "of the first life");
    stage.manager.stop("tk", Duration::ZERO).await.unwrap();
    let texts = async || {
        let tail = stage.manager.log_tail("tk", 10).await.unwrap();
        tail.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    assert_eq!(texts().await, ["of the first life"]);
    stage.manager.start(&always("tk")).await.unwrap();
    assert_eq!(texts().await, [""; 0]);
    stage.zinit.write("tk", "+", "of the second life");
    assert_eq!(texts().await, ["of the second life"]);
}

#[tokio::test]
async fn recorded_flood_of_a_followed_log_keeps_no_call_waiting_and_ends_with_its_reader() {
    let stage = RecordedAnswers::start();
    stage.manager.start(&always("chatty")).await.unwrap();
    stage.manager.start(&always("quiet")).await.unwrap();
    stage.running("quiet").await;
    let before = stage.zinit.connections();
    stage.zinit.flood("chatty");
    stage.manager.logs("chatty", None, Duration::ZERO).await.unwrap();
    let followed = || async { (stage.zinit.connections().0 > before.0).then_some(()) };
    eventually("it is followed", LIMIT, followed).await;
    let begun = Instant::now();
    for _round in 0..20 {
        stage.manager.list().await.unwrap();
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "calls waited behind the lines: {took:?}");
    let given_back = || async { (stage.zinit.connections() == before).then_some(()) };
    eventually("the connection is given back when nobody reads", LIMIT, given_back).await;
    // Whoever comes back finds it as it was, and goes on.
    let mut place = None;
    read(&stage, "chatty", &mut place, 1).await;
    stage.zinit.write("chatty", "+", "still here");
    let found = eventually("the new line is read", LIMIT, || {
        let (stage, mut place) = (&stage, place);
        async move { read(stage, "chatty", &mut place, 1).await.into_iter().find(|text| text == "still here") }
    });
    found.await;
}
