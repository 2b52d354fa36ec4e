//! What is different for a person at a terminal: tables fit it, and questions are asked.

use super::client::service;
use crate::support::redis::PrivateRedis;
use crate::support::service::Service;
use crate::support::terminal::Terminal;

/// A line without orders to the terminal.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.trim_end_matches('\r');
    while let Some((before, order)) = rest.split_once("\x1b[") {
        text.push_str(before);
        let end = order.find(|c: char| c.is_ascii_alphabetic()).map_or(order.len(), |at| at + 1);
        rest = &order[end..];
    }
    text + rest
}

async fn shown(service: &Service, args: &[&str], columns: u16) -> String {
    let (code, text) = Terminal::start(service.client(args), columns).ended().await;
    assert_eq!(code, 0, "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_fit_the_terminal_and_colour_is_for_trouble() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let id = service.run(["job", "submit", "1"]).stdout.trim().to_owned();
    service.run(["job", "cancel", &id, "--reason", &"a long reason ".repeat(10)]);

    let fitted = shown(&service, &["job", "ls"], 70).await;
    let lines: Vec<String> = fitted.lines().map(plain).collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 70), "{fitted}");
    assert!(lines[1].starts_with(&id[..13]) && !fitted.contains(&id) && lines[1].ends_with('…'), "{fitted}");
    assert!(fitted.contains("\x1b[33mcancelled\x1b[0m"), "{fitted:?}");

    let wide = shown(&service, &["job", "ls", "--wide"], 70).await;
    assert!(wide.contains(&id) && wide.contains("CREATED"), "{wide}");
    let piped = service.run(["job", "ls"]).stdout;
    assert!(piped.contains(&id) && !piped.contains('\x1b'), "{piped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_removes_something_at_a_terminal_is_asked_first() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let ids: Vec<String> =
        (0..2).map(|_| service.run(["job", "submit", "1"]).stdout.trim().to_owned()).collect();
    let question = "cancel 2 jobs of the osis queue? [y/N]";
    for (answer, code, left) in [("n\n", 130, 2), ("\n", 130, 2), ("y\n", 0, 0)] {
        let mut purge = Terminal::start(service.client(["queue", "purge", "osis"]), 80);
        purge.shows(question, 0).await;
        purge.types(answer);
        let (ended, text) = purge.ended().await;
        assert_eq!(ended, code, "{answer:?}: {text}");
        let queued = service.run(["job", "ls", "--state", "queued", "-q"]).stdout;
        assert_eq!(queued.lines().count(), left, "{answer:?}: {text}");
    }
    let (code, text) = Terminal::start(service.client(["job", "rm", "--yes", &ids[0]]), 80).ended().await;
    assert_eq!(code, 0, "--yes is not asked: {text}");
}
