//! The real grpcurl, as people use it.

use std::path::PathBuf;

use tokio::process::Command;

use super::on_memory::{GrpcOnMemory, soon};

/// From PATH, or where `go install` puts it.
fn grpcurl() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    folders.push(home.join("go/bin"));
    let found = folders.into_iter().map(|folder| folder.join("grpcurl")).find(|path| path.is_file());
    found.expect(
        "grpcurl is not installed: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest, \
         and put ~/go/bin into PATH",
    )
}

async fn run(args: &[&str]) -> (bool, String) {
    let mut command = Command::new(grpcurl());
    command.args(["-plaintext", "-max-time", "15"]).args(args).kill_on_drop(true);
    let output = soon("grpcurl", command.output()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn grpcurl_lists_describes_and_runs() {
    let mut world = GrpcOnMemory::prepare();
    let address = format!("127.0.0.1:{}", world.serve_tcp().await);
    world.start_osis_worker();

    let (done, text) = run(&[&address, "list"]).await;
    assert!(done && text.contains("hero.supervisor.v1.Supervisor"), "{text}");
    let (done, text) = run(&[&address, "describe", "hero.supervisor.v1.Supervisor.RunJob"]).await;
    assert!(done && text.contains("Submits a job and waits for its end."), "{text}");

    let job = r#"{"job":{"scriptType":"SCRIPT_TYPE_OSIS","script":"40 + 2"},"maxWait":"10s"}"#;
    let (done, text) = run(&["-d", job, &address, "hero.supervisor.v1.Supervisor/RunJob"]).await;
    assert!(done, "{text}");
    for part in [r#""state": "STATE_SUCCEEDED""#, r#""result": "42""#, r#""WAIT_OUTCOME_DONE""#] {
        assert!(text.contains(part), "{part} is not in {text}");
    }

    let bad = r#"{"job":{"scriptType":"SCRIPT_TYPE_OSIS","script":""},"maxWait":"-1s"}"#;
    let (done, text) = run(&["-d", bad, &address, "hero.supervisor.v1.Supervisor/RunJob"]).await;
    assert!(!done && text.contains("InvalidArgument"), "{text}");
    for part in ["INVALID_FIELD", "job.script", "max_wait", "supervisor.hero"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}
