//! Jobs and their changes.

use crate::domain::jobs::follow::Change;
use crate::domain::model::id::ActorId;
use crate::domain::model::job::{
    HeldWhile, Job, JobError, JobErrorKind, JobSpec, JobState, JobUsage, JobView, OnConflict, PastAttempt,
    ResultKind, RetryPolicy, Unique,
};
use crate::domain::model::output::LogStream;
use crate::domain::model::output::{OutputChunk, OutputItem, Progress};
use crate::grpc::render::{count, duration, script_type, timestamp};
use crate::proto as pb;

/// Renders a job with the basic view.
pub(crate) fn basic_job(basic: Job) -> pb::Job {
    job(basic, JobView::Basic)
}

/// Renders a job; script, input and environment only with the full view.
pub(crate) fn job(mut job: Job, view: JobView) -> pb::Job {
    let submitted_by = job.spec.submitted_by.take().unwrap_or_default();
    let retry_of = job.spec.retry_of.take().map(|id| id.to_string()).unwrap_or_default();
    let run_duration = match (job.started_at, job.finished_at) {
        (Some(started), Some(finished)) => finished.duration_since(started).ok().map(duration),
        (_, _) => None,
    };
    let (result, kind) = match job.result {
        Some(result) => (Some(result.text), result_kind(result.kind)),
        None => (None, pb::job::ResultKind::Unspecified),
    };
    pb::Job {
        job_id: job.id.to_string(),
        spec: Some(spec(job.spec, view)),
        state: state(job.state).into(),
        result,
        result_kind: kind.into(),
        error: job.error.map(error),
        actor_id: job.actor_id.as_ref().map(ActorId::to_string).unwrap_or_default(),
        attempt: count(job.attempt),
        create_time: Some(timestamp(job.created_at)),
        start_time: job.started_at.map(timestamp),
        finish_time: job.finished_at.map(timestamp),
        next_attempt_time: job.due_at.map(timestamp),
        run_duration,
        cancel_reason: job.cancel_reason.unwrap_or_default(),
        progress: job.progress.map(progress),
        past_attempts: job.past_attempts.into_iter().map(past_attempt).collect(),
        submitted_by,
        wait: None,
        retry_of,
        usage: job.usage.map(usage),
        blocked_by: job.blocked_by.map(|id| id.to_string()).unwrap_or_default(),
    }
}

fn spec(spec: JobSpec, view: JobView) -> pb::JobSpec {
    let (script, input, env) = match view {
        JobView::Basic => Default::default(),
        JobView::Full => (spec.script, spec.input.unwrap_or_default(), spec.env),
    };
    pb::JobSpec {
        script_type: script_type(spec.script_type).into(),
        script,
        input,
        caller_id: spec.caller_id,
        context_id: spec.context_id,
        env,
        labels: spec.labels,
        run_timeout: Some(duration(spec.run_timeout)),
        queue_timeout: spec.queue_timeout.map(duration),
        retry_policy: Some(retry_policy(spec.retry)),
        result_ttl: Some(duration(spec.result_ttl)),
        schedule_time: spec.run_at.map(timestamp),
        priority: Some(spec.priority.level().into()),
        queue: spec.queue.map(|queue| queue.to_string()).unwrap_or_default(),
        target_actor_id: spec.target_actor.as_ref().map(ActorId::to_string).unwrap_or_default(),
        unique: spec.unique.map(|key| unique(*key)),
        flow_key: spec.flow_key.unwrap_or_default(),
    }
}

fn unique(unique: Unique) -> pb::UniqueKey {
    use pb::unique_key as key;
    let held_while = match unique.held_while {
        HeldWhile::Queued => key::HeldWhile::Queued,
        HeldWhile::Unfinished => key::HeldWhile::Unfinished,
    };
    let on_conflict = match unique.on_conflict {
        OnConflict::ReturnExisting => key::OnConflict::ReturnExisting,
        OnConflict::Reject => key::OnConflict::Reject,
        OnConflict::Replace => key::OnConflict::Replace,
        OnConflict::RunOnceMore => key::OnConflict::RunOnceMore,
        OnConflict::CancelRunning => key::OnConflict::CancelRunning,
    };
    let after = unique.held_after_end;
    pb::UniqueKey {
        key: unique.key,
        held_while: held_while.into(),
        held_after_end: (!after.is_zero()).then(|| duration(after)),
        on_conflict: on_conflict.into(),
    }
}

pub(super) fn retry_policy(retry: RetryPolicy) -> pb::RetryPolicy {
    pb::RetryPolicy {
        max_attempts: Some(count(retry.max_attempts)),
        initial_backoff: Some(duration(retry.backoff.initial())),
        max_backoff: Some(duration(retry.backoff.max())),
    }
}

pub(super) fn error(error: JobError) -> pb::JobError {
    pb::JobError {
        kind: error_kind(error.kind).into(),
        message: error.message,
        line: error.line.map(count),
        column: error.column.map(count),
        exit_code: error.exit_code,
        signal: error.signal,
        log_tail: error.log_tail,
    }
}

/// Renders a change of state.
pub(crate) fn job_state_change(change: Change) -> pb::JobStateChange {
    pb::JobStateChange {
        old_state: state(change.old).into(),
        new_state: state(change.new).into(),
        attempt: count(change.attempt),
        error: change.error.map(error),
    }
}

/// Renders an attempt before the latest one.
fn past_attempt(past: PastAttempt) -> pb::JobAttempt {
    pb::JobAttempt {
        attempt: count(past.attempt),
        actor_id: past.actor_id.as_ref().map(ActorId::to_string).unwrap_or_default(),
        start_time: past.started_at.map(timestamp),
        end_time: Some(timestamp(past.ended_at)),
        error: past.error.map(error),
        usage: past.usage.map(usage),
    }
}

/// Renders the resources that an attempt has used.
fn usage(usage: JobUsage) -> pb::JobUsage {
    pb::JobUsage {
        cpu_time: Some(duration(usage.cpu)),
        peak_memory_bytes: usage.peak_memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
    }
}

/// Renders a progress.
pub(crate) fn progress(progress: Progress) -> pb::JobProgress {
    let Progress { percent, message, at } = progress;
    pb::JobProgress { percent, message, time: Some(timestamp(at)) }
}

/// Renders log lines, and the number of lines that are missing before them.
pub(crate) fn lines(lines: Vec<OutputChunk>, dropped: u64) -> pb::LogEntries {
    let entry = |chunk: OutputChunk| match chunk.item {
        OutputItem::Line { stream, text } => {
            let stream = match stream {
                LogStream::Stdout => pb::log_entry::Stream::Stdout,
                LogStream::Stderr => pb::log_entry::Stream::Stderr,
            };
            Some(pb::LogEntry { time: Some(timestamp(chunk.at)), stream: stream.into(), text })
        }
        OutputItem::Progress { .. } => None,
    };
    let dropped_count = i32::try_from(dropped).unwrap_or(i32::MAX);
    pb::LogEntries { entries: lines.into_iter().filter_map(entry).collect(), dropped_count }
}

/// Renders a state.
pub(super) fn state(state: JobState) -> pb::job::State {
    match state {
        JobState::Blocked => pb::job::State::Blocked,
        JobState::Scheduled => pb::job::State::Scheduled,
        JobState::Queued => pb::job::State::Queued,
        JobState::Running => pb::job::State::Running,
        JobState::RetryWait => pb::job::State::RetryWait,
        JobState::Succeeded => pb::job::State::Succeeded,
        JobState::Failed => pb::job::State::Failed,
        JobState::Cancelled => pb::job::State::Cancelled,
    }
}

fn result_kind(kind: ResultKind) -> pb::job::ResultKind {
    match kind {
        ResultKind::None => pb::job::ResultKind::None,
        ResultKind::Text => pb::job::ResultKind::Text,
        ResultKind::Json => pb::job::ResultKind::Json,
    }
}

fn error_kind(kind: JobErrorKind) -> pb::job_error::Kind {
    use pb::job_error::Kind;
    match kind {
        JobErrorKind::ScriptError => Kind::ScriptError,
        JobErrorKind::ScriptInvalid => Kind::ScriptInvalid,
        JobErrorKind::RunTimeout => Kind::RunTimeout,
        JobErrorKind::QueueTimeout => Kind::QueueTimeout,
        JobErrorKind::LimitExceeded => Kind::LimitExceeded,
        JobErrorKind::EngineUnavailable => Kind::EngineUnavailable,
        JobErrorKind::EngineCrash => Kind::EngineCrash,
        JobErrorKind::ActorLost => Kind::ActorLost,
        JobErrorKind::Internal => Kind::Internal,
    }
}
