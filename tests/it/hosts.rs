//! Three hosts, each with a network, a Zinit, a supervisor and an actor of its own. One of them is cut off, freezes or dies under
//! load: its jobs go elsewhere, its actors are shown with the reason, and it comes back by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::State;
use pb::job::State as JobState;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::cluster::PrivateCluster;
use crate::support::full_service::{Client, actors, client, create, run, span, told, until_actor};
use crate::support::hosts::Networks;
use crate::support::sentinels::Sentinels;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

/// Number of hosts. The last one is the one that is lost.
const HOSTS: usize = 3;
const LOST: usize = HOSTS - 1;
/// Callers that run one job after another: as many as jobs run at a time, so that each host has some.
const CALLERS: usize = 2 * HOSTS;
/// Jobs that end while a host is away.
const MEANWHILE: usize = 12;

struct Host {
    // Ends before its Zinit.
    service: Service,
    zinit: PrivateZinit,
}

/// All hosts, and a file in which jobs leave a mark each time that they are run.
struct Fleet {
    hosts: Vec<Host>,
    marks: TempDir,
    networks: Networks,
}

/// A way to lose a host.
#[derive(Debug, Clone, Copy)]
enum Loss {
    CutOff,
    Frozen,
    Killed,
}

impl Fleet {
    async fn start(networks: Networks, url: &str) -> Self {
        let marks = tempfile::tempdir_in("/tmp").unwrap();
        let mut hosts = Vec::new();
        for host in 0..HOSTS {
            let zinit = PrivateZinit::start_behind(networks.on(host)).await;
            let (socket, node) = (zinit.socket().display().to_string(), format!("host-{host}"));
            let args = ["--redis-url", url, "--zinit-socket", &socket, "--node", &node, "--lease", "2s"];
            let service = Service::serve_behind(networks.on(host), &args).await;
            hosts.push(Host { service, zinit });
        }
        let fleet = Self { hosts, marks, networks };
        for host in 0..HOSTS {
            // All of them by calls to the first one.
            create(&mut fleet.client(), Self::definition(host)).await;
        }
        fleet
    }

    fn client(&self) -> Client {
        client_of(&self.hosts[0])
    }

    /// What makes the actor of a host.
    fn definition(host: usize) -> pb::CreateActorRequest {
        let config = pb::ActorConfig {
            script_type: pb::ScriptType::Sal.into(),
            binary_path: env!("CARGO_BIN_EXE_sal_actor").to_owned(),
            args: ["--concurrency", "2"].map(str::to_owned).to_vec(),
            start_timeout: span(LIMIT),
            ..Default::default()
        };
        pb::CreateActorRequest {
            actor_id: format!("actor_{host}"),
            config: Some(config),
            node: format!("host-{host}"),
            max_wait: span(LIMIT),
            ..Default::default()
        }
    }

    async fn lose(&mut self, loss: Loss) {
        let host = &mut self.hosts[LOST];
        match loss {
            Loss::CutOff => self.networks.cut(LOST),
            Loss::Frozen => {
                host.service.signal(Signal::SIGSTOP);
                host.zinit.signal_all(Signal::SIGSTOP);
            }
            Loss::Killed => {
                host.service.signal(Signal::SIGKILL);
                host.service.ended().await;
                host.zinit.kill_server();
                host.zinit.kill_orphans();
            }
        }
    }

    async fn mend(&mut self, loss: Loss) {
        let host = &mut self.hosts[LOST];
        match loss {
            Loss::CutOff => self.networks.join(LOST),
            Loss::Frozen => {
                host.zinit.signal_all(Signal::SIGCONT);
                host.service.signal(Signal::SIGCONT);
            }
            Loss::Killed => {
                host.zinit.launch().await;
                host.service.restart().await;
            }
        }
    }
}

/// A job that leaves a mark each time that it is run. Every other one may be run again.
fn marking(fleet: &Fleet, word: &str, repeats: bool) -> pb::JobSpec {
    let file = fleet.marks.path().join("marks");
    let script = format!("file_write_append(\"{}\", \"{word}\\n\"); sleep(0.1); \"{word}\"", file.display());
    let retry_policy = pb::RetryPolicy {
        max_attempts: Some(if repeats { 5 } else { 1 }),
        initial_backoff: span(Duration::from_millis(1)),
        max_backoff: span(Duration::from_millis(1)),
    };
    let script_type = pb::ScriptType::Sal.into();
    pb::JobSpec { script_type, script, retry_policy: Some(retry_policy), ..Default::default() }
}

/// Callers of the first host who run jobs until they are told to end.
struct Load {
    over: Arc<AtomicBool>,
    ended: Arc<AtomicUsize>,
    callers: JoinSet<Vec<(String, pb::Job)>>,
}

impl Load {
    fn start(fleet: &Fleet) -> Self {
        let (over, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (over, ended, client) = (Arc::clone(&over), Arc::clone(&ended), fleet.client());
            let jobs = [true, false].map(|repeats| marking(fleet, "WORD", repeats));
            callers.spawn(async move {
                let mut ran = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let name = format!("job-{caller}-{}", ran.len());
                    let mut job = jobs[ran.len() % 2].clone();
                    job.script = job.script.replace("WORD", &name);
                    ran.push((name, run(&client, job).await));
                    ended.fetch_add(1, Ordering::Relaxed);
                }
                ran
            });
        }
        Self { over, ended, callers }
    }

    /// Waits until some more jobs have ended.
    async fn more(&self) {
        let before = self.ended.load(Ordering::Relaxed);
        eventually("jobs end", LIMIT, || async {
            (self.ended.load(Ordering::Relaxed) >= before + MEANWHILE).then_some(())
        })
        .await;
    }

    /// Sees that each job has ended as it should, and was run no more often than it may be.
    async fn judge(self, fleet: &Fleet) {
        self.over.store(true, Ordering::Relaxed);
        let ran: Vec<_> = self.callers.join_all().await.into_iter().flatten().collect();
        let marks = std::fs::read_to_string(fleet.marks.path().join("marks")).unwrap();
        let times = |name: &str| marks.lines().filter(|mark| *mark == name).count();
        for (name, job) in &ran {
            let attempts = usize::try_from(job.attempt).unwrap();
            let is_repeatable = job.spec.as_ref().unwrap().retry_policy.as_ref().unwrap().max_attempts() > 1;
            if job.state() == JobState::Succeeded {
                assert_eq!(job.result(), name, "{job:?}");
                assert!((1..=attempts).contains(&times(name)), "{} marks: {job:?}", times(name));
            } else {
                assert!(job.state() == JobState::Failed && !is_repeatable, "{job:?}");
                let error = job.error.as_ref().unwrap();
                assert_eq!(error.kind(), pb::job_error::Kind::ActorLost, "{job:?}");
                assert!(times(name) <= 1, "{} marks: {job:?}", times(name));
            }
        }
        assert!(ran.iter().any(|(_name, job)| job.attempt > 1), "no job of the lost host went elsewhere");
    }
}

async fn survives_the_loss_of_a_host(networks: Networks, url: &str) {
    let mut fleet = Fleet::start(networks, url).await;
    let client = fleet.client();
    let nodes: Vec<String> = actors(&client).await.into_iter().map(|actor| actor.node).collect();
    assert_eq!(nodes, ["host-0", "host-1", "host-2"]);
    let load = Load::start(&fleet);
    for loss in [Loss::CutOff, Loss::Frozen, Loss::Killed] {
        load.more().await;
        fleet.lose(loss).await;
        let lost =
            until_actor(&client, "actor_2", "is unknown", |actor| actor.state() == State::Unknown).await;
        assert!(lost.status_message.contains("node host-2, may be down or cut off"), "{loss:?}: {lost:?}");
        let stop = pb::StopActorRequest { actor_id: "actor_2".to_owned(), ..Default::default() };
        let refused = told(&client.clone().stop_actor(stop).await.unwrap_err());
        assert_eq!(
            (&*refused.reason, &*refused.metadata["outcome"]),
            ("NODE_UNAVAILABLE", "none"),
            "{loss:?}"
        );
        load.more().await;
        fleet.mend(loss).await;
        until_actor(&client, "actor_2", "is back", |actor| actor.state() == State::Running).await;
        let job = pb::JobSpec { target_actor_id: "actor_2".to_owned(), ..sal("40 + 2") };
        assert_eq!(run(&client, job).await.result(), "42", "{loss:?}");
        let restart = pb::RestartActorRequest { actor_id: "actor_2".to_owned(), ..Default::default() };
        eventually("its supervisor takes calls again", LIMIT, || async {
            client.clone().restart_actor(restart.clone()).await.ok()
        })
        .await;
    }
    load.more().await;
    load.judge(&fleet).await;
    // Each of them is as good an address as the first one.
    for host in &fleet.hosts {
        let client = client_of(host);
        assert_eq!(run(&client, sal("40 + 2")).await.result(), "42");
        let stop = pb::StopActorRequest { actor_id: "actor_1".to_owned(), ..Default::default() };
        let start = pb::StartActorRequest { actor_id: "actor_1".to_owned(), ..Default::default() };
        assert!(client.clone().stop_actor(stop).await.unwrap().into_inner().changed);
        assert!(client.clone().start_actor(start).await.unwrap().into_inner().changed);
    }
}

fn client_of(host: &Host) -> Client {
    client(&host.service)
}

fn sal(script: &str) -> pb::JobSpec {
    pb::JobSpec { script_type: pb::ScriptType::Sal.into(), script: script.to_owned(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_hosts_is_lost_and_comes_back_on_sentinels() {
    let networks = Networks::new(3);
    let sentinels = Sentinels::start_at(&networks.here).await;
    survives_the_loss_of_a_host(networks, &sentinels.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_hosts_is_lost_and_comes_back_on_a_cluster() {
    let networks = Networks::new(3);
    let cluster = PrivateCluster::start_with(&networks.here, [3, 3], false).await;
    survives_the_loss_of_a_host(networks, &cluster.url()).await;
}
