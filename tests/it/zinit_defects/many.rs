//! More services than Zinit can bear: dependents, and open files.

use futures::future::join_all;
use hero_supervisor::adapters::zinit::ZinitProcessManager;
use hero_supervisor::ports::process_manager::{ProcessError, ProcessManager, ProcessState};

use super::stage::{DefectiveZinit, GRACE, LIMIT, sleeper};
use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

/// Zinit hangs when a service with more than 256 dependents changes its state, and a stop of it stops all of them.
#[tokio::test]
async fn three_hundred_that_need_one_neither_hang_the_server_nor_stop_with_it() {
    let stage = DefectiveZinit::start().await;
    stage.manager.start(&sleeper("base")).await.unwrap();
    stage.running("base").await;
    let specs: Vec<_> = (0..300)
        .map(|number| {
            let mut spec = sleeper(&format!("a{number}"));
            spec.after = vec!["base".to_owned()];
            spec
        })
        .collect();
    let started = join_all(specs.iter().map(|spec| stage.manager.start(spec))).await;
    assert!(started.iter().all(Result::is_ok), "{started:?}");
    let all_run = || async {
        let list = stage.manager.list().await.unwrap();
        let running = list.iter().filter(|info| matches!(info.state, ProcessState::Running { .. })).count();
        (running == 301).then_some(())
    };
    eventually("all run", LIMIT, all_run).await;
    stage.manager.stop("base", GRACE).await.unwrap();
    stage.manager.start(&sleeper("base")).await.unwrap();
    eventually("all run", LIMIT, all_run).await;
    stage.manager.probe().await.unwrap();
}

#[tokio::test]
async fn a_start_is_refused_before_zinit_runs_out_of_open_files() {
    let zinit = PrivateZinit::start_with_files(80).await;
    let manager = ZinitProcessManager::new(zinit.socket());
    let mut refused = None;
    for number in 0..30 {
        if let Err(error) = manager.start(&sleeper(&format!("a{number}"))).await {
            refused = Some((number, error));
            break;
        }
    }
    let (number, error) = refused.unwrap();
    assert!(matches!(error, ProcessError::Rejected { .. }), "{error:?}");
    assert!(error.to_string().contains("zinit may open 80 files"), "{error}");
    assert_eq!(number, 10);
    manager.probe().await.unwrap();
    // Room for one is room for another one.
    manager.stop("a0", GRACE).await.unwrap();
    manager.start(&sleeper("b")).await.unwrap();
    manager.close().await;
}
