//! What actors and jobs use, on a Cluster: other nodes read it from whichever server has the key.

use hero_supervisor::proto as pb;

use crate::support::full_service::{client, run};
use crate::support::lent_cluster::LentCluster;
use crate::support::load::MarkedService;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn another_node_sees_what_actors_and_jobs_use() {
    let cluster = LentCluster::take().await;
    let stage = MarkedService::start(&cluster.url(), &["--node", "here"]).await;
    let args = ["--redis-url", &cluster.url(), "--process-manager", "local", "--node", "there"];
    let other = Service::serve(&args).await;
    let mut there = client(&other);
    for actor_id in ["sal_actor_0", "sal_actor_1"] {
        let usage = eventually("the other node tells the usage", LIMIT, || async {
            let request = pb::GetActorRequest { actor_id: actor_id.to_owned(), ..Default::default() };
            there.clone().get_actor(request).await.unwrap().into_inner().actor.unwrap().usage
        })
        .await;
        assert!(usage.memory_bytes > 1_000_000 && usage.processes >= 2, "{usage:?}");
    }
    let ran = run(&stage.client(), stage.marking("used")).await;
    let request = pb::GetJobRequest { job_id: ran.job_id.clone(), ..Default::default() };
    let read = there.get_job(request).await.unwrap().into_inner().job.unwrap();
    let used = read.usage.unwrap();
    assert_eq!(Some(&used), ran.usage.as_ref(), "who waits is told the same as who reads");
    // It sleeps for 20 ms.
    assert!(used.peak_memory_bytes() > 1_000_000 && used.cpu_time.is_some(), "{used:?}");
}
