//! Events: what happened, to whom and why, in words for people and in parts for programs.

pub mod cursor;
pub mod filter;
pub mod message;

use std::time::{Duration, SystemTime};

use crate::domain::model::actor::{ActorRecord, ActorState, Desired, LastExit};
use crate::domain::model::health::{Health, HealthAction};
use crate::domain::model::id::{ActorId, JobId, NodeName};
use crate::domain::model::job::{JobError, JobState, Priority};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::scaling::ScalingDecision;
use crate::domain::model::script_type::ScriptType;

/// An event: one change that was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Time of the event.
    pub at: SystemTime,
    /// Severity of the event.
    pub severity: Severity,
    /// One sentence for people.
    pub message: String,
    /// The actor it is about.
    pub actor_id: Option<ActorId>,
    /// The job it is about.
    pub job_id: Option<JobId>,
    /// Caller of the job; empty for an event about no job, or if the caller is not known.
    pub caller_id: String,
    /// The script type it is about.
    pub script_type: Option<ScriptType>,
    /// The named queue it is about; None for a default queue, which `script_type` names.
    pub queue: Option<QueueName>,
    /// The machine it happened on; none for what has no place, like the end of a job.
    pub node: Option<NodeName>,
    /// Cause of the event.
    pub cause: Cause,
    /// Kind of the event, with its payload.
    pub kind: EventKind,
}

impl Event {
    /// Makes an event of now, with the usual severity, about nothing in particular yet.
    pub fn new(at: SystemTime, cause: impl Into<Cause>, kind: EventKind, message: impl Into<String>) -> Self {
        Self {
            at,
            severity: kind.severity(),
            message: message.into(),
            actor_id: None,
            job_id: None,
            caller_id: String::new(),
            script_type: None,
            queue: None,
            node: None,
            cause: cause.into(),
            kind,
        }
    }

    /// Sets the actor as the subject.
    pub fn of_actor(self, record: &ActorRecord) -> Self {
        Self {
            actor_id: Some(record.id.clone()),
            script_type: Some(record.config.script_type),
            queue: record.config.queue,
            node: Some(record.node.clone()),
            ..self
        }
    }

    /// Returns the event with the state that was emitted before, if the event is about the state of an actor.
    pub fn continuing(self, before: ActorState) -> Self {
        let mut event = self;
        if let EventKind::ActorStateChanged { old, .. } = &mut event.kind {
            *old = before;
        }
        event
    }

    /// Sets the script type as the subject.
    pub fn of_type(self, script_type: ScriptType) -> Self {
        Self { script_type: Some(script_type), ..self }
    }

    /// Sets a queue as the subject: a default one by its script type, and a named one by its name alone, since what happens to
    /// it is no news of the script type.
    pub fn of_queue(self, queue: QueueName) -> Self {
        match queue.default_type() {
            Some(script_type) => self.of_type(script_type),
            None => Self { queue: Some(queue), ..self },
        }
    }

    /// Returns the queue that it is about: a named one, or else the default one of its script type.
    pub fn queue(&self) -> Option<QueueName> {
        self.queue.or_else(|| self.script_type.map(QueueName::default_of))
    }

    /// Sets the node.
    pub fn on_node(self, node: &NodeName) -> Self {
        Self { node: Some(node.clone()), ..self }
    }
}

/// Severity of an event, in growing order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Detail, for instance a ping that was answered.
    Debug,
    /// Ordinary life.
    Info,
    /// Worth a look.
    Warning,
    /// An operator should act.
    Error,
}

/// Cause of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Source of the event.
    pub source: Source,
    /// The request id of the call, if it had one.
    pub request_id: Option<String>,
    /// The reason that the caller gave, if any.
    pub reason: String,
    /// Kind and id of the calling identity. None where callers need no credentials.
    pub identity: Option<String>,
}

/// Source of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A call.
    Caller,
    /// The pings.
    Health,
    /// Scaling.
    Scaler,
    /// The process manager, or the process itself.
    ProcessManager,
    /// The queue: an actor took or ended a job, or a time was reached.
    Queue,
    /// The supervisor: it started, ended, or brought something in line with what is wanted.
    Supervisor,
}

impl From<Source> for Cause {
    fn from(source: Source) -> Self {
        Self { source, request_id: None, reason: String::new(), identity: None }
    }
}

/// Subject of an event; filters go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Actors: made, changed, started, ended, removed.
    Actor,
    /// Pings and what follows from them.
    Health,
    /// Jobs: every change of state.
    Job,
    /// Decisions of scaling.
    Scaling,
    /// Queues: paused, resumed, purged.
    Queue,
    /// The supervisor itself, Redis and the process manager.
    Server,
}

/// Kind of an event, with its payload.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// An actor was made.
    ActorCreated,
    /// The definition of an actor was changed.
    ActorUpdated,
    /// An actor was removed.
    ActorDeleted,
    /// An actor went from one state to another.
    ActorStateChanged {
        /// State before.
        old: ActorState,
        /// State after.
        new: ActorState,
        /// Desired state.
        desired: Desired,
        /// Pid of the process.
        pid: Option<u32>,
    },
    /// The process of an actor ended.
    ActorExited(LastExit),
    /// An actor was restarted because of its health.
    ActorRestarted,
    /// An idle actor was pinged.
    PingSent,
    /// A ping was answered in time.
    PingOk {
        /// Time from submit to answer, through queue and engine.
        round_trip: Duration,
    },
    /// A ping was missed.
    PingFailed {
        /// True when nobody answered, false when the answer was an error.
        timed_out: bool,
        /// The fault.
        reason: String,
    },
    /// The health of an actor changed.
    HealthChanged {
        /// Health before.
        old: Health,
        /// Health after.
        new: Health,
        /// Pings missed in a row.
        consecutive_failures: u32,
        /// Round trip of the last ping, if it was answered.
        round_trip: Option<Duration>,
        /// Action that was taken.
        action: HealthAction,
        /// One sentence on why.
        reason: String,
    },
    /// A job went from one state to another.
    JobStateChanged {
        /// State before; None for a job that was just submitted.
        old: Option<JobState>,
        /// State after.
        new: JobState,
        /// Attempts started so far.
        attempt: u32,
        /// Error of a job that failed; without log lines.
        error: Option<JobError>,
    },
    /// The record of a job was removed.
    JobDeleted,
    /// A job that waits has got another priority.
    JobUpdated {
        /// Priority before.
        old: Priority,
        /// Priority after.
        new: Priority,
    },
    /// Scaling decided.
    ScalingDecided(ScalingDecision),
    /// A queue was paused.
    QueuePaused,
    /// A queue goes on.
    QueueResumed,
    /// Waiting jobs were removed from a queue.
    QueuePurged {
        /// Number of jobs.
        count: u64,
    },
    /// Redis or the process manager stopped to answer.
    DependencyDown {
        /// `redis` or `process_manager`.
        name: String,
        /// The fault.
        reason: String,
    },
    /// Redis or the process manager answers again.
    DependencyUp {
        /// `redis` or `process_manager`.
        name: String,
        /// Name of the responder.
        who: String,
        /// Time that the answer took.
        latency: Duration,
    },
    /// A supervisor is ready to work.
    ServerStarted,
    /// A supervisor is on its way down.
    ServerDraining,
    /// Files that had changed were loaded again, and are in force.
    ServerReloaded {
        /// Name of what was loaded: `tls` for instance.
        subject: String,
    },
    /// Files that had changed cannot be used; what was loaded before stays in force.
    ServerReloadFailed {
        /// Name of what was to be loaded: `tls` for instance.
        subject: String,
        /// The fault, and how to mend it.
        reason: String,
    },
}

impl EventKind {
    /// Returns the usual severity of such events.
    pub fn severity(&self) -> Severity {
        match self {
            Self::PingSent | Self::PingOk { .. } => Severity::Debug,
            Self::ActorStateChanged { new: ActorState::CrashLoop | ActorState::Failed, .. } => {
                Severity::Error
            }
            Self::ActorStateChanged { new: ActorState::Backoff, .. } => Severity::Warning,
            Self::ActorExited(exit) if !exit.requested => Severity::Warning,
            Self::HealthChanged { new: Health::Unhealthy, .. } => Severity::Error,
            Self::HealthChanged { new: Health::Degraded, .. } => Severity::Warning,
            Self::ActorRestarted | Self::PingFailed { .. } => Severity::Warning,
            Self::JobStateChanged { new: JobState::Failed, .. } => Severity::Warning,
            Self::DependencyDown { .. } | Self::ServerReloadFailed { .. } => Severity::Error,
            Self::ActorCreated
            | Self::ActorUpdated
            | Self::ActorDeleted
            | Self::ActorStateChanged { .. }
            | Self::ActorExited(_)
            | Self::HealthChanged { .. }
            | Self::JobStateChanged { .. }
            | Self::JobDeleted
            | Self::JobUpdated { .. }
            | Self::ScalingDecided(_)
            | Self::QueuePaused
            | Self::QueueResumed
            | Self::QueuePurged { .. }
            | Self::DependencyUp { .. }
            | Self::ServerStarted
            | Self::ServerDraining
            | Self::ServerReloaded { .. } => Severity::Info,
        }
    }

    /// Returns the subject.
    pub fn topic(&self) -> Topic {
        match self {
            Self::ActorCreated
            | Self::ActorUpdated
            | Self::ActorDeleted
            | Self::ActorStateChanged { .. }
            | Self::ActorExited(_)
            | Self::ActorRestarted => Topic::Actor,
            Self::PingSent | Self::PingOk { .. } | Self::PingFailed { .. } | Self::HealthChanged { .. } => {
                Topic::Health
            }
            Self::JobStateChanged { .. } | Self::JobDeleted | Self::JobUpdated { .. } => Topic::Job,
            Self::ScalingDecided(_) => Topic::Scaling,
            Self::QueuePaused | Self::QueueResumed | Self::QueuePurged { .. } => Topic::Queue,
            Self::DependencyDown { .. }
            | Self::DependencyUp { .. }
            | Self::ServerStarted
            | Self::ServerDraining
            | Self::ServerReloaded { .. }
            | Self::ServerReloadFailed { .. } => Topic::Server,
        }
    }

    /// Returns the rule by which a log leaves out repeats.
    pub fn repeat(&self) -> Repeat {
        match self {
            Self::ActorStateChanged { new, .. } => Repeat::State(*new),
            Self::ActorExited(exit) => Repeat::Exit { pid: exit.pid },
            Self::ActorCreated | Self::ActorDeleted => Repeat::Forget,
            Self::ActorUpdated
            | Self::ActorRestarted
            | Self::PingSent
            | Self::PingOk { .. }
            | Self::PingFailed { .. }
            | Self::HealthChanged { .. }
            | Self::JobStateChanged { .. }
            | Self::JobDeleted
            | Self::JobUpdated { .. }
            | Self::ScalingDecided(_)
            | Self::QueuePaused
            | Self::QueueResumed
            | Self::QueuePurged { .. }
            | Self::DependencyDown { .. }
            | Self::DependencyUp { .. }
            | Self::ServerStarted
            | Self::ServerDraining
            | Self::ServerReloaded { .. }
            | Self::ServerReloadFailed { .. } => Repeat::Keep,
        }
    }
}

/// The rule by which a log leaves out an event that another supervisor has emitted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Leaves out a change to the state that the actor was last emitted in.
    State(ActorState),
    /// Leaves out the end of a process whose end was emitted last.
    Exit {
        /// Pid of the process.
        pid: u32,
    },
    /// Leaves out nothing, and forgets the state and the pid of the actor.
    Forget,
    /// Leaves out nothing.
    Keep,
}
