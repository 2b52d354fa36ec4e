//! A server to call, on memory.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hero_supervisor::adapters::memory::process_manager::MemoryProcessManager;
use hero_supervisor::adapters::memory::process_usage::MemoryProcessUsage;
use hero_supervisor::adapters::memory::work_queue::MemoryWorkQueue;
use hero_supervisor::adapters::memory::{MemoryBroker, MemoryConfig};
use hero_supervisor::domain::actors::{ActorLifecycleManager, Deps};
use hero_supervisor::domain::events::Events;
use hero_supervisor::domain::jobs::{JobDefaults, Supervisor};
use hero_supervisor::domain::model::id::{ActorId, JobId, NodeName};
use hero_supervisor::domain::model::job::{JobError, JobErrorKind, JobResult, JobView, ResultKind};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::grpc::{GrpcServer, ServerInfo};
use hero_supervisor::ports::authenticator::Authenticator;
use hero_supervisor::ports::clock::Clock;
use hero_supervisor::ports::event_log::EventLog;
use hero_supervisor::ports::job_queue::JobQueue;
use hero_supervisor::ports::programs::{ProgramFault, Programs};
use hero_supervisor::ports::work_queue::{AttemptEnd, AttemptError, Retryability, TakenJob, Work, WorkQueue};
use hero_supervisor::proto as pb;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use hero_supervisor::shutdown::Shutdown;
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::wait::eventually;

/// Others may be compiling on the same cores.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Every program is fine but `/missing`.
struct AllPrograms;

#[async_trait]
impl Programs for AllPrograms {
    async fn inspect(&self, path: &Path, _sha256: Option<&str>) -> Result<(), ProgramFault> {
        if path == Path::new("/missing") { Err(ProgramFault::Missing) } else { Ok(()) }
    }

    /// There is one for each script type but V.
    async fn find(&self, script_type: ScriptType) -> Option<PathBuf> {
        (script_type != ScriptType::V).then(|| format!("/usr/bin/{script_type}_actor").into())
    }
}

/// A server with what is behind it.
pub(crate) struct GrpcOnMemory {
    pub(crate) broker: MemoryBroker,
    pub(crate) processes: Arc<MemoryProcessManager>,
    pub(crate) usage: Arc<MemoryProcessUsage>,
    /// Events of actors; they go nowhere unless [`GrpcOnMemory::tell_of_actors`] says otherwise.
    events: Events,
    pub(crate) shutdown: Shutdown,
    pub(crate) drain_delay: Duration,
    /// Who may call; everybody without one.
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
    socket: PathBuf,
    _dir: TempDir,
    /// The server, the actors; they end with the world.
    pub(crate) tasks: JoinSet<io::Result<()>>,
}

impl GrpcOnMemory {
    /// A server on a unix socket.
    pub(crate) fn start() -> Self {
        Self::prepare().serve_unix()
    }

    /// Everything but the server.
    pub(crate) fn prepare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            broker: MemoryBroker::new(MemoryConfig::default()),
            processes: Arc::new(MemoryProcessManager::new()),
            usage: Arc::default(),
            events: Events::discard(),
            shutdown: Shutdown::new(),
            drain_delay: Duration::ZERO,
            authenticator: None,
            socket: dir.path().join("s"),
            _dir: dir,
            tasks: JoinSet::new(),
        }
    }

    /// Has events of actors written to the log.
    pub(crate) fn tell_of_actors(mut self) -> Self {
        let (events, mut told) = Events::channel();
        let log = self.broker.event_log();
        self.events = events;
        self.tasks.spawn(async move {
            while let Some(event) = told.recv().await {
                log.append(&[event]).await.unwrap();
            }
            Ok(())
        });
        self
    }

    /// Returns the address of the server.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// Serves on the unix socket.
    pub(crate) fn serve_unix(mut self) -> Self {
        let listener = UnixListener::bind(&self.socket).unwrap();
        let (server, shutdown) = (self.server(), self.shutdown.clone());
        self.tasks.spawn(async move { server.serve(UnixListenerStream::new(listener), &shutdown).await });
        self
    }

    /// Serves on a TCP port as well, and answers with it.
    pub(crate) async fn serve_tcp(&mut self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (server, shutdown) = (self.server(), self.shutdown.clone());
        self.tasks.spawn(async move { server.serve(TcpListenerStream::new(listener), &shutdown).await });
        port
    }

    fn server(&self) -> GrpcServer {
        let (queue, clock) = (Arc::new(self.broker.job_queue()), self.broker.clock());
        let (store, log) = (Arc::new(self.broker.actor_store()), Arc::new(self.broker.event_log()));
        let supervisor = Supervisor::new(queue, store, Arc::new(clock), JobDefaults::default());
        let node = NodeName::parse("here").unwrap();
        let lifecycle = ActorLifecycleManager::new(Deps {
            actor_env: Default::default(),
            supervisor: supervisor.clone(),
            processes: Arc::clone(&self.processes) as Arc<_>,
            store: Arc::new(self.broker.actor_store()),
            programs: Arc::new(AllPrograms),
            usage: Arc::clone(&self.usage) as Arc<_>,
            node: node.clone(),
            initial: Vec::new(),
            events: self.events.clone(),
        });
        let info = ServerInfo::new(node, clock.now());
        let server = GrpcServer::new(supervisor, lifecycle, log, info, self.drain_delay);
        match &self.authenticator {
            Some(authenticator) => server.with_authenticator(Arc::clone(authenticator)),
            None => server,
        }
    }

    /// A connection to the server.
    pub(crate) fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("unix://{}", self.socket.display())).unwrap();
        endpoint.connect_lazy()
    }

    /// A caller.
    pub(crate) fn client(&self) -> SupervisorClient<Channel> {
        SupervisorClient::new(self.channel())
    }

    /// Waits until the server knows a job.
    pub(crate) async fn until_accepted(&self, job_id: &str) {
        eventually("the job is accepted", LIMIT, || async {
            let request = pb::GetJobRequest { job_id: job_id.to_owned(), view: 0 };
            self.client().get_job(request).await.ok().map(drop)
        })
        .await;
    }

    /// Waits until the queue itself knows a job.
    pub(crate) async fn until_listed(&self, job_id: &str) {
        let (queue, id) = (self.broker.job_queue(), JobId::parse(job_id).unwrap());
        eventually("the job is queued", LIMIT, || async {
            queue.get(&id, JobView::Basic).await.ok().flatten()
        })
        .await;
    }

    /// An actor that serves the OSIS queue; see [`answer`] for what it makes of scripts.
    pub(crate) fn start_osis_worker(&mut self) {
        let actor = ActorId::parse("osis_actor_0").unwrap();
        let queue = self.broker.work_queue(ScriptType::OSIS.into(), actor, 1);
        let clock = self.broker.clock();
        self.tasks.spawn(async move {
            queue.announce(false).await.unwrap();
            work(&queue, &clock).await
        });
    }
}

async fn work(queue: &MemoryWorkQueue, clock: &impl Clock) -> io::Result<()> {
    loop {
        for work in queue.take(16, Duration::from_secs(1)).await.unwrap_or_default() {
            if let Work::Job(job) = work
                && let Some(outcome) = answer(&job)
            {
                let end = AttemptEnd {
                    lease: job.lease,
                    started_at: clock.now(),
                    outcome,
                    usage: None,
                    output: Vec::new(),
                };
                queue.finish(vec![end]).await.unwrap();
            }
        }
    }
}

/// `40 + 2` is 42, `big` is a result of 1 MiB, `boom` fails, and `sleep` never ends.
fn answer(job: &TakenJob) -> Option<Result<JobResult, AttemptError>> {
    let text = |text: String| Some(Ok(JobResult { text, kind: ResultKind::Json }));
    match job.spec.script.trim_end() {
        "40 + 2" => text("42".to_owned()),
        "big" => text("x".repeat(1024 * 1024)),
        "boom" => {
            let error = JobError::new(JobErrorKind::ScriptError, "boom");
            Some(Err(AttemptError { error, retry: Retryability::Retry }))
        }
        "sleep" => None,
        other => panic!("no answer to {other:?}"),
    }
}

/// A job for the OSIS queue.
pub(crate) fn osis(script: &str) -> Option<pb::JobSpec> {
    let script_type = pb::ScriptType::Osis.into();
    Some(pb::JobSpec { script_type, script: script.to_owned(), ..Default::default() })
}

/// A span of time in a request.
pub(crate) fn millis(millis: i64) -> Option<prost_types::Duration> {
    let nanos = i32::try_from(millis % 1000).unwrap() * 1_000_000;
    Some(prost_types::Duration { seconds: millis / 1000, nanos })
}

/// What an error says to programs: code, reason, refused fields.
pub(crate) fn told(status: &Status) -> (Code, String, Vec<String>) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "supervisor.hero");
    let fields = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    (status.code(), info.reason.clone(), fields.into_iter().map(|violation| violation.field).collect())
}

/// The answer of a call that must not take long.
pub(crate) async fn soon<T>(what: &str, answer: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(LIMIT, answer).await;
    answer.unwrap_or_else(|_| panic!("not within {LIMIT:?}: {what}"))
}
