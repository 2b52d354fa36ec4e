//! Three machines on one Redis, as one fleet.

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;

use crate::support::full_service::{Client, client, serve};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

/// A machine: its supervisor ends before its Zinit.
struct Machine {
    service: Service,
    _zinit: PrivateZinit,
}

/// Machines `a`, `b` and `c`.
struct Fleet {
    machines: Vec<Machine>,
    _redis: PrivateRedis,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl Fleet {
    async fn start() -> Self {
        let redis = PrivateRedis::start().await;
        let mut machines = Vec::new();
        for name in NAMES {
            let zinit = PrivateZinit::start().await;
            let service = serve(&redis, &zinit, &["--node", name, "--lease", "2s"]).await;
            machines.push(Machine { service, _zinit: zinit });
        }
        let fleet = Self { machines, _redis: redis };
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
}

/// All machines that are known.
async fn nodes(client: &Client) -> Vec<pb::Node> {
    client.clone().list_nodes(pb::ListNodesRequest {}).await.unwrap().into_inner().nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_listed_while_they_are_there_and_afterwards() {
    let mut fleet = Fleet::start().await;
    let shown = fleet.machines[1].service.run(["node", "ls"]).stdout;
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NODE", "STATE", "SEEN", "ACTORS", "RUNNING", "LEADS"]);
    assert_eq!((lines.len(), lines[3][0], lines[3][1]), (4, "c", "present"), "{shown}");
    fleet.machines[2].service.signal(Signal::SIGKILL);
    fleet.machines[2].service.ended().await;
    let nodes = fleet.until_present(&NAMES[..2]).await;
    assert_eq!(nodes.len(), 3, "the one that is gone is still known: {nodes:?}");
    assert!(nodes[2].seen_time.is_some(), "{nodes:?}");
}
