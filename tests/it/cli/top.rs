//! `top` on a terminal: what is seen, what keys do, and what becomes of it when the server is away.
//!
//! The screens are files beside this one. `HERO_GENERATE=1` writes them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hero_supervisor::domain::model::usage::TreeReading;
use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;

use super::client::service;
use crate::grpc_surface::actors::create;
use crate::grpc_surface::on_memory::{GrpcOnMemory, osis, soon};
use crate::support::redis::PrivateRedis;
use crate::support::terminal::Terminal;

const READING: TreeReading = TreeReading {
    started: 1,
    cpu: Duration::from_secs(1),
    memory_bytes: 3 << 20,
    open_files: Some(12),
    threads: 9,
    processes: 2,
};

/// A server with two actors, one of them stopped, a queue that is paused, and a job that waits.
async fn world() -> GrpcOnMemory {
    let world = GrpcOnMemory::prepare().tell_of_actors().serve_unix();
    let mut client = world.client();
    for (name, start) in [("runs", true), ("stopped", false)] {
        world.usage.set(name, READING);
        let request = pb::CreateActorRequest { start: Some(start), ..create(name) };
        soon("CreateActor", client.create_actor(request)).await.unwrap();
    }
    let reason = "a quiet hour".to_owned();
    let pause =
        pb::PauseQueueRequest { script_type: pb::ScriptType::Python.into(), reason, ..Default::default() };
    client.pause_queue(pause).await.unwrap();
    let job = osis("print(1)").map(|spec| pb::SubmitJobRequest {
        job: Some(spec),
        job_id: "waits".to_owned(),
        ..Default::default()
    });
    client.submit_job(job.unwrap()).await.unwrap();
    world
}

fn top(world: &GrpcOnMemory) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hero-supervisor"));
    command.args(["top", "--every", "50ms", "--server"]).arg(world.address());
    command
}

/// Compares a screen with its file. Ages are left out, and columns are moved together where there was one.
fn compare(name: &str, screen: &str) {
    let is_age = |word: &str| {
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        word != unit && ["ms", "s", "m", "h", "d"].contains(&unit)
    };
    let line = |line: &str| {
        if !line.split_whitespace().any(|word| is_age(word) || word == "AGE") {
            return line.to_owned();
        }
        let words = line.split("  ").filter(|word| !word.is_empty()).map(str::trim);
        words.map(|word| if is_age(word) { "AGE" } else { word }).collect::<Vec<_>>().join("  ")
    };
    let shown = screen.lines().map(line).collect::<Vec<_>>().join("\n") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/cli/top/{name}.txt"));
    if std::env::var_os("HERO_GENERATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &shown).unwrap();
    }
    assert_eq!(shown, std::fs::read_to_string(&file).unwrap_or_default(), "{}", file.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screens_are_as_they_were() {
    let world = world().await;
    let mut top = Terminal::start(top(&world), 100);
    top.has_line(&["› runs", "running", "0.0%", "3.0 MiB"]).await;
    top.has_line(&["live: 1 of 2 actors run, 0 jobs run, 1 wait"]).await;
    compare("overview", &top.screen());
    assert!(top.text().contains("\x1b[38;5;3"), "the paused queue is yellow: {:?}", top.text());

    top.types("?");
    top.has_line(&["Any key closes this."]).await;
    compare("help", &top.screen());
    top.types(" ");
    top.has_line(&["› runs"]).await;
    top.types("s");
    top.has_line(&["stop runs? It has no job in flight. [y/N]"]).await;
    compare("question", &top.screen());
    top.types("n/stop");
    top.has_line(&["/stop_"]).await;
    top.has_line(&["› stopped"]).await;
    compare("filter", &top.screen());
    top.types("\r\x1b");
    top.has_line(&["› runs"]).await;

    // Only the pane that keys go to has room there.
    top.resize(8, 50);
    top.has_line(&["› runs", "3.0 MiB"]).await;
    compare("small", &top.screen());
    top.types("q");
    let (code, text) = top.ended().await;
    assert_eq!(code, 0, "{text:?}");
    assert!(text.contains("\x1b[?1049h") && text.contains("\x1b[?1049l"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_do_what_they_say() {
    let world = world().await;
    let mut command = top(&world);
    command.env("NO_COLOR", "1");
    let mut top = Terminal::start(command, 100);
    top.has_line(&["› runs", "running"]).await;
    top.types("sy");
    top.has_line(&["› runs", "stopped"]).await;
    top.types("s");
    top.has_line(&["› runs", "running"]).await;
    top.types("ry");
    top.has_line(&["runs restarts"]).await;
    top.types("l");
    top.has_line(&["log of runs"]).await;
    top.types("\x1b");
    top.has_line(&["› runs"]).await;

    top.types("\t");
    top.has_line(&["› waits", "queued"]).await;
    top.types("cn");
    top.has_line(&["nothing was done"]).await;
    top.types("cy");
    top.has_line(&["› waits", "cancelled"]).await;

    top.types("\t");
    top.has_line(&["› osis", "open"]).await;
    top.types("py");
    top.has_line(&["› osis", "paused", "top"]).await;
    top.types("p");
    top.has_line(&["› osis", "open"]).await;
    top.types("\x03");
    let (code, text) = top.ended().await;
    assert_eq!(code, 130, "{text:?}");
    assert!(!text.contains("\x1b[38;5"), "NO_COLOR: {text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_the_server() {
    let redis = PrivateRedis::start().await;
    let mut service = service(&redis).await;
    let mut top = Terminal::start(service.client(["top", "--every", "50ms"]), 80);
    top.has_line(&["live: 0 of 0 actors run"]).await;
    top.has_line(&["python", "open"]).await;
    service.signal(Signal::SIGKILL);
    service.ended().await;
    top.has_line(&["connection lost, reconnecting"]).await;
    top.has_line(&["python", "open"]).await;
    service.restart().await;
    top.has_line(&["live: 0 of 0 actors run"]).await;
    let id = service.run(["job", "submit", "1"]).stdout.trim().to_owned();
    top.has_line(&[&id[..13], "osis", "queued"]).await;
    top.types("q");
    assert_eq!(top.ended().await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_queue_has_its_row_in_the_screen_and_in_the_plain_table() {
    let world = world().await;
    let mut client = world.client();
    let gpu =
        pb::CreateQueueRequest { queue: "osis-gpu".to_owned(), script_type: pb::ScriptType::Osis.into() };
    client.create_queue(gpu).await.unwrap();
    let job = osis("1").map(|spec| pb::JobSpec { queue: "osis-gpu".to_owned(), ..spec });
    client.submit_job(pb::SubmitJobRequest { job, ..Default::default() }).await.unwrap();
    let mut top = Terminal::start(top(&world), 100);
    top.has_line(&["osis-gpu", "open", "1"]).await;
    top.types("\x1b[Z/gpu\r");
    top.has_line(&["› osis-gpu"]).await;
    top.types("py");
    top.has_line(&["› osis-gpu", "paused"]).await;
    top.types("q");
    top.ended().await;
    let plain = tokio::task::spawn_blocking(move || {
        let mut once = Command::new(env!("CARGO_BIN_EXE_hero-supervisor"));
        once.args(["top", "--once", "--server"]).arg(world.address()).output().unwrap()
    });
    let plain = String::from_utf8(plain.await.unwrap().stdout).unwrap();
    let row = plain.lines().find(|line| line.starts_with("osis-gpu")).unwrap_or_else(|| panic!("{plain}"));
    assert!(row.contains("paused"), "{row}");
}
