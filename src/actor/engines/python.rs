//! Python scripts.
//!
//! The host keeps one Python *server*: a Python process that has imported what most scripts need, and that forks for
//! each job, which costs a few milliseconds where a fresh interpreter costs ten and more. The fork for the next job is
//! made when the last one has ended and waits for it, so that a job that comes alone does not wait for the fork. The job
//! runs in it, in a session, a folder and an environment of its own and within resource limits; nothing of it is left in
//! the server.
//!
//! ```text
//!  host (this process) ──socket── server ──fork──► job ──► whatever it starts
//!       ▲ ▲ ▲                                      │ │ │
//!       │ │ └──────────── stdout ──────────────────┘ │ │
//!       │ └────────────── stderr ────────────────────┘ │
//!       └──────────────── result, progress ────────────┘
//! ```
//! With `--isolation host` one forked process runs job after job, which it reads from the socket itself, and the server
//! forks another when that one has ended.
//!
//! The pipes live as long as the server. A job has ended when its process is gone and all that it had started is gone
//! too; what is in the pipes then is all that it will ever say.

mod flags;
mod job;
mod messages;
mod server;

pub use flags::{Isolation, PythonFlags};

use std::io;
use std::sync::Arc;

use crate::actor::engines::sandbox::{self, Reach, Sandbox};
use crate::actor::engines::work::{WorkFolder, remove_own};
use crate::actor::engines::{Engine, Limits, Script, Sink, failed, is_heroscript};
use crate::actor::process_tree;
use crate::domain::model::job::{JobError, JobErrorKind, JobKind, JobResult, JobUsage};
use crate::ports::work_queue::AttemptError;
use job::Attempt;
use server::Server;

/// Script of a ping.
const PING: &str = "'pong'";

/// Runs Python scripts.
#[derive(Debug)]
pub struct Python {
    limits: Limits,
    flags: PythonFlags,
    server: Option<Server>,
    /// Parent of the folders of jobs.
    work: Option<WorkFolder>,
}

impl Python {
    /// An engine that has started nothing yet.
    pub fn new(flags: &PythonFlags, limits: Limits) -> Self {
        Self { limits, flags: flags.clone(), server: None, work: None }
    }

    fn attempt(&mut self, script: &Script<'_>, sink: &Arc<dyn Sink>) -> Result<JobResult, AttemptError> {
        self.renew();
        let (Some(server), Some(work)) = (self.server.as_mut(), self.work.as_mut()) else {
            let message = "the Python server was not started";
            return Err(failed(JobError::new(JobErrorKind::EngineUnavailable, message)));
        };
        let folder = work.next().map_err(|reason| failed(JobError::new(JobErrorKind::Internal, reason)))?;
        let text = match script.kind {
            JobKind::Ping => PING,
            JobKind::Script => script.text,
        };
        let request = messages::Request {
            script: text,
            heroscript: script.kind == JobKind::Script && is_heroscript(text),
            input: script.input,
            folder: &folder,
            env: self.flags.work.environment(script, &folder, server.program_folder()),
            cpu: self.flags.work.cpu_seconds(script.timeout),
        };
        let ended = Attempt::new(server, &self.flags.work, &self.limits, script.timeout, sink).run(&request);
        work.clear();
        ended
    }
}

impl Python {
    /// A new server in place of one that somebody has ended between two jobs: no job has to pay for that.
    fn renew(&mut self) {
        let Some(status) = self.server.as_mut().and_then(Server::ended) else { return };
        tracing::warn!(%status, "python: the server has ended (started again)");
        // What its last job has left behind was its child.
        process_tree::sweep(|_all| true);
        match Server::start(&self.flags, &self.limits) {
            Ok(server) => self.server = Some(server),
            // The actor tries it with another host, less and less often if that does not help.
            Err(error) => {
                leave(&format!("the Python server has ended ({status}), and no other starts: {error}"))
            }
        }
    }

    /// Confines this thread, and with it all that it will start; says how far that went.
    fn confine(&self, work: &WorkFolder) -> Result<Option<&'static str>, String> {
        match self.flags.sandbox {
            Sandbox::None => Ok(None),
            Sandbox::Landlock => {
                let readable = self.flags.readable();
                let network = self.flags.sandbox_net;
                sandbox::confine(&Reach { folder: work.path(), readable: &readable, network }).map(Some)
            }
        }
    }
}

/// Ends a host without a server, which is of no use; the actor replaces it. Processes that the server's job has started
/// are not left behind.
fn leave(why: &str) -> ! {
    drop(io::Write::write_all(&mut io::stderr(), format!("{why}\n").as_bytes()));
    process_tree::sweep(|_all| true);
    remove_own();
    std::process::exit(70)
}

impl Engine for Python {
    const STARTS_PROCESSES: bool = true;
    const STOPS_SCRIPTS: bool = true;
    const LIMITS_MEMORY: bool = true;
    const SCRIPTS_ARE_PROCESSES: bool = true;

    fn probe(&mut self) -> Result<String, String> {
        let work = self.flags.work.dir.open()?;
        let confined = self.confine(&work)?;
        self.work = Some(work);
        let server = Server::start(&self.flags, &self.limits)?;
        let version = match confined {
            Some(level) => format!("{}, {level}", server.version()),
            None => server.version().to_owned(),
        };
        self.server = Some(server);
        Ok(version)
    }

    fn run(&mut self, script: &Script<'_>, sink: &Arc<dyn Sink>) -> Result<JobResult, AttemptError> {
        self.attempt(script, sink)
    }

    fn take_usage(&mut self) -> Option<JobUsage> {
        self.server.as_mut().and_then(Server::take_usage)
    }
}
