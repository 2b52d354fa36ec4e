//! Runs processes through Zinit.
//!
//! ```text
//!  ZinitProcessManager ─┬─ gen3 (its words and its defects) ── client (one call after the other) ─┬─ wire ── detect
//!                       └─ gen2 (its words and its defects) ── gen2/link (many calls at a time) ──┘
//! ```
//!
//! The kind of Zinit is asked for on every new connection, as another one may listen after a restart.

mod client;
mod detect;
mod end_orphan;
mod find_orphans;
mod gen2;
mod gen3;
mod name_locks;
mod owners;
mod private_folder;
mod proc;
mod request_queue;
mod shim;
mod start_times;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout};

use self::client::Client;
use self::detect::Generation;
use self::end_orphan::OrphanKiller;
use self::find_orphans::OrphanSearch;
use self::gen2::Gen2;
use self::gen3::Gen3;
use self::owners::Owners;
use self::shim::Shim;
use self::start_times::StartTimes;
use crate::ports::process_manager::{
    LogBatch, LogLine, LogPosition, Orphan, ProcessError, ProcessInfo, ProcessManager, ProcessManagerInfo,
    ProcessSpec, REALM_MARK,
};

/// Time to answer to a probe, connecting included.
const PROBE: Duration = Duration::from_secs(2);

/// Runs processes through the Zinit that listens on a unix socket: 0.3.9 (GEN3), or v0.2.15 to v0.2.28 of
/// threefoldtech/zinit (GEN2).
pub struct ZinitProcessManager {
    reads: Arc<Client>,
    gen2: Gen2,
    gen3: Gen3,
    owners: Arc<Owners>,
    orphan_killer: OrphanKiller,
    orphan_search: OrphanSearch,
    start_times: StartTimes,
}

impl ZinitProcessManager {
    /// A manager of the Zinit at this socket. Nothing is contacted before the first call.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self::with_shim(socket, None)
    }

    /// The same with the program whose subcommand `exec-shim` sets users and limits; without it processes that ask
    /// for these are refused.
    pub fn with_shim(socket: impl Into<PathBuf>, program: Option<&Path>) -> Self {
        let socket = socket.into();
        let shim = Shim::new(program, &socket);
        let reads = Arc::new(Client::new(&socket));
        let changes = Arc::new(Client::new(&socket));
        let owners = Arc::<Owners>::default();
        let gen2 = Gen2::new(reads.clone(), &socket, shim.clone(), owners.clone());
        let gen3 = Gen3::new(reads.clone(), changes, &socket, shim, owners.clone());
        Self {
            gen2,
            gen3,
            reads,
            owners,
            orphan_killer: OrphanKiller::default(),
            orphan_search: OrphanSearch::default(),
            start_times: StartTimes::default(),
        }
    }

    async fn generation(&self) -> Result<Generation, ProcessError> {
        Ok(self.reads.who(PROBE).await?.generation)
    }
}

#[async_trait]
impl ProcessManager for ZinitProcessManager {
    async fn probe(&self) -> Result<ProcessManagerInfo, ProcessError> {
        let begun = Instant::now();
        let asked = async {
            let found = self.reads.who(PROBE).await?;
            match found.generation {
                Generation::Gen2 => self.gen2.probe().await?,
                Generation::Gen3 => self.gen3.probe().await?,
            }
            Ok(ProcessManagerInfo { name: found.name(), latency: begun.elapsed(), limits: found.limits() })
        };
        timeout(PROBE, asked).await.unwrap_or(Err(ProcessError::TimedOut { after: PROBE }))
    }

    fn set_realm(&self, realm: &str) {
        self.owners.add_realm(realm);
    }

    async fn start(&self, spec: &ProcessSpec) -> Result<(), ProcessError> {
        if let Some(realm) = spec.env.get(REALM_MARK) {
            self.owners.add_realm(realm);
        }
        match self.generation().await? {
            Generation::Gen2 => self.gen2.start(spec).await,
            Generation::Gen3 => self.gen3.start(spec).await,
        }
    }

    async fn stop(&self, name: &str, grace: Duration) -> Result<(), ProcessError> {
        match self.generation().await? {
            Generation::Gen2 => self.gen2.stop(name, grace).await,
            Generation::Gen3 => self.gen3.stop(name, grace).await,
        }
    }

    async fn remove(&self, name: &str) -> Result<(), ProcessError> {
        match self.generation().await? {
            Generation::Gen2 => self.gen2.remove(name).await,
            Generation::Gen3 => self.gen3.remove(name).await,
        }
    }

    async fn signal(&self, name: &str, signal: i32) -> Result<(), ProcessError> {
        match self.generation().await? {
            Generation::Gen2 => self.gen2.signal(name, signal).await,
            Generation::Gen3 => self.gen3.signal(name, signal).await,
        }
    }

    async fn list(&self) -> Result<Vec<ProcessInfo>, ProcessError> {
        let found = self.reads.who(PROBE).await?;
        let mut list = match found.generation {
            Generation::Gen2 => self.gen2.list().await?,
            Generation::Gen3 => self.gen3.list().await?,
        };
        if found.server.is_some() {
            self.start_times.add_to(&mut list);
        }
        Ok(list)
    }

    async fn environment(&self, name: &str) -> Result<BTreeMap<String, String>, ProcessError> {
        match self.generation().await? {
            Generation::Gen2 => self.gen2.environment(name).await,
            Generation::Gen3 => self.gen3.environment(name).await,
        }
    }

    async fn end_orphan(&self, name: &str, pid: u32, grace: Duration) -> Result<bool, ProcessError> {
        let found = self.reads.who(PROBE).await?;
        // Its numbers mean something to us only where we see the same processes.
        Ok(found.server.is_some() && self.orphan_killer.end(name, pid, grace, found.generation).await)
    }

    async fn orphans(&self) -> Result<Vec<Orphan>, ProcessError> {
        let found = self.reads.who(PROBE).await?;
        match found.server {
            Some(server) => Ok(self.orphan_search.of(server, found.generation).await),
            None => Ok(Vec::new()),
        }
    }

    async fn log_tail(&self, name: &str, lines: usize) -> Result<Vec<LogLine>, ProcessError> {
        if self.owners.is_foreign(name) {
            return Ok(Vec::new());
        }
        match self.generation().await? {
            Generation::Gen2 => self.gen2.log_tail(name, lines).await,
            Generation::Gen3 => self.gen3.log_tail(name, lines).await,
        }
    }

    async fn logs(
        &self,
        name: &str,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> Result<LogBatch, ProcessError> {
        if self.owners.is_foreign(name) {
            sleep(wait).await;
            return Ok(LogBatch::default());
        }
        match self.generation().await? {
            Generation::Gen2 => self.gen2.logs(name, after, wait).await,
            Generation::Gen3 => self.gen3.logs(name, after, wait).await,
        }
    }

    async fn close(&self) {
        self.gen2.close().await;
        self.gen3.close().await;
    }
}
