//! One job, followed to its end: the job as it is, how its state changes, what its script says, and the job at its end.
//!
//! A watcher reads the job when the queue hints at a change. The steps since the last read are found in the record,
//! which keeps past attempts, so no attempt is missed however short it was. Output is read from the place of the
//! watcher. Nothing is kept for a watcher that does not read.

mod steps;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::domain::jobs::Supervisor;
use crate::domain::jobs::follow::steps::Step;
use crate::domain::model::id::JobId;
use crate::domain::model::job::{Finished, Job, JobState, JobView};
use crate::domain::model::output::{Gaps, OutputChunk, OutputItem, OutputMark, Progress, StoredChunk};
use crate::error::SupervisorError;
use crate::ports::job_queue::Changes;

pub use steps::Change;

/// Callers that follow jobs at a time. Each holds a few kilobytes.
pub(super) const MOST_FOLLOWED: usize = 10_000;
/// Looks without a hint, which can be lost: each so often, and soon while something was said in an attempt of which the
/// record does not know yet.
const LOOK: Duration = Duration::from_secs(5);
const LOOK_SOON: Duration = Duration::from_millis(50);
/// Utterances read at once.
const PAGE: usize = 500;
/// Lines in one message, and bytes of them.
const LINES: usize = 200;
const LINE_BYTES: usize = 512 * 1024;

/// An update about a job.
#[derive(Debug)]
pub enum JobUpdate {
    /// The job as it is; comes first and last.
    Job(Box<Job>),
    /// The state changed.
    State(Change),
    /// The script reported its progress.
    Progress(Progress),
    /// The script wrote lines.
    Lines {
        /// The lines, oldest first.
        lines: Vec<OutputChunk>,
        /// Number of lines that were left out right before these.
        dropped: u64,
    },
}

/// The place of a watcher of a job: the last state, and the last output, that it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlace {
    state: JobState,
    attempt: u32,
    mark: OutputMark,
    gaps: Gaps,
}

impl JobPlace {
    /// The text for callers.
    pub fn encode(&self) -> String {
        let (attempt, number) = self.gaps.last();
        format!("1~{}~{}~{}~{attempt}~{number}", self.state.as_str(), self.attempt, self.mark.0)
    }

    /// Decodes a place; None for a text that is none of ours.
    pub fn decode(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("1~")?.split('~');
        let state = JobState::parse(parts.next()?)?;
        let attempt = parts.next()?.parse().ok()?;
        let mark = parts.next().filter(|mark| is_mark(mark))?;
        let gaps = Gaps::behind(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let place = Self { state, attempt, mark: OutputMark(mark.to_owned()), gaps };
        parts.next().is_none().then_some(place)
    }
}

/// Returns true if a text may be a mark of a queue: nothing, a number, or two.
fn is_mark(text: &str) -> bool {
    let is_number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse().is_ok_and(|number: i64| number >= 0)
    };
    text.is_empty() || text.split_once('-').map_or(is_number(text), |(a, b)| is_number(a) && is_number(b))
}

enum Phase {
    /// The job is to be sent.
    First,
    /// The job has not ended.
    Live,
    /// The job has ended; the rest of its output comes, then the job.
    Ending,
    Over,
}

type End = Pin<Box<dyn Future<Output = Option<Finished>> + Send>>;

/// A watcher of one job.
pub struct JobWatch {
    supervisor: Supervisor,
    /// The job, as it was read last.
    job: Job,
    end: End,
    phase: Phase,
    /// Place up to which everything was sent.
    place: JobPlace,
    with_lines: bool,
    changes: Changes,
    /// Steps that are not sent yet, up to the last read of the job.
    steps: VecDeque<Step>,
    /// Output that is not sent yet.
    page: VecDeque<StoredChunk>,
    /// True if all output at the time of the last read is in the page, or was sent.
    drained: bool,
    look_at: Instant,
    /// True after a hint, until the job is read.
    hinted: bool,
    /// True if something was sent after the first message.
    told: bool,
    _place: OwnedSemaphorePermit,
}

impl JobWatch {
    /// Begins to follow a job: from now on and with all its output, or behind a place.
    ///
    /// # Errors
    /// `JobNotFound`, `JobExpired`, `QueueUnavailable`, `TooManyWatches`.
    pub async fn begin(
        supervisor: Supervisor,
        id: &JobId,
        with_lines: bool,
        resume: Option<JobPlace>,
    ) -> Result<Self, SupervisorError> {
        let place_held = Arc::clone(&supervisor.follow_places)
            .try_acquire_owned()
            .map_err(|_taken| SupervisorError::TooManyWatches { limit: MOST_FOLLOWED })?;
        let changes = supervisor.queue().changes(id);
        let attached = supervisor.queue.attach(id).await?.ok_or_else(|| supervisor.unknown(id))?;
        let job = attached.job;
        let place = resume.unwrap_or_else(|| JobPlace {
            state: job.state,
            attempt: job.attempt,
            mark: OutputMark::default(),
            gaps: Gaps::default(),
        });
        let end: End = match attached.completion {
            Some(completion) => Box::pin(completion.wait()),
            None => Box::pin(std::future::pending()),
        };
        Ok(Self {
            supervisor,
            job,
            end,
            phase: Phase::First,
            place,
            with_lines,
            changes,
            steps: VecDeque::new(),
            page: VecDeque::new(),
            drained: false,
            look_at: Instant::now(),
            hinted: false,
            told: false,
            _place: place_held,
        })
    }

    /// Returns the place up to which everything was sent.
    pub fn place(&self) -> &JobPlace {
        &self.place
    }

    /// Waits for the next update. None after the job at its end. May be dropped at any moment and called again.
    ///
    /// # Errors
    /// `QueueUnavailable`, `JobNotFound` when it was deleted; the watch is over then.
    pub async fn next(&mut self) -> Result<Option<JobUpdate>, SupervisorError> {
        loop {
            match self.phase {
                Phase::First => {
                    self.note_state();
                    return Ok(Some(JobUpdate::Job(Box::new(self.job.clone()))));
                }
                Phase::Over => return Ok(None),
                Phase::Live | Phase::Ending => {}
            }
            if let Some(updates) = self.tell() {
                self.told = true;
                return Ok(Some(updates));
            }
            match self.phase {
                Phase::Live | Phase::Ending if !self.drained && self.page.is_empty() => {
                    self.read_output().await?;
                }
                Phase::Live => self.look_again().await?,
                Phase::Ending | Phase::First | Phase::Over => {
                    self.phase = Phase::Over;
                    if self.told {
                        return Ok(Some(JobUpdate::Job(Box::new(self.job.clone()))));
                    }
                }
            }
        }
    }

    /// Finds the steps of the job since the last one that was sent.
    fn note_state(&mut self) {
        self.steps = steps::between(self.place.state, self.place.attempt, &self.job).into();
        self.phase = if self.job.state.is_terminal() { Phase::Ending } else { Phase::Live };
        // What was said up to here may not be read yet.
        self.drained = false;
    }

    /// Waits for the end, for a hint, or until it is time to look.
    async fn look_again(&mut self) -> Result<(), SupervisorError> {
        if !self.hinted {
            let look_at = self.look_at;
            tokio::select! {
                biased;
                _ended = &mut self.end => {
                    // It may also mean that the queue has lost touch; the record says what is true.
                    self.end = Box::pin(std::future::pending());
                }
                () = self.changes.heard() => {}
                () = sleep_until(look_at) => {}
            }
            self.hinted = true;
        }
        self.job = self.supervisor.job(&self.job.id, JobView::Basic).await?;
        self.hinted = false;
        self.note_state();
        self.read_output().await
    }

    /// Reads the output that was not sent before.
    async fn read_output(&mut self) -> Result<(), SupervisorError> {
        let (queue, mark) = (self.job.spec.queue(), &self.place.mark);
        let page = self.supervisor.queue().output(queue, &self.job.id, mark, PAGE).await?;
        self.drained = page.len() < PAGE;
        self.page = page.into();
        Ok(())
    }

    /// Takes the next update: output of an attempt comes after its beginning and before its end.
    fn tell(&mut self) -> Option<JobUpdate> {
        let Some(step) = self.steps.front() else {
            // What was said after the record was read may belong to an attempt that it does not know yet.
            let last = if self.job.state.is_terminal() { u32::MAX } else { self.place.attempt };
            let printed = self.tell_output(last);
            self.look_at = Instant::now() + if self.page.is_empty() { LOOK } else { LOOK_SOON };
            return printed;
        };
        let heard_before = step.heard_before;
        if let Some(updates) = self.tell_output(heard_before) {
            return Some(updates);
        }
        if self.page.is_empty() && !self.drained {
            return None;
        }
        let Step { change, .. } = self.steps.pop_front()?;
        (self.place.state, self.place.attempt) = (change.new, change.attempt);
        Some(JobUpdate::State(change))
    }

    /// A progress, or lines up to the next progress, of attempts up to `last`.
    fn tell_output(&mut self, last: u32) -> Option<JobUpdate> {
        let (mut lines, mut bytes, mut dropped) = (Vec::new(), 0, 0);
        while let Some(kept) = self.page.front().filter(|kept| kept.attempt <= last) {
            let mut gaps = self.place.gaps;
            let missing = gaps.before(kept);
            let full = lines.len() >= LINES || bytes >= LINE_BYTES || (missing > 0 && !lines.is_empty());
            if full || (kept.chunk.item.is_progress() && !lines.is_empty()) {
                break;
            }
            let Some(kept) = self.page.pop_front() else { break };
            self.place.mark = kept.mark;
            self.place.gaps = gaps;
            let at = kept.chunk.at;
            match kept.chunk.item {
                OutputItem::Progress { percent, message } => {
                    // A progress does not say how many lines are missing before it; the next lines do.
                    let (attempt, number) = gaps.last();
                    self.place.gaps = Gaps::behind(attempt, number.saturating_sub(missing));
                    return Some(JobUpdate::Progress(Progress { percent, message, at }));
                }
                OutputItem::Line { ref text, .. } if self.with_lines => {
                    bytes += text.len();
                    dropped += missing;
                    lines.push(kept.chunk);
                }
                OutputItem::Line { .. } => {}
            }
        }
        (!lines.is_empty()).then_some(JobUpdate::Lines { lines, dropped })
    }
}

impl std::fmt::Debug for JobWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobWatch").field("job", &self.job.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_text() {
        for text in ["1~running~2~1763942400123-4~2~17", "1~queued~0~~0~0"] {
            assert_eq!(JobPlace::decode(text).map(|place| place.encode()).as_deref(), Some(text));
        }
        for wrong in [
            "",
            "1~running",
            "1~asleep~1~1-1~1~1",
            "1~running~1~x~1~1",
            "1~running~1~1-1~1~1~1",
            "1~running~1~1-1-1~1~1",
            "1~running~1~-~1~1",
            "1~running~1~18446744073709551615-1~1~1",
        ] {
            assert_eq!(JobPlace::decode(wrong), None, "{wrong}");
        }
    }
}
