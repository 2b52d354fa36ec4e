//! From domain to proto; nothing can go wrong here.

mod actor;
mod event;
mod health;
mod job;
mod logs;
mod script_type;

use std::time::{Duration, SystemTime};

pub(crate) use actor::{ActorView, actor, basic_actor, changed, config as actor_config, results};
pub(crate) use event::{SNAPSHOT_MARK, bookmark, event, health_event};
pub(crate) use health::health_report;
pub(crate) use job::{job, job_state_change, lines, progress};
pub(crate) use logs::log_part;
pub(crate) use script_type::{script_type_status, settings};

use crate::domain::model::job::JobView;
use crate::domain::model::script_type::ScriptType;
use crate::proto as pb;

/// A script type.
pub(crate) fn script_type(script_type: ScriptType) -> pb::ScriptType {
    match script_type {
        ScriptType::OSIS => pb::ScriptType::Osis,
        ScriptType::SAL => pb::ScriptType::Sal,
        ScriptType::V => pb::ScriptType::V,
        ScriptType::Python => pb::ScriptType::Python,
    }
}

/// How a wait ended.
pub(crate) fn wait_outcome(done: bool) -> i32 {
    if done { pb::WaitOutcome::Done.into() } else { pb::WaitOutcome::TimedOut.into() }
}

/// A moment.
pub(crate) fn timestamp(time: SystemTime) -> prost_types::Timestamp {
    time.into()
}

/// A span; one beyond what the proto can say becomes the longest that it can.
pub(crate) fn duration(span: Duration) -> prost_types::Duration {
    let longest = prost_types::Duration { seconds: 315_576_000_000, nanos: 0 };
    prost_types::Duration::try_from(span).unwrap_or(longest)
}

/// A count; more than two thousand million are shown as just that.
pub(crate) fn count(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}

/// A job of a list or of an answer that is not about its script.
pub(crate) fn basic_job(basic: crate::domain::model::job::Job) -> pb::Job {
    job(basic, JobView::Basic)
}
