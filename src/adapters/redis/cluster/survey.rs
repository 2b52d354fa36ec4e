//! Questions of `doctor` to a Cluster.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

use super::ask::{ASK_TIMEOUT, Servers};
use super::map::{SlotMap, Told};
use super::slots::SLOTS;
use super::{Address, ClusterUrl, slot_of};
use crate::adapters::redis::RedisAccess;
use crate::adapters::redis::connection::refusal;
use crate::adapters::redis::functions::{self, Function};
use crate::adapters::redis::keys;
use crate::domain::model::queue_name::QueueName;

/// A Cluster, as its servers describe it.
#[derive(Debug, Default)]
pub(crate) struct ClusterSurvey {
    /// Servers of the URL that say nothing, and why.
    pub(crate) away: Vec<(Address, String)>,
    /// Number of slots that no primary has.
    pub(crate) uncovered: usize,
    /// The primaries.
    pub(crate) primaries: Vec<SurveyedServer>,
    /// The queues that lie on each primary, by its address.
    pub(crate) queues: Vec<(Address, Vec<QueueName>)>,
}

/// One primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SurveyedServer {
    /// Place of the server.
    pub(crate) at: Address,
    /// Facts that it tells; or why it tells none.
    pub(crate) answer: Result<ServerFacts, String>,
}

/// Facts that a primary tells about itself and the Cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServerFacts {
    /// True if it takes the Cluster for whole.
    pub(crate) is_ok: bool,
    /// Slots whose primaries it does not reach, and slots that it knows no primary of.
    pub(crate) failing: u64,
    pub(crate) unassigned: u64,
    /// Replicas that have its data and follow it.
    pub(crate) replicas: usize,
    /// Revision of its functions; None if it has none. The second part is that of this program.
    pub(crate) functions: (Option<i64>, i64),
}

impl ClusterSurvey {
    /// The queues that lie on this primary.
    pub(crate) fn queues_at(&self, at: &Address) -> &[QueueName] {
        self.queues.iter().find(|(of, _queues)| of == at).map_or(&[], |(_at, queues)| queues)
    }

    /// Asks all servers; None for a URL that names no Cluster.
    pub(crate) async fn of(url: &str, access: &RedisAccess) -> Option<Self> {
        let url = ClusterUrl::parse(url).ok().flatten()?;
        let servers = Servers::new(url, access.clone());
        let mut survey = Self::default();
        let mut told: Vec<Told> = Vec::new();
        for at in &servers.url.seeds {
            match servers.ask(at).await {
                Ok(said) => told.push(said),
                Err(error) => survey.away.push((at.clone(), error.to_string())),
            }
        }
        let map = SlotMap::default().updated(&told);
        survey.uncovered = map.uncovered();
        for at in map.primaries() {
            let asked = timeout(ASK_TIMEOUT * 2, async {
                let connected = servers.connect(at).await.map_err(|error| error.to_string())?;
                let mut connection = connected.map_err(|error| servers.failed(at, &error).to_string())?;
                ask(&mut connection).await
            });
            let answer =
                asked.await.unwrap_or_else(|_| Err(format!("no answer within {:?}", ASK_TIMEOUT * 2)));
            survey.primaries.push(SurveyedServer { at: at.clone(), answer });
            let has = |queue: &QueueName| map.primary_of(slot_of(keys::queue(*queue).as_bytes())) == Some(at);
            let queues = QueueName::DEFAULTS.into_iter().filter(has).collect();
            survey.queues.push((at.clone(), queues));
        }
        Some(survey)
    }
}

async fn ask(connection: &mut MultiplexedConnection) -> Result<ServerFacts, String> {
    let words = |error: redis::RedisError| refusal::words(&error);
    let mut command = redis::cmd("CLUSTER");
    let info: String = command.arg("INFO").query_async(connection).await.map_err(words)?;
    let facts = parse(&info);
    let number = |facts: &HashMap<&str, &str>, name: &str| facts.get(name).and_then(|text| text.parse().ok());
    let mut command = redis::cmd("INFO");
    let replication: String = command.arg("replication").query_async(connection).await.map_err(words)?;
    let revision: Option<i64> = Function::Revision.without_key().query_async(connection).await.ok();
    Ok(ServerFacts {
        is_ok: facts.get("cluster_state") == Some(&"ok"),
        failing: number(&facts, "cluster_slots_fail").unwrap_or(0),
        unassigned: u64::from(SLOTS).saturating_sub(number(&facts, "cluster_slots_assigned").unwrap_or(0)),
        replicas: replication.lines().filter(|line| line.contains("state=online")).count(),
        functions: (revision, functions::revision()),
    })
}

fn parse(lines: &str) -> HashMap<&str, &str> {
    lines.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect()
}
