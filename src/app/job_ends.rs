//! The metric of ended jobs. The queue counts them, so that those whose end nobody has awaited are among them.

use metrics::counter;

use crate::domain::model::job::{JobErrorKind, JobState};
use crate::domain::model::script_type::ScriptType;
use crate::ports::queue_admin::EndCount;
use crate::telemetry::metrics::JOBS;

/// Sets the counters of one queue. Every way in which a job can end has its series, also at 0.
pub(super) fn set(script_type: ScriptType, ends: &[EndCount]) {
    for (state, error_kind) in ways() {
        let is_so = |end: &&EndCount| (end.state, end.error_kind) == (state, error_kind);
        let jobs = ends.iter().find(is_so).map_or(0, |end| end.jobs);
        let kind = error_kind.map_or("", JobErrorKind::as_str);
        let labels = [("script_type", script_type.as_str()), ("state", state.as_str()), ("error_kind", kind)];
        counter!(JOBS, &labels).absolute(jobs);
    }
}

/// Returns every terminal state with every kind of error that it has.
fn ways() -> impl Iterator<Item = (JobState, Option<JobErrorKind>)> {
    let without = [(JobState::Succeeded, None), (JobState::Cancelled, None)];
    without.into_iter().chain(JobErrorKind::ALL.map(|kind| (JobState::Failed, Some(kind))))
}
