//! A primary is lost in every way under load: no accepted job is lost, none runs twice, and nobody waits without end.

use std::time::Duration;

use hero_supervisor::proto as pb;

use crate::support::cluster::PrivateCluster;
use crate::support::full_service::{ALLOWANCE, JOBS, READY, run, until_serves};
use crate::support::load::{Load, MarkedService};

/// Longest time without a completed job.
const OUTAGE: Duration = Duration::from_secs(10);
/// Slot of the queue of SAL.
pub(super) const SAL: u16 = 5225;

/// A way to lose a primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    Killed,
    Frozen,
    Demoted,
}

/// Loses the primary of SAL's queue in this way, and gives the former one back as a replica: with `replicated` there has to be
/// one.
pub(super) async fn lose(cluster: &mut PrivateCluster, loss: Loss) -> (usize, usize) {
    let before = cluster.owner(SAL).await.unwrap();
    let after = match loss {
        Loss::Killed => {
            cluster.kill9(before);
            cluster.until_moved(SAL, before).await
        }
        Loss::Frozen => {
            cluster.freeze(before);
            cluster.until_moved(SAL, before).await
        }
        Loss::Demoted => cluster.swap(SAL, before).await,
    };
    match loss {
        Loss::Killed => cluster.restart(before),
        Loss::Frozen => cluster.thaw(before),
        Loss::Demoted => {}
    }
    (before, after)
}

#[expect(clippy::print_stderr, reason = "figures for docs/benchmarks.md, shown with --nocapture")]
async fn survives(loss: Loss) {
    let mut cluster = PrivateCluster::start_with_replicas().await;
    let stage = MarkedService::start(&cluster.url(), &["--durability", "replicated"]).await;
    let load = Load::start(&stage);
    load.more().await;
    let (before, after) = lose(&mut cluster, loss).await;
    load.more().await;
    cluster.until_whole().await;
    load.more().await;
    let (names, outage) = load.end().await;
    eprintln!("{loss:?}: {} jobs, {outage:?} without a completed one", names.len());
    until_serves(&stage.service, &[(READY, true), (JOBS, true)]).await;
    stage.each_was_run_once(&names).await;
    assert!(outage < OUTAGE + ALLOWANCE, "{outage:?}");

    let request = pb::GetServerInfoRequest::default();
    let info = stage.client().get_server_info(request).await.unwrap().into_inner();
    let redis = info.dependencies.iter().find(|dependency| dependency.name == "redis").unwrap();
    let at = format!("127.0.0.1:{}", cluster.port(after));
    assert!(redis.message.contains(&at) && redis.message.contains("Cluster, epoch"), "{redis:?}");
    nobody_writes_to(&cluster, before, &stage).await;
}

/// Sees that a former primary is written to by its primary only.
async fn nobody_writes_to(cluster: &PrivateCluster, former: usize, stage: &MarkedService) {
    cluster.ask::<()>(former, redis::cmd("CONFIG").arg("RESETSTAT")).await.unwrap();
    assert_eq!(run(&stage.client(), stage.marking("last")).await.result(), "last");
    let stats: String = cluster.ask(former, redis::cmd("INFO").arg("commandstats")).await.unwrap();
    assert!(!stats.contains("cmdstat_fcall:") && !stats.contains("cmdstat_xreadgroup"), "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_killed_costs_no_job_and_doubles_none() {
    survives(Loss::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs_costs_no_job_and_doubles_none() {
    survives(Loss::Frozen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_demoted_costs_no_job_and_doubles_none() {
    survives(Loss::Demoted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_on_other_servers_go_on_while_one_is_away() {
    let mut cluster = PrivateCluster::start().await;
    let stage = MarkedService::start(&cluster.url(), &[]).await;
    assert_eq!(run(&stage.client(), stage.marking("first")).await.result(), "first");
    // The queue of OSIS lies on another server than that of SAL.
    let (sal, osis) = (cluster.owner(SAL).await.unwrap(), cluster.owner(13090).await.unwrap());
    assert_ne!(sal, osis);
    let mut partial = redis::cmd("CONFIG");
    partial.arg("SET").arg("cluster-require-full-coverage").arg("no");
    for place in 0..3 {
        cluster.ask::<()>(place, &partial).await.unwrap();
    }
    cluster.kill9(osis);
    assert_eq!(run(&stage.client(), stage.marking("second")).await.result(), "second");
}
