//! Filters of jobs, of `job ls` and `job cancel`.

use std::time::SystemTime;

use clap::Args;

use crate::cli::client::{self, Server};
use crate::cli::values::{self, moment_ago, word};
use crate::cli::{Exit, Failure};
use crate::domain::model::job::JobErrorKind;
use crate::domain::model::queue_name::QueueName;
use crate::proto::{self, Job, ListJobsRequest, ListQueuesRequest, Queue, job, job_error};

/// Jobs of one page; their results can be large.
const PAGE_SIZE: i32 = 100;
/// Queues of one page.
const QUEUES_PAGE: i32 = 1000;
/// Queues that are named in a notice.
const NAMED: usize = 3;
/// Most pages that are read for one list; a page with a rare filter can be empty.
const MOST_PAGES: usize = 5_000;

/// Conditions that jobs must all meet.
#[derive(Debug, Clone, Args)]
pub struct FilterArgs {
    /// Only jobs of these script types: osis, sal, v or python
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = values::script_type)]
    types: Vec<proto::ScriptType>,
    /// Only jobs of these queues [default: the default queues of all script types]
    #[arg(long = "queue", value_name = "QUEUE", value_delimiter = ',', value_parser = QueueName::parse)]
    queues: Vec<QueueName>,
    /// Only jobs in these states: blocked, scheduled, queued, running, retry_wait, succeeded, failed or cancelled
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',', value_parser = state)]
    states: Vec<job::State>,
    /// Only jobs of this caller
    #[arg(long, value_name = "ID")]
    caller: Option<String>,
    /// Only jobs of this context
    #[arg(long, value_name = "ID")]
    context: Option<String>,
    /// Only jobs that this actor has or had last
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Only jobs that have all these labels
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = values::pair)]
    labels: Vec<(String, String)>,
    /// Only jobs of these priorities, 1 to 5
    #[arg(short, long = "priority", value_name = "N", value_delimiter = ',')]
    priorities: Vec<i32>,
    /// Only jobs that have failed by these kinds of errors: script_error, script_invalid, run_timeout, queue_timeout,
    /// limit_exceeded, engine_unavailable, engine_crash, actor_lost or internal
    #[arg(long = "error", value_name = "KIND", value_delimiter = ',', value_parser = error_kind)]
    error_kinds: Vec<job_error::Kind>,
    /// Only jobs that have failed with this text in the message of their error, capitals or not
    #[arg(long, value_name = "TEXT")]
    error_message: Option<String>,
    /// Only the job that holds this unique key, and the one that waits for its end
    #[arg(long = "unique", value_name = "KEY")]
    unique_key: Option<String>,
    /// Only jobs that were submitted since then: 10m, 2h, 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment_ago)]
    since: Option<SystemTime>,
    /// Only jobs that were submitted before then: 10m, 2h, 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment_ago)]
    before: Option<SystemTime>,
}

impl FilterArgs {
    /// Returns true if every job meets the conditions.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            types,
            queues,
            states,
            caller,
            context,
            actor,
            labels,
            priorities,
            error_kinds,
            error_message,
            unique_key,
            since,
            before,
        } = self;
        types.is_empty()
            && queues.is_empty()
            && states.is_empty()
            && labels.is_empty()
            && priorities.is_empty()
            && error_kinds.is_empty()
            && [caller, context, actor, unique_key, error_message].iter().all(|text| text.is_none())
            && since.is_none()
            && before.is_none()
    }

    /// Returns the states that are wanted; none means all.
    pub(super) fn states(&self) -> &[job::State] {
        &self.states
    }

    /// Adds the states that are wanted if none were named.
    pub(super) fn or_in_states(mut self, states: &[job::State]) -> Self {
        if self.states.is_empty() {
            self.states = states.to_vec();
        }
        self
    }

    /// Returns a notice about named queues, whose jobs are not in a list without queues. None for a list of queues, where there
    /// are no such queues, and where the server does not tell them.
    pub(super) async fn left_out(&self, server: &mut Server) -> Option<String> {
        if !self.queues.is_empty() {
            return None;
        }
        let request = ListQueuesRequest { page_size: QUEUES_PAGE, named_only: true, ..Default::default() };
        let page = server.list_queues(client::call(request)).await.ok()?.into_inner();
        let is_named = |queue: &&Queue| queue.create_time.is_some();
        let names: Vec<&str> =
            page.queues.iter().filter(is_named).map(|queue| queue.queue.as_str()).collect();
        notice_of(&names, !page.next_page_token.is_empty())
    }

    /// Makes the request of the first page.
    fn into_request(self) -> ListJobsRequest {
        ListJobsRequest {
            script_types: self.types.into_iter().map(i32::from).collect(),
            queues: self.queues.iter().map(ToString::to_string).collect(),
            states: self.states.into_iter().map(i32::from).collect(),
            caller_id: self.caller.unwrap_or_default(),
            context_id: self.context.unwrap_or_default(),
            actor_id: self.actor.unwrap_or_default(),
            labels: self.labels.into_iter().collect(),
            priorities: self.priorities,
            error_kinds: self.error_kinds.into_iter().map(i32::from).collect(),
            error_message: self.error_message.unwrap_or_default(),
            unique_key: self.unique_key.unwrap_or_default(),
            create_time_after: self.since.map(Into::into),
            create_time_before: self.before.map(Into::into),
            ..Default::default()
        }
    }

    /// Lists the newest jobs that meet the conditions, at most so many. The token is set if there may be more.
    ///
    /// # Errors
    /// Those of the calls, and a list that has no end in sight.
    pub(super) async fn newest(
        self,
        server: &mut Server,
        limit: usize,
    ) -> Result<proto::ListJobsResponse, Failure> {
        newest(server, self.into_request(), limit).await
    }
}

/// Lists the newest jobs of a request, at most so many. The token is set if there may be more.
///
/// # Errors
/// Those of the calls, and a list that has no end in sight.
pub(super) async fn newest(
    server: &mut Server,
    mut request: ListJobsRequest,
    limit: usize,
) -> Result<proto::ListJobsResponse, Failure> {
    let mut all = proto::ListJobsResponse::default();
    for _page in 0..MOST_PAGES {
        // Never more than are still wanted, so that the last token is that of the last listed job.
        let wanted = i32::try_from(limit.saturating_sub(all.jobs.len())).unwrap_or(PAGE_SIZE);
        if wanted == 0 {
            return Ok(all);
        }
        request.page_size = wanted.min(PAGE_SIZE);
        let page = server.list_jobs(client::call(request.clone())).await?.into_inner();
        all.jobs.extend(page.jobs);
        all.next_page_token.clone_from(&page.next_page_token);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(all);
        }
    }
    let found = values::jobs(i64::try_from(all.jobs.len()).unwrap_or(i64::MAX));
    let message =
        format!("gave up after {MOST_PAGES} pages with {found}: narrow the list with --since or --type");
    Err(Failure::new(Exit::Refused, message))
}

/// Says which queues are left out of a list.
fn notice_of(names: &[&str], are_more: bool) -> Option<String> {
    let (some, rest) = names.split_at(names.len().min(NAMED));
    let some = some.join(", ");
    let more = match (rest.len(), are_more) {
        (_, true) => " and many more".to_owned(),
        (0, false) => String::new(),
        (rest, false) => format!(" and {rest} more"),
    };
    let queues = if names.len() == 1 { "queue" } else { "queues" };
    (!names.is_empty())
        .then(|| format!("without the jobs of {queues} {some}{more}: see them with --queue NAME"))
}

/// Returns the name of a job's state.
pub(super) fn state_word(job: &Job) -> String {
    word(job.state().as_str_name(), "STATE_")
}

/// The states that jobs can be in.
pub(in crate::cli) const STATES: [job::State; 8] = [
    job::State::Blocked,
    job::State::Scheduled,
    job::State::Queued,
    job::State::Running,
    job::State::RetryWait,
    job::State::Succeeded,
    job::State::Failed,
    job::State::Cancelled,
];

/// Parses the kind of an error.
fn error_kind(raw: &str) -> Result<job_error::Kind, String> {
    let known = JobErrorKind::ALL.map(|kind| format!("KIND_{}", kind.as_str().to_ascii_uppercase()));
    let kinds = known.iter().filter_map(|name| job_error::Kind::from_str_name(name));
    let name = |kind: &job_error::Kind| word(kind.as_str_name(), "KIND_");
    kinds.clone().find(|kind| name(kind).eq_ignore_ascii_case(raw)).ok_or_else(|| {
        let names: Vec<String> = kinds.map(|kind| name(&kind)).collect();
        format!("{raw:?} is not a kind of errors: use {}", names.join(", "))
    })
}

/// Parses a state.
fn state(raw: &str) -> Result<job::State, String> {
    let name = |state: &job::State| word(state.as_str_name(), "STATE_");
    STATES.into_iter().find(|state| name(state).eq_ignore_ascii_case(raw)).ok_or_else(|| {
        let names: Vec<String> = STATES.iter().map(name).collect();
        format!("{raw:?} is not a state of jobs: use {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_are_left_out_are_named_as_far_as_they_are_few() {
        let told = |names: &[&str], are_more| notice_of(names, are_more).unwrap_or_default();
        assert_eq!(told(&[], false), "");
        assert_eq!(told(&["gpu"], false), "without the jobs of queue gpu: see them with --queue NAME");
        assert!(told(&["a", "b", "c"], false).starts_with("without the jobs of queues a, b, c: "));
        assert!(
            told(&["a", "b", "c", "d", "e"], false)
                .starts_with("without the jobs of queues a, b, c and 2 more: ")
        );
        assert!(
            told(&["a", "b", "c", "d"], true)
                .starts_with("without the jobs of queues a, b, c and many more: ")
        );
    }

    #[test]
    fn a_kind_of_errors_that_is_none_is_told_with_all_that_are() {
        assert_eq!(error_kind("Actor_lost"), Ok(job_error::Kind::ActorLost));
        for wrong in ["bogus", "unspecified", ""] {
            let refused = error_kind(wrong).expect_err(wrong);
            assert!(refused.ends_with("script_error, script_invalid, run_timeout, queue_timeout, limit_exceeded, engine_unavailable, engine_crash, actor_lost, internal"), "{refused}");
        }
    }

    #[test]
    fn a_state_that_is_none_is_told_with_all_that_are() {
        assert_eq!(state("retry_wait"), Ok(job::State::RetryWait));
        assert_eq!(state("FAILED"), Ok(job::State::Failed));
        for wrong in ["bogus", "unspecified", ""] {
            let refused = state(wrong).expect_err(wrong);
            assert!(
                refused.contains("scheduled, queued, running, retry_wait, succeeded, failed"),
                "{refused}"
            );
        }
    }
}
