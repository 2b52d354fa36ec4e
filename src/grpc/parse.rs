//! Requests: from proto to domain. A parsed value is well-formed; otherwise every violation is reported at once.
//!
//! Field paths are those of the proto (`job.script`, `config.args[3]`), as the caller knows them.

mod access;
mod actor;
mod confinement;
pub(crate) mod event;
mod flow;
mod health;
mod job;
mod logs;
mod queue;
mod script_type;
mod selector;
mod unique;
mod update_actor;
mod update_script_type;
mod value;
mod watch_job;

pub(crate) use access::{list_audit_entries, list_identities};
pub(crate) use actor::{
    actor_view, create_actor, get_actor, list_actors, restart_actors, scale_actors, stop_options,
    wait_for_actor,
};
pub(crate) use event::{Begin, event_page, list_events, watch_events, watch_health};
pub(crate) use health::check_health;
pub(crate) use job::{
    Changed, Retry, Run, await_job, cancel_job, explain_job, get_job, job_id, list_jobs, retry_job, run_job,
    submit_job, update_job,
};
pub(crate) use logs::{MAX_TAIL, actor_logs, cursor};
pub(crate) use queue::{QueueChoice, create_queue, queue};
pub(crate) use script_type::{pause, purge};
pub(crate) use selector::{node, selector};
pub(crate) use update_actor::update_actor;
pub(crate) use update_script_type::{UpdateSettings, known_type, update_queue, update_script_type};
pub(crate) use value::{MAX_PAGE, check_reason, page_size};
pub(crate) use watch_job::watch_job;

#[cfg(test)]
mod tests;
