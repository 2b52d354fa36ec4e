//! Settings of a queue: how many actors, when to ping them, defaults for jobs.
//!
//! The settings of a script type are those of its default queue. Settings are kept beside the queues and hold for every
//! supervisor on them.

use std::time::Duration;

use crate::domain::model::flow::FlowRules;
use crate::domain::model::health::HealthPolicy;
use crate::domain::model::job::{JobSpec, RetryPolicy};
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::scaling::ScalingPolicy;
use crate::domain::model::script_type::ScriptType;

/// The settings of a queue, without its template.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptTypeSettings {
    /// The queue; the default one for the settings of a script type.
    pub queue: QueueName,
    /// Script type of its jobs.
    pub script_type: ScriptType,
    /// Number of actors.
    pub scaling: ScalingPolicy,
    /// Ping policy of actors whose own definition says nothing else.
    pub health: HealthPolicy,
    /// Defaults of jobs whose callers leave fields open.
    pub job_defaults: JobSettings,
    /// Jobs that may wait; 0 is any number, None is the limit that the supervisor was started with.
    pub max_queue_depth: Option<u32>,
    /// Time by which a waiting job gains a level of priority; zero is never, None is [`DEFAULT_AGEING`](crate::domain::model::job::DEFAULT_AGEING).
    pub priority_ageing: Option<Duration>,
    /// Rules of flow by key; without any there is none.
    pub flow: FlowRules,
    /// Grows by one with every change; a writer names the one it has read. 0 when nothing is kept yet.
    pub generation: u64,
}

impl ScriptTypeSettings {
    /// The settings of a queue for which nobody has made any.
    pub fn new(queue: impl Into<TypedQueue>) -> Self {
        let TypedQueue { name, script_type } = queue.into();
        Self {
            queue: name,
            script_type,
            scaling: ScalingPolicy::default(),
            health: HealthPolicy::default(),
            job_defaults: JobSettings::default(),
            max_queue_depth: None,
            priority_ageing: None,
            flow: FlowRules::default(),
            generation: 0,
        }
    }
}

/// Defaults of jobs whose callers leave fields open; None means the default of [`JobSpec::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobSettings {
    /// Limit of one attempt.
    pub run_timeout: Option<Duration>,
    /// Limit of the wait for an actor.
    pub queue_timeout: Option<Duration>,
    /// Time for which the record is kept after the end.
    pub result_ttl: Option<Duration>,
    /// Attempts, and the wait between them.
    pub retry: Option<RetryPolicy>,
}

/// Fields of a job that its caller left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnsetFields {
    /// See [`JobSpec::run_timeout`].
    pub run_timeout: bool,
    /// See [`JobSpec::queue_timeout`].
    pub queue_timeout: bool,
    /// See [`JobSpec::result_ttl`].
    pub result_ttl: bool,
    /// See [`JobSpec::retry`].
    pub retry: bool,
}

impl JobSettings {
    /// Fills in what was left open.
    pub fn fill(&self, spec: &mut JobSpec, open: UnsetFields) {
        if let Some(run_timeout) = self.run_timeout.filter(|_| open.run_timeout) {
            spec.run_timeout = run_timeout;
        }
        if let Some(queue_timeout) = self.queue_timeout.filter(|_| open.queue_timeout) {
            spec.queue_timeout = Some(queue_timeout);
        }
        if let Some(result_ttl) = self.result_ttl.filter(|_| open.result_ttl) {
            spec.result_ttl = result_ttl;
        }
        if let Some(retry) = self.retry.filter(|_| open.retry) {
            spec.retry = retry;
        }
    }
}
