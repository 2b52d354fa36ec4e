//! Slots go from server to server under load: no job is lost, and none runs twice.

use crate::support::cluster::PrivateCluster;
use crate::support::full_service::run;
use crate::support::load::{Load, MarkedService};

/// Slots of the queue of SAL, of the events of actors, and of the records of actors.
const SLOTS: [u16; 3] = [5225, 9102, 9444];

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "figures for docs/fleet.md, shown with --nocapture")]
async fn slots_that_move_under_load_cost_no_job_and_double_none() {
    let mut cluster = PrivateCluster::start().await;
    let stage = MarkedService::start(&cluster.url(), &[]).await;
    let load = Load::start(&stage);
    load.more().await;
    for _round in 0..2 {
        for slot in SLOTS {
            let from = cluster.owner(slot).await.unwrap();
            cluster.move_slot(slot, from, (from + 1) % 3).await;
        }
        load.more().await;
    }
    // A server that joins has no functions until a supervisor brings them.
    let new = cluster.join().await;
    let from = cluster.owner(SLOTS[0]).await.unwrap();
    cluster.move_slot(SLOTS[0], from, new).await;
    load.more().await;
    let (names, longest) = load.end().await;
    stage.each_was_run_once(&names).await;
    assert_eq!(run(&stage.client(), stage.marking("last")).await.result(), "last");
    let mut list = redis::cmd("FUNCTION");
    let libraries: redis::Value = cluster.ask(new, list.arg("LIST")).await.unwrap();
    assert!(format!("{libraries:?}").contains("hero_v1"), "{libraries:?}");
    eprintln!("{} jobs, {longest:?} without a completed one", names.len());
}
