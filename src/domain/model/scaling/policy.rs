//! Scaling policy: the number of actors of a script type.

use std::time::Duration;

use crate::domain::model::limits::MAX_TIMEOUT;
use crate::domain::model::scaling::MAX_REPLICAS;
use crate::domain::model::violation::Violations;

/// Most jobs for each actor that a policy may aim at.
pub const MAX_TARGET: u32 = 1_000_000;

/// The side that decides on the number of actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScalingMode {
    /// Callers decide.
    #[default]
    Fixed,
    /// The supervisor, by the number of jobs.
    Auto,
}

/// The machines over which a number of actors counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScaleScope {
    /// Each machine for itself.
    #[default]
    Node,
    /// All machines of the fleet together.
    Fleet,
}

/// Number of actors of a script type, on a node or in the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScalingPolicy {
    /// The side that decides on the number.
    pub mode: ScalingMode,
    /// The machines over which the numbers count.
    pub scope: ScaleScope,
    /// The number that callers have set, in [`ScalingMode::Fixed`].
    pub replicas: Option<u32>,
    /// Least number, 0 by default.
    pub min_replicas: u32,
    /// Largest number, 1 by default.
    pub max_replicas: u32,
    /// Jobs, queued and running, for each actor; 1 by default.
    pub target_jobs_per_actor: u32,
    /// One more actor whenever the oldest job has waited longer than this.
    pub max_queue_age: Option<Duration>,
    /// The need must last this long before actors are added: 5 s.
    pub scale_out_delay: Duration,
    /// The highest need within this time counts when actors are removed: 5 minutes.
    pub scale_in_delay: Duration,
    /// Time without a job before the last actor is removed: 15 minutes.
    pub scale_to_zero_delay: Duration,
    /// Most actors added at once; 0 is any number.
    pub max_step_out: u32,
    /// Most actors removed at once; 0 is any number.
    pub max_step_in: u32,
    /// Time for the jobs of an actor that is removed; the actor's own by default.
    pub drain_timeout: Option<Duration>,
}

impl Default for ScalingPolicy {
    fn default() -> Self {
        Self {
            mode: ScalingMode::Fixed,
            scope: ScaleScope::Node,
            replicas: None,
            min_replicas: 0,
            max_replicas: 1,
            target_jobs_per_actor: 1,
            max_queue_age: None,
            scale_out_delay: Duration::from_secs(5),
            scale_in_delay: Duration::from_secs(300),
            scale_to_zero_delay: Duration::from_secs(900),
            max_step_out: 0,
            max_step_in: 0,
            drain_timeout: None,
        }
    }
}

impl ScalingPolicy {
    /// Checks every limit.
    ///
    /// # Errors
    /// All violations at once, with field names as in the proto message `ScalingPolicy`.
    pub fn validate(&self) -> Result<(), Violations> {
        let mut violations = Violations::new();
        if self.replicas.is_some_and(|replicas| replicas > MAX_REPLICAS) {
            violations.add("replicas", format!("is more than {MAX_REPLICAS}"));
        }
        if self.min_replicas > self.max_replicas {
            violations.add("min_replicas", format!("is more than max_replicas, {}", self.max_replicas));
        }
        if !(1..=MAX_REPLICAS).contains(&self.max_replicas) {
            violations.add("max_replicas", format!("is {}: use 1 to {MAX_REPLICAS}", self.max_replicas));
        }
        if !(1..=MAX_TARGET).contains(&self.target_jobs_per_actor) {
            let target = self.target_jobs_per_actor;
            violations.add("target_jobs_per_actor", format!("is {target}: use 1 to {MAX_TARGET}"));
        }
        let spans = [
            ("max_queue_age", self.max_queue_age),
            ("scale_out_delay", Some(self.scale_out_delay)),
            ("scale_in_delay", Some(self.scale_in_delay)),
            ("scale_to_zero_delay", Some(self.scale_to_zero_delay)),
            ("drain_timeout", self.drain_timeout),
        ];
        for (field, span) in spans {
            if let Some(span) = span.filter(|span| *span > MAX_TIMEOUT) {
                violations.add(field, format!("is {span:?}: use at most 24 hours"));
            }
        }
        violations.into_result()
    }
}
