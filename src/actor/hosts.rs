//! Engine hosts as the queue loop sees them.
//!
//! A host is given jobs and runs them one after another in the order in which it got them. It answers through the
//! [`Report`] it was launched with. The loop owns every decision; a host that is behind these traits decides nothing.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::domain::model::job::{JobResult, JobUsage};
use crate::domain::model::output::OutputItem;
use crate::ports::work_queue::{AttemptError, TakenJob};

/// Starts hosts. Dropping it does not end them.
pub trait Launcher: Send {
    /// The kind of host.
    type Host: Host;

    /// Starts a host. It says [`Reply::Ready`] when it can take jobs.
    ///
    /// # Errors
    /// When it cannot be started at all.
    fn launch(&mut self, report: Report) -> io::Result<Self::Host>;
}

/// One running host. Dropping it kills it.
pub trait Host: Send {
    /// Gives the host a job behind those that it has. `seq` goes up by one with each. A job that could not start before
    /// `start_by` is answered by [`Reply::Stale`].
    fn submit(&mut self, seq: u64, job: &TakenJob, start_by: Instant);

    /// Lets what was submitted go out; called once after a batch of jobs.
    fn flush(&mut self);

    /// Calls back every job up to `upto` that has not started; answered by [`HostEvent::CalledBack`].
    fn call_back(&mut self, upto: u64);

    /// Asks all that the scripts of the host have started to end, and the host itself unless it outlives its scripts.
    fn terminate(&mut self);

    /// Ends the host and all that its scripts have started, now.
    fn kill(&mut self);
}

/// A message of a host.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The engine is loaded; comes once, first.
    Ready {
        /// Name and version of the engine.
        version: String,
    },
    /// There is no engine.
    Unavailable {
        /// The fault.
        reason: String,
    },
    /// Output of the script of the running job; comes before the end of that job.
    Output {
        /// Number of the job.
        seq: u64,
        /// The output, in order.
        output: Vec<HostOutput>,
    },
    /// The latest time to start a job has passed. The host starts neither that job nor any behind it until it is asked to
    /// [give them back](Host::call_back).
    Stale {
        /// The job.
        seq: u64,
    },
    /// A job ended.
    Done(Done),
}

/// One line or progress of a script, on its way from a host to the actor.
#[derive(Debug, Clone, PartialEq)]
pub struct HostOutput {
    /// Number of the chunk in the attempt, see [`OutputChunk`](crate::domain::model::output::OutputChunk).
    pub number: u64,
    /// Time between the writing and the sending.
    pub ago: Duration,
    /// The line or progress.
    pub item: OutputItem,
}

/// The end of a job in a host.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// Number of the job.
    pub seq: u64,
    /// Run time in microseconds.
    pub wall_us: u64,
    /// The host ends now, without having started anything else, because its memory has grown.
    pub retiring: bool,
    /// Resources that the job has used; None if they are not known.
    pub usage: Option<JobUsage>,
    /// Result or error.
    pub outcome: Result<JobResult, AttemptError>,
}

/// An event of a host.
#[derive(Debug)]
pub enum HostEvent {
    /// Messages of the host, in this order.
    Replied(Vec<Reply>),
    /// Answer to a call back: the job that the host had started last. The jobs behind that one are never started, and
    /// nothing else is reported of them. The jobs before that one have ended, though their ends may come after this.
    CalledBack {
        /// Sequence number, 0 when none was started.
        current: u64,
    },
    /// The host is gone, and so are all processes that its scripts had started.
    Died(Death),
}

/// The end of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Death {
    /// Exit code of the host.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The last lines that it wrote to standard error.
    pub log_tail: Vec<String>,
    /// Time at which the host was certainly gone, if that is known: what it was given later it has never seen.
    pub gone_at: Option<Instant>,
}

/// Names the host of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostTag {
    /// Slot of the host.
    pub slot: usize,
    /// Counts the hosts that were in this place.
    pub generation: u64,
}

/// The way of a host's messages to the queue loop.
#[derive(Debug, Clone)]
pub struct Report {
    tag: HostTag,
    events: mpsc::Sender<(HostTag, HostEvent)>,
}

impl Report {
    /// A report of this host to this channel.
    pub(crate) fn new(tag: HostTag, events: mpsc::Sender<(HostTag, HostEvent)>) -> Self {
        Self { tag, events }
    }

    /// Reports. When nobody listens any more, nobody needs to know.
    pub async fn send(&self, event: HostEvent) {
        drop(self.events.send((self.tag, event)).await);
    }

    /// Reports from inside [`Host::flush`], where nothing can be waited for.
    ///
    /// # Errors
    /// The event, when more than a few dozen of them wait.
    pub fn try_send(&self, event: HostEvent) -> Result<(), HostEvent> {
        self.events.try_send((self.tag, event)).map_err(|refused| refused.into_inner().1)
    }
}
