//! Handles the end of an attempt: by its result, by the death of its host, or without an engine.

use std::time::Duration;

use super::slot::{KillReason, SentJob};
use super::{HeldJob, WorkerLoop};
use crate::actor::engines::{failed, timed_out};
use crate::actor::hosts::{Death, Done, Host, Launcher};
use crate::domain::model::job::{JobError, JobErrorKind, JobResult, JobUsage};
use crate::ports::work_queue::{AttemptEnd, AttemptError, Retryability};
use crate::telemetry::traces;

/// Text that a Rust program writes before it dies because an allocation failed.
const OUT_OF_MEMORY: &str = "memory allocation of ";
/// Text that a Rust program writes when a thread has used up its stack.
const OUT_OF_STACK: &str = "has overflowed its stack";

impl<L: Launcher> WorkerLoop<L> {
    /// A host says that a job ended.
    pub(super) fn on_done(&mut self, place: usize, done: Done) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        if slot.sent.front().is_none_or(|front| front.seq != done.seq) {
            tracing::error!(seq = done.seq, "engine host: answers for a job that it does not run (replaced)");
            if let Some(host) = slot.host.as_mut() {
                host.kill();
            }
            return;
        }
        let Some(SentJob { held, .. }) = slot.sent.pop_front() else { return };
        slot.front_since = self.now;
        slot.retiring |= done.retiring;
        slot.cancel_termination(done.seq);
        // Its place at the head may have gone to a job that nobody wants any more.
        slot.terminate_if_void(self.now);
        let wall = Duration::from_micros(done.wall_us);
        self.run_times.note(wall);
        self.end(held, wall, done.usage, done.outcome);
    }

    /// A host is gone.
    pub(super) fn on_died(&mut self, place: usize, death: Death) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        let (was_ready, retired, front_since) = (slot.ready, slot.retiring, slot.front_since);
        let left = slot.lose_host(death.gone_at);
        if !was_ready {
            let why = last_words(&death, "the engine host does not start");
            tracing::error!(?death, "engine host: did not come up ({why})");
            slot.failed_to_come_up(why, self.now);
        } else if left.reason.is_none() && !retired {
            tracing::warn!(?death, "engine host: died while it was not asked to");
        }
        self.take_back(left.untouched.into_iter().collect());
        if let Some(SentJob { held, .. }) = left.running {
            let wall = self.now.saturating_duration_since(front_since);
            match left.reason {
                Some(KillReason::Void) => {
                    self.executed.add(&held.job.lease);
                    self.let_go(&held.job);
                    tracing::info!(job.id = %held.job.lease.job_id, "job {}: killed its script, since its lease is void", held.job.lease.job_id)
                }
                Some(KillReason::Overrun) => {
                    let timeout = held.job.spec.run_timeout;
                    self.end(held, wall, None, Err(timed_out(timeout)));
                }
                Some(KillReason::QueueUnreachable) => {
                    let why = "the actor could not reach the queue and killed the script, since its lease was running out";
                    self.end(held, wall, None, Err(failed(JobError::new(JobErrorKind::ActorLost, why))));
                }
                Some(KillReason::Stopped) => {
                    let why = "the actor was told to end at once and killed the script";
                    self.end(held, wall, None, Err(failed(JobError::new(JobErrorKind::ActorLost, why))));
                }
                None => self.end(held, wall, None, Err(crash(death))),
            }
        }
    }

    /// Has the end of an attempt written.
    pub(super) fn end(
        &mut self,
        held: HeldJob,
        wall: Duration,
        usage: Option<JobUsage>,
        mut outcome: Result<JobResult, AttemptError>,
    ) {
        let HeldJob { job, reported, void, mut output, .. } = held;
        self.executed.add(&job.lease);
        if void {
            self.let_go(&job);
            tracing::info!(job.id = %job.lease.job_id, "job {}: dropped its result, since its lease is void", job.lease.job_id);
            return;
        }
        let started_at = reported.unwrap_or_else(|| {
            let now = self.clock.now();
            now.checked_sub(wall).unwrap_or(now)
        });
        if let Err(AttemptError { error, .. }) = &mut outcome {
            if error.log_tail.is_empty() {
                error.log_tail = output.tail();
            }
            tracing::debug!(job.id = %job.lease.job_id, attempt = job.attempt, %error, "job {}: failed", job.lease.job_id);
        }
        if let Some(traceparent) = &job.spec.traceparent {
            traces::attempt(&traces::Attempt {
                traceparent,
                job_id: job.lease.job_id.as_str(),
                script_type: job.spec.script_type.as_str(),
                attempt: job.attempt,
                started_at,
                wall,
                error: outcome.as_ref().err().map(|failed| failed.error.message.as_str()),
            });
        }
        self.end_in_order(AttemptEnd { lease: job.lease, started_at, outcome, usage, output: output.take() });
    }

    /// Fails jobs at once while there is no engine.
    pub(super) fn fail_without_engine(&mut self) {
        if !self.slots.iter().all(|slot| slot.missing.is_some()) {
            return;
        }
        let Some(reason) = self.slots.first().and_then(|slot| slot.missing.clone()) else { return };
        for held in std::mem::take(&mut self.waiting) {
            let error = JobError::new(JobErrorKind::EngineUnavailable, reason.clone());
            self.end(held, Duration::ZERO, None, Err(AttemptError { error, retry: Retryability::Final }));
        }
    }
}

/// The end of a job whose host died.
fn crash(death: Death) -> AttemptError {
    let said = |words: &str| death.log_tail.iter().any(|line| line.contains(words));
    let (kind, message) = if said(OUT_OF_MEMORY) {
        (JobErrorKind::LimitExceeded, "the script needs more memory than it may use".to_owned())
    } else if said(OUT_OF_STACK) {
        (JobErrorKind::EngineCrash, "the script overflowed the stack of its engine".to_owned())
    } else {
        let how = match (death.signal, death.exit_code) {
            (Some(signal), _) => format!("by signal {signal}"),
            (None, Some(code)) => format!("with exit code {code}"),
            (None, None) => "for an unknown reason".to_owned(),
        };
        (JobErrorKind::EngineCrash, format!("the engine host died {how} while the script ran"))
    };
    let Death { exit_code, signal, log_tail, gone_at: _ } = death;
    failed(JobError { exit_code, signal, log_tail, ..JobError::new(kind, message) })
}

fn last_words(death: &Death, what: &str) -> String {
    match death.log_tail.last() {
        Some(line) => format!("{what}: {line}"),
        None => what.to_owned(),
    }
}
