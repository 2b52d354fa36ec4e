//! Three machines on one Redis, as one fleet: a number of actors counts over all of them.

use std::collections::BTreeMap;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::actor::State;
use tonic::Code;

use crate::support::full_service::{
    Client, actors, client, create, definition, osis, serve, span, submit, told,
};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

/// A machine: its supervisor ends before its Zinit.
struct Machine {
    service: Service,
    zinit: PrivateZinit,
}

/// Machines `a`, `b` and `c`.
struct Fleet {
    machines: Vec<Machine>,
    redis: PrivateRedis,
}

const NAMES: [&str; 3] = ["a", "b", "c"];
/// The last machine, which is lost.
const LOST: usize = 2;

impl Fleet {
    async fn start() -> Self {
        let redis = PrivateRedis::start().await;
        let mut machines = Vec::new();
        for name in NAMES {
            let zinit = PrivateZinit::start().await;
            let service = serve(&redis, &zinit, &["--node", name, "--lease", "2s"]).await;
            machines.push(Machine { service, zinit });
        }
        let fleet = Self { machines, redis };
        fleet.until_present(&NAMES).await;
        fleet
    }

    fn client(&self) -> Client {
        client(&self.machines[0].service)
    }

    /// Waits until these machines are there, and one of them leads.
    async fn until_present(&self, names: &[&str]) -> Vec<pb::Node> {
        eventually(&format!("{names:?} are there"), LIMIT, || async {
            let nodes = nodes(&self.client()).await;
            let present: Vec<&str> =
                nodes.iter().filter(|node| node.present).map(|node| node.node.as_str()).collect();
            let leads = |node: &&pb::Node| node.leads_fleet && node.present;
            (present == names && nodes.iter().filter(leads).count() == 1).then_some(nodes)
        })
        .await
    }

    /// Waits until so many actors run on each machine, and no other ones are meant to.
    async fn until_running(&self, expected: [usize; 3]) -> Vec<pb::Actor> {
        eventually(&format!("{expected:?} run"), LIMIT, || async {
            let all = actors(&self.client()).await;
            let up = |actor: &&pb::Actor| {
                let is_up = actor.desired_state() == pb::actor::DesiredState::Up;
                is_up && actor.state() != State::Unknown
            };
            let run = all.iter().filter(up).all(|actor| actor.state() == State::Running);
            (run && per_machine(&all) == expected).then_some(all)
        })
        .await
    }

    /// Kills the last machine with all that runs there.
    async fn lose(&mut self) {
        let machine = &mut self.machines[LOST];
        machine.service.signal(Signal::SIGKILL);
        machine.service.ended().await;
        machine.zinit.kill_server();
        machine.zinit.kill_orphans();
    }

    /// Scales by a call to the first machine.
    async fn scale(&self, replicas: i32) -> pb::ScaleActorsResponse {
        self.client().scale_actors(to_fleet(replicas)).await.unwrap().into_inner()
    }
}

/// All machines that are known.
async fn nodes(client: &Client) -> Vec<pb::Node> {
    client.clone().list_nodes(pb::ListNodesRequest {}).await.unwrap().into_inner().nodes
}

/// A request for so many actors on all machines.
fn to_fleet(replicas: i32) -> pb::ScaleActorsRequest {
    pb::ScaleActorsRequest {
        script_type: pb::ScriptType::Osis.into(),
        replicas: Some(replicas),
        scope: pb::ScaleScope::Fleet.into(),
        max_wait: span(LIMIT),
        reason: "for the test".to_owned(),
        ..Default::default()
    }
}

/// The number of actors that are meant to run, by machine.
fn per_machine(actors: &[pb::Actor]) -> [usize; 3] {
    NAMES.map(|name| {
        let here = |actor: &&pb::Actor| {
            actor.node == name
                && actor.desired_state() == pb::actor::DesiredState::Up
                && actor.state() != State::Unknown
        };
        actors.iter().filter(here).count()
    })
}

/// Shares by machine.
fn shares(shares: &[pb::NodeShare]) -> BTreeMap<&str, i32> {
    shares.iter().map(|share| (share.node.as_str(), share.replicas)).collect()
}

async fn status(client: &Client) -> pb::ScriptTypeStatus {
    let request = pb::GetScriptTypeRequest { script_type: pb::ScriptType::Osis.into(), ..Default::default() };
    client.clone().get_script_type(request).await.unwrap().into_inner().status.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_listed_while_they_are_there_and_afterwards() {
    let mut fleet = Fleet::start().await;
    let shown = fleet.machines[1].service.run(["node", "ls"]).stdout;
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NODE", "STATE", "SEEN", "ACTORS", "RUNNING", "LEADS"]);
    assert_eq!((lines.len(), lines[3][0], lines[3][1]), (4, "c", "present"), "{shown}");
    fleet.lose().await;
    let nodes = fleet.until_present(&NAMES[..LOST]).await;
    assert_eq!(nodes.len(), 3, "the one that is gone is still known: {nodes:?}");
    assert!(nodes[2].seen_time.is_some(), "{nodes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_spread_kept_when_a_machine_is_lost_and_no_more_when_it_is_back() {
    let mut fleet = Fleet::start().await;
    let missing = told(&fleet.client().scale_actors(to_fleet(5)).await.unwrap_err());
    assert_eq!(missing.reason, "NO_ACTORS_FOR_SCRIPT_TYPE", "nothing is kept of what cannot be done");
    assert_eq!(status(&fleet.client()).await.settings.unwrap().scaling_policy.unwrap().replicas, None);
    create(&mut fleet.client(), definition("osis_actor_0", &fleet.redis)).await;

    let trial = pb::ScaleActorsRequest { validate_only: true, ..to_fleet(5) };
    let trial = fleet.client().scale_actors(trial).await.unwrap().into_inner();
    assert_eq!(shares(&trial.shares), BTreeMap::from([("a", 2), ("b", 2), ("c", 1)]));
    assert_eq!(trial.added_actor_ids.len(), 4);
    assert_eq!(actors(&fleet.client()).await.len(), 1, "a trial changes nothing");

    let scaled = fleet.scale(5).await;
    assert_eq!(scaled.wait_outcome(), pb::WaitOutcome::Done, "{scaled:?}");
    assert_eq!(shares(&scaled.shares), BTreeMap::from([("a", 2), ("b", 2), ("c", 1)]));
    assert_eq!((scaled.added_actor_ids.len(), scaled.unplaced_replicas), (4, 0), "{scaled:?}");
    let names: Vec<String> =
        fleet.until_running([2, 2, 1]).await.into_iter().map(|actor| actor.actor_id).collect();
    assert_eq!(names, (0..5).map(|number| format!("osis_actor_{number}")).collect::<Vec<_>>());
    let shown = status(&fleet.client()).await;
    let decision = shown.last_scaling_decision.unwrap();
    assert_eq!(
        decision.reason,
        "somebody asked for 5: for the test; decided by node a over 3 nodes: a 2, b 2, c 1"
    );
    assert_eq!(decision.shares, scaled.shares);

    fleet.lose().await;
    fleet.until_running([3, 2, 0]).await;
    let decided = status(&fleet.client()).await.last_scaling_decision.unwrap();
    assert!(decided.reason.contains("a node came or went"), "{decided:?}");

    fleet.machines[LOST].zinit.launch().await;
    fleet.machines[LOST].service.restart().await;
    fleet.until_running([2, 2, 1]).await;
    eventually("nothing is left over", LIMIT, || async {
        (actors(&fleet.client()).await.len() == 5).then_some(())
    })
    .await;
    fleet.until_running([2, 2, 1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_does_not_answer_is_named_and_the_others_take_its_share() {
    let fleet = Fleet::start().await;
    create(&mut fleet.client(), definition("osis_actor_0", &fleet.redis)).await;
    fleet.machines[LOST].service.signal(Signal::SIGSTOP);
    let scaled = fleet.scale(5).await;
    fleet.machines[LOST].service.signal(Signal::SIGCONT);
    // On a slow machine it may not be there any more when the shares are made: then it has none.
    let told = scaled.shares.iter().find(|share| share.node == "c");
    assert!(
        told.is_none_or(|share| share.replicas == 0 && share.fault.contains("did not take the call")),
        "{scaled:?}"
    );
    fleet.until_running([3, 2, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_and_a_machine_exclude_each_other_and_the_scope_of_the_settings_counts() {
    let fleet = Fleet::start().await;
    let first = pb::CreateActorRequest { node: "b".to_owned(), ..definition("osis_actor_0", &fleet.redis) };
    create(&mut fleet.client(), first).await;
    let both = pb::ScaleActorsRequest { node: "b".to_owned(), ..to_fleet(2) };
    let refused = told(&fleet.client().scale_actors(both).await.unwrap_err());
    assert_eq!(refused.why(), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(refused.fields, ["scope", "node"]);
    let unknown = pb::ScaleActorsRequest { scope: 9, ..to_fleet(2) };
    assert_eq!(told(&fleet.client().scale_actors(unknown).await.unwrap_err()).fields, ["scope"]);
    let many = told(&fleet.client().scale_actors(to_fleet(1001)).await.unwrap_err());
    assert_eq!(many.fields, ["replicas"]);

    fleet.scale(3).await;
    fleet.until_running([1, 1, 1]).await;
    // Without a scope that of the settings counts, and a machine by name counts for itself.
    let four = pb::ScaleActorsRequest { scope: 0, ..to_fleet(4) };
    let scaled = fleet.client().scale_actors(four).await.unwrap().into_inner();
    assert_eq!(scaled.shares.iter().map(|share| share.replicas).sum::<i32>(), 4);
    let one = pb::ScaleActorsRequest { scope: 0, node: "c".to_owned(), ..to_fleet(0) };
    let scaled = fleet.client().scale_actors(one).await.unwrap().into_inner();
    assert_eq!((scaled.shares.len(), scaled.removed_actor_ids.len()), (0, 1), "{scaled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_jobs_decides_over_all_machines() {
    let fleet = Fleet::start().await;
    create(&mut fleet.client(), definition("osis_actor_0", &fleet.redis)).await;
    let set = fleet.machines[0].service.run([
        "script-type",
        "set",
        "osis",
        "--mode",
        "auto",
        "--scope",
        "fleet",
        "--max",
        "5",
        "--scale-out-delay",
        "0s",
        "--scale-in-delay",
        "1s",
        "--scale-to-zero-delay",
        "1s",
    ]);
    assert_eq!(set.code, 0, "{set:?}");
    let mut jobs = Vec::new();
    for _job in 0..8 {
        jobs.push(submit(&fleet.client(), osis("sleep(600)")).await);
    }
    fleet.until_running([2, 2, 1]).await;
    let decision = status(&fleet.client()).await.last_scaling_decision.unwrap();
    assert_eq!(decision.shares.iter().map(|share| share.replicas).sum::<i32>(), 5, "{decision:?}");
    for job_id in jobs {
        let cancel = pb::CancelJobRequest { job_id, ..Default::default() };
        fleet.client().cancel_job(cancel).await.unwrap();
    }
    // All are gone in the end, wherever they were.
    fleet.until_running([0, 0, 0]).await;
}
