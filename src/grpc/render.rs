//! Responses: from domain to proto. Rendering cannot fail.

mod access;
mod actor;
mod actor_state;
mod event;
mod explanation;
mod flow;
mod health;
mod job;
mod job_wait;
mod logs;
mod node;
mod queue;
mod script_types;

use std::time::{Duration, SystemTime};

pub(crate) use access::{audit_entry, known_identity};
pub(crate) use actor::{ActorView, actor, basic_actor, changed, config as actor_config, results, usage};
pub(crate) use event::{SNAPSHOT_MARK, bookmark, event, health_event};
pub(crate) use explanation::explanation;
pub(crate) use health::{health_report, health_reports};
pub(crate) use job::{basic_job, job, job_state_change, lines, progress};
pub(crate) use job_wait::job_wait;
pub(crate) use logs::log_part;
pub(crate) use node::node;
pub(crate) use queue::{default_queue, etag_of, queue, with_numbers};
pub(crate) use script_types::{script_type_status, settings, shares};

use crate::domain::model::script_type::ScriptType;
use crate::proto as pb;

/// Renders a script type.
pub(crate) fn script_type(script_type: ScriptType) -> pb::ScriptType {
    match script_type {
        ScriptType::OSIS => pb::ScriptType::Osis,
        ScriptType::SAL => pb::ScriptType::Sal,
        ScriptType::V => pb::ScriptType::V,
        ScriptType::Python => pb::ScriptType::Python,
    }
}

/// Renders the end of a wait.
pub(crate) fn wait_outcome(done: bool) -> i32 {
    if done { pb::WaitOutcome::Done.into() } else { pb::WaitOutcome::TimedOut.into() }
}

/// Renders a time.
pub(crate) fn timestamp(time: SystemTime) -> prost_types::Timestamp {
    time.into()
}

/// Renders a duration. One beyond the limit of the proto becomes that limit.
pub(crate) fn duration(span: Duration) -> prost_types::Duration {
    let longest = prost_types::Duration { seconds: 315_576_000_000, nanos: 0 };
    prost_types::Duration::try_from(span).unwrap_or(longest)
}

/// Renders a count. One beyond i32 becomes the largest i32.
pub(crate) fn count(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}
