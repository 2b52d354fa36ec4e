//! What processes leave behind when they end by themselves.

use std::path::Path;
use std::time::Duration;

use hero_supervisor::ports::process_manager::{ProcessManager, ProcessState};

use super::stage::{DefectiveZinit, GRACE, LIMIT, lives, policy, shell};
use crate::support::wait::eventually;

/// The pid that a script has written into a file.
async fn pid_in(file: &Path) -> u32 {
    let read = || async { std::fs::read_to_string(file).ok()?.trim().parse().ok() };
    eventually(&format!("{} has a pid", file.display()), LIMIT, read).await
}

#[tokio::test]
async fn children_of_a_crashed_process_end_and_those_of_the_next_one_live() {
    let stage = DefectiveZinit::start().await;
    let (child, crash) = (stage.zinit.path("child"), stage.zinit.path("crash"));
    let script = format!(
        "sleep 1000 & echo $! > {0}.new && mv {0}.new {0}; while ! test -e {1}; do sleep 0.05; done; rm {1}; exit 1",
        child.display(),
        crash.display()
    );
    let mut spec = shell("a", &script);
    spec.restart = policy(Duration::from_secs(2));
    stage.manager.start(&spec).await.unwrap();
    let first = stage.running("a").await;
    let old_child = pid_in(&child).await;
    std::fs::remove_file(&child).unwrap();
    std::fs::write(&crash, "").unwrap();
    stage.until("a", "waits", |state| matches!(state, ProcessState::Backoff { .. }).then_some(())).await;
    assert!(lives(old_child), "zinit leaves it");
    assert!(!stage.manager.end_orphan("a", first, GRACE).await.unwrap(), "the process itself is gone");
    eventually("the child is gone", LIMIT, || async { (!lives(old_child)).then_some(()) }).await;
    let second = stage.running_anew("a", first).await;
    let new_child = pid_in(&child).await;
    assert!(!stage.manager.end_orphan("a", first, GRACE).await.unwrap());
    // Nor is anything of another name touched.
    assert!(!stage.manager.end_orphan("b", second, GRACE).await.unwrap());
    assert!(lives(second) && lives(new_child));
}

#[tokio::test]
async fn a_health_check_that_hangs_ends() {
    let stage = DefectiveZinit::start().await;
    let file = stage.zinit.path("check");
    let mut spec = shell("a", "exec sleep 1000");
    spec.health_check = Some(format!("echo $$ > {}; sleep 1000; true", file.display()));
    spec.start_timeout = Duration::from_secs(2);
    stage.manager.start(&spec).await.unwrap();
    let check = pid_in(&file).await;
    eventually("the check is gone", LIMIT, || async { (!lives(check)).then_some(()) }).await;
    stage.manager.stop("a", GRACE).await.unwrap();
    let last = pid_in(&file).await;
    eventually("the last check is gone", LIMIT, || async { (!lives(last)).then_some(()) }).await;
}
