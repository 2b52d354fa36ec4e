//! The client of every language does what `clients/conformance` says, against a real supervisor.

mod compare;
mod golden;
mod heads;
mod line;
mod load;
mod other_network;
mod runner;
mod scenario;
mod secrets;
mod stage;

use serde_json::Value;
use tokio::sync::Semaphore;

use line::Over;
use scenario::Scenario;
use stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_passes_the_conformance_scenarios() {
    passes("go", Over::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_passes_the_conformance_scenarios() {
    passes("java", Over::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_passes_the_conformance_scenarios_over_a_unix_socket() {
    passes("java", Over::Unix).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_passes_the_conformance_scenarios() {
    passes("python", Over::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_that_blocks_passes_the_conformance_scenarios_over_a_unix_socket() {
    passes("python-blocking", Over::Unix).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_passes_the_conformance_scenarios_over_a_unix_socket() {
    passes("rust", Over::Unix).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_passes_the_conformance_scenarios() {
    passes("typescript", Over::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_passes_the_conformance_scenarios_over_a_unix_socket() {
    passes("typescript", Over::Unix).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_passes_the_conformance_scenarios_over_grpc_web() {
    passes("typescript-web", Over::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_passes_the_conformance_scenarios_over_tls() {
    passes("go", Over::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_passes_the_conformance_scenarios_with_a_certificate_and_a_token() {
    passes("go", Over::MutualTls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_passes_the_conformance_scenarios_over_tls() {
    passes("java", Over::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_passes_the_conformance_scenarios_with_a_certificate_and_a_token() {
    passes("java", Over::MutualTls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_passes_the_conformance_scenarios_over_tls() {
    passes("python", Over::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_passes_the_conformance_scenarios_with_a_certificate_and_a_token() {
    passes("python", Over::MutualTls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_that_blocks_passes_the_conformance_scenarios_over_tls() {
    passes("python-blocking", Over::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_that_blocks_passes_the_conformance_scenarios_with_a_certificate_and_a_token() {
    passes("python-blocking", Over::MutualTls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_passes_the_conformance_scenarios_over_tls() {
    passes("rust", Over::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_passes_the_conformance_scenarios_with_a_certificate_and_a_token() {
    passes("rust", Over::MutualTls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_passes_the_conformance_scenarios_over_tls() {
    passes("typescript", Over::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_passes_the_conformance_scenarios_with_a_certificate_and_a_token() {
    passes("typescript", Over::MutualTls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_passes_the_conformance_scenarios_over_grpc_web_and_tls() {
    passes("typescript-web", Over::Tls).await;
}

/// Stages at a time: each has a server, actors and a client's runtime, and scenarios tell short breaks from long ones.
static STAGES: Semaphore = Semaphore::const_new(2);

/// Every scenario that this server can play, one after the other; what fails is told together.
async fn passes(language: &str, over: Over) {
    let _turn = STAGES.acquire().await.unwrap();
    // Declared first, so that it is dropped last: behind the logs of the stage, which can be long.
    let mut last = LastWords(format!("{language}: while the stage was set"));
    let mut stage = Stage::set(language, over).await;
    let info = stage.call("GetServerInfo", serde_json::json!({})).await;
    let can = |call: &str| {
        info["ok"]["capabilities"].as_array().is_some_and(|names| names.iter().any(|name| name == call))
    };
    let only = std::env::var("HERO_SCENARIO").unwrap_or_default();
    let mut failed = Vec::new();
    for scenario in Scenario::all() {
        // A client can be newer than the server that it talks to.
        if !scenario.requires.iter().all(|call| can(call)) || !scenario.name.contains(&only) {
            continue;
        }
        let beside_the_way = scenario.tokens && !matches!(over, Over::MutualTls)
            || scenario.looks_into_the_line() && over.is_encrypted();
        if beside_the_way {
            continue;
        }
        last.0 = format!("{language}: in {}, after {failed:?}", scenario.name);
        if let Err(why) = stage.play(&scenario).await {
            failed.push(format!("{}: {why}", scenario.name));
            last.0 = format!("{language}: while the stage was set again, after {failed:?}");
            stage = Stage::set(language, over).await;
        }
    }
    last.0 = format!("{language}: in the golden files, after {failed:?}");
    failed.extend(golden::differences(&mut stage).await);
    last.0 = format!("{language} fails in {}:\n\n{}", failed.len(), failed.join("\n\n"));
    assert!(failed.is_empty(), "{}", last.0);
}

/// What went wrong, told once more when a test fails, at the end of what it prints.
struct LastWords(String);

impl Drop for LastWords {
    #[expect(clippy::print_stderr, reason = "a failed test says why")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// A value as it is shown in a failure: enough to see what is wrong.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    text.char_indices().nth(1500).map_or(text.clone(), |(end, _)| format!("{} …", &text[..end]))
}
