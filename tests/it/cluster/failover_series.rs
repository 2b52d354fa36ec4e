//! One failover of a primary after another, at a steady load.

use tokio::time::Instant;

use super::failover::{Loss, lose};
use crate::support::cluster::PrivateCluster;
use crate::support::failovers::{judge, rounds};
use crate::support::load::{Load, MarkedService};

#[tokio::test(flavor = "multi_thread")]
async fn a_series_of_failovers_loses_no_job_and_doubles_none() {
    let mut cluster = PrivateCluster::start_with_replicas().await;
    let stage = MarkedService::start(&cluster.url(), &["--durability", "replicated"]).await;
    let load = Load::start(&stage);
    let mut begun = Vec::new();
    for loss in [Loss::Killed, Loss::Frozen, Loss::Demoted].into_iter().cycle().take(rounds()) {
        load.more().await;
        begun.push(Instant::now());
        lose(&mut cluster, loss).await;
        load.more().await;
        cluster.until_whole().await;
    }
    load.more().await;
    let ends = load.ends().await;
    let names: Vec<String> = ends.iter().map(|(name, _at)| name.clone()).collect();
    stage.each_was_run_once(&names).await;
    judge("Cluster", &begun, &ends);
}
