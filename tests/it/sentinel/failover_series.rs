//! One failover after another, at a steady load.

use tokio::time::Instant;

use super::failover::{Loss, Stage};
use crate::support::failovers::{judge, rounds};
use crate::support::load::Load;

#[tokio::test(flavor = "multi_thread")]
async fn a_series_of_failovers_loses_no_job_and_doubles_none() {
    let mut stage = Stage::start(&["--durability", "replicated"]).await;
    let load = Load::start(&stage.marked);
    let mut begun = Vec::new();
    for loss in [Loss::Killed, Loss::Frozen, Loss::Demoted].into_iter().cycle().take(rounds()) {
        load.more().await;
        begun.push(Instant::now());
        stage.lose(loss).await;
        load.more().await;
        stage.sentinels.until_ready().await;
    }
    load.more().await;
    let ends = load.ends().await;
    let names: Vec<String> = ends.iter().map(|(name, _at)| name.clone()).collect();
    stage.marked.each_was_run_once(&names).await;
    judge("Sentinel", &begun, &ends);
}
