//! The primary is lost in every way under load: no accepted job is lost, none runs twice, and nobody waits without end.

use std::time::Duration;

use hero_supervisor::proto as pb;

use crate::support::full_service::{self, ALLOWANCE, JOBS, READY, until_serves};
use crate::support::load::{Load, MarkedService};
use crate::support::sentinels::Sentinels;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

/// Longest time without a completed job.
const OUTAGE: Duration = Duration::from_secs(10);
/// The whole service on Sentinels, with two actors that are told by the supervisor where Redis is.
pub(super) struct Stage {
    pub(super) sentinels: Sentinels,
    pub(super) marked: MarkedService,
}

impl Stage {
    pub(super) async fn start(flags: &[&str]) -> Self {
        let sentinels = Sentinels::start().await;
        let marked = MarkedService::start(&sentinels.url(), flags).await;
        Self { sentinels, marked }
    }

    /// The messages of events about Redis.
    async fn told_of_redis(&self) -> Vec<String> {
        let topics = vec![pb::event::Topic::Server.into()];
        let request = pb::ListEventsRequest { topics, ..Default::default() };
        let events = self.marked.client().list_events(request).await.unwrap().into_inner().events;
        let messages = events.into_iter().map(|event| event.message);
        messages.filter(|message| message.starts_with("Redis")).collect()
    }
}

/// A way to lose a primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    Killed,
    Frozen,
    Demoted,
}

impl Stage {
    /// Loses the primary in this way, and gives the former one back as a replica: with `replicated` there has to be one.
    pub(super) async fn lose(&mut self, loss: Loss) -> (usize, usize) {
        let (before, _port) = self.sentinels.primary().await.unwrap();
        match loss {
            Loss::Killed => self.sentinels.kill9(before),
            Loss::Frozen => self.sentinels.freeze(before),
            Loss::Demoted => self.sentinels.swap().await,
        }
        let after = self.sentinels.until_moved_from(before).await;
        match loss {
            Loss::Killed => self.sentinels.restart(before),
            Loss::Frozen => self.sentinels.thaw(before),
            Loss::Demoted => {}
        }
        (before, after)
    }
}

#[expect(clippy::print_stderr, reason = "figures for docs/benchmarks.md, shown with --nocapture")]
async fn survives(loss: Loss) {
    let mut stage = Stage::start(&["--durability", "replicated"]).await;
    let load = Load::start(&stage.marked);
    load.more().await;
    let (before, after) = stage.lose(loss).await;
    load.more().await;
    stage.sentinels.until_ready().await;
    load.more().await;
    let (names, outage) = load.end().await;
    eprintln!("{loss:?}: {} jobs, {outage:?} without a completed one", names.len());
    until_serves(&stage.marked.service, &[(READY, true), (JOBS, true)]).await;

    let client = stage.marked.client();
    stage.marked.each_was_run_once(&names).await;
    assert!(outage < OUTAGE + ALLOWANCE, "{outage:?}");

    let libraries: String = format!(
        "{:?}",
        stage.sentinels.ask::<redis::Value>(after, redis::cmd("FUNCTION").arg("LIST")).await.unwrap()
    );
    assert!(libraries.contains("hero"), "{libraries}");
    let (_place, port) = stage.sentinels.primary().await.unwrap();
    let told = stage.told_of_redis().await;
    assert!(told.iter().any(|message| message.contains(&format!("primary 127.0.0.1:{port}"))), "{told:?}");
    let request = pb::GetServerInfoRequest::default();
    let info = client.clone().get_server_info(request).await.unwrap().into_inner();
    let redis = info.dependencies.iter().find(|dependency| dependency.name == "redis").unwrap();
    assert!(redis.message.contains(&format!("primary 127.0.0.1:{port} (epoch ")), "{redis:?}");
    nobody_is_left_at(&stage, before).await;
}

/// Sees that a former primary has no connection of supervisors and actors, and is written to by its primary only.
async fn nobody_is_left_at(stage: &Stage, former: usize) {
    eventually("all connections to the former primary are given up", LIMIT, || async {
        let list = stage.sentinels.ask::<String>(former, redis::cmd("CLIENT").arg("LIST")).await?;
        let ours = |line: &&str| {
            line.contains(" name= ") && !line.contains("cmd=client|list") && !line.contains(" flags=M ")
        };
        (list.lines().filter(ours).count() == 0).then_some(())
    })
    .await;
    stage.sentinels.ask::<()>(former, redis::cmd("CONFIG").arg("RESETSTAT")).await.unwrap();
    assert_eq!(
        full_service::run(&stage.marked.client(), stage.marked.marking("last")).await.result(),
        "last"
    );
    let stats = redis::cmd("INFO").arg("commandstats").clone();
    let stats = stage.sentinels.ask::<String>(former, &stats).await.unwrap();
    assert!(!stats.contains("cmdstat_fcall") && !stats.contains("cmdstat_xreadgroup"), "{stats}");
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
