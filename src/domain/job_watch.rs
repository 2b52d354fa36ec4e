//! One job, followed to its end: the job as it is, what its script says, how its state changes, and the job at its end.
//!
//! The end is told by the queue at once. Everything else is looked at while the job goes on: soon after something came,
//! less and less often while nothing does. So the lines and the end are complete, and a state that lasted for less than
//! a moment may be passed over.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::domain::id::JobId;
use crate::domain::job::{Finished, Job, JobError, JobState, JobView};
use crate::domain::output::{Gaps, Kept, OutputMark, Progress, Said, Utterance};
use crate::domain::supervisor::Supervisor;
use crate::error::SupervisorError;

/// Between two looks: after something came, and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// Utterances read at once.
const PAGE: usize = 500;
/// Lines in one message, and bytes of them.
const LINES: usize = 200;
const LINE_BYTES: usize = 512 * 1024;

/// Something about the job.
#[derive(Debug)]
pub enum News {
    /// The job as it is; comes first and last.
    Job(Box<Job>),
    /// Its state changed.
    Changed {
        /// Where it was when the watcher heard of it last.
        old: JobState,
        /// Where it is.
        new: JobState,
        /// Attempts started so far.
        attempt: u32,
        /// Why, if it failed; without its log lines.
        error: Option<JobError>,
    },
    /// Its script says how far it is.
    Progress(Progress),
    /// Its script wrote lines.
    Lines {
        /// The lines, oldest first.
        lines: Vec<Utterance>,
        /// How many were left out right before them.
        dropped: u64,
    },
}

/// What a watcher of a job has heard: up to which state, and up to which word of its script.
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

    /// What a text stands for; None if it is not one of ours.
    pub fn decode(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("1~")?.split('~');
        let state = JobState::parse(parts.next()?)?;
        let attempt = parts.next()?.parse().ok()?;
        let mark = parts.next().filter(|mark| mark.bytes().all(|b| b.is_ascii_digit() || b == b'-'))?;
        let gaps = Gaps::behind(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let place = Self { state, attempt, mark: OutputMark(mark.to_owned()), gaps };
        parts.next().is_none().then_some(place)
    }
}

enum Phase {
    /// The job is to be told.
    First,
    /// It goes on.
    Live,
    /// It has ended; what is left of its output comes, then the job.
    Ending,
    Over,
}

type End = Pin<Box<dyn Future<Output = Option<Finished>> + Send>>;

/// A watcher of one job.
pub struct JobWatch {
    supervisor: Supervisor,
    /// As it was read last.
    job: Job,
    end: End,
    phase: Phase,
    /// Everything up to here was told.
    place: JobPlace,
    with_lines: bool,
    /// Utterances that are not told yet.
    page: VecDeque<Kept>,
    /// All that was said when the job was read last is in the page, or was told.
    drained: bool,
    look_at: Instant,
    pause: Duration,
    /// Something was told after the first message.
    told: bool,
}

impl JobWatch {
    /// Begins to follow a job: from now on and with all that it has said, or behind a place.
    ///
    /// # Errors
    /// `JobNotFound`, `JobExpired`, `QueueUnavailable`.
    pub async fn begin(
        supervisor: Supervisor,
        id: &JobId,
        with_lines: bool,
        resume: Option<JobPlace>,
    ) -> Result<Self, SupervisorError> {
        let attached = supervisor.attach(id).await?;
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
            page: VecDeque::new(),
            drained: false,
            look_at: Instant::now(),
            pause: LOOK.0,
            told: false,
        })
    }

    /// Everything up to here was told.
    pub fn place(&self) -> &JobPlace {
        &self.place
    }

    /// What comes next; waits for it. None after the job at its end. May be dropped at any moment and called again.
    ///
    /// # Errors
    /// `QueueUnavailable`, `JobNotFound` when it was deleted; the watch is over then.
    pub async fn next(&mut self) -> Result<Option<News>, SupervisorError> {
        loop {
            match self.phase {
                Phase::First => {
                    let ended = self.job.state.is_terminal();
                    self.phase = if ended { Phase::Ending } else { Phase::Live };
                    return Ok(Some(News::Job(Box::new(self.job.clone()))));
                }
                Phase::Over => return Ok(None),
                Phase::Live | Phase::Ending => {}
            }
            if let Some(news) = self.tell() {
                self.told = true;
                return Ok(Some(news));
            }
            match self.phase {
                Phase::Live => self.wait().await?,
                Phase::Ending if !self.drained => self.read_output().await?,
                Phase::Ending | Phase::First | Phase::Over => {
                    self.phase = Phase::Over;
                    if self.told {
                        return Ok(Some(News::Job(Box::new(self.job.clone()))));
                    }
                }
            }
        }
    }

    /// Waits for the end, or until it is time to look.
    async fn wait(&mut self) -> Result<(), SupervisorError> {
        let look_at = self.look_at;
        tokio::select! {
            biased;
            _ended = &mut self.end => {
                // It may also mean that the queue has lost touch; the record says what is true.
                self.end = Box::pin(std::future::pending());
            }
            () = sleep_until(look_at) => {}
        }
        let known = (self.job.state, self.job.attempt);
        let job = self.supervisor.job(&self.job.id, JobView::Basic).await?;
        self.job = job;
        self.read_output().await?;
        if self.job.state.is_terminal() {
            self.phase = Phase::Ending;
        }
        let quiet = self.page.is_empty() && known == (self.job.state, self.job.attempt);
        self.pause = if quiet { (self.pause * 2).min(LOOK.1) } else { LOOK.0 };
        self.look_at = Instant::now() + self.pause;
        Ok(())
    }

    /// Reads what the script has said and was not read before.
    async fn read_output(&mut self) -> Result<(), SupervisorError> {
        let (script_type, mark) = (self.job.spec.script_type, &self.place.mark);
        let page = self.supervisor.queue().output(script_type, &self.job.id, mark, PAGE).await?;
        self.drained = page.len() < PAGE;
        self.page = page.into();
        Ok(())
    }

    /// What is there to be told: a beginning before what was said in it, everything else after it.
    fn tell(&mut self) -> Option<News> {
        let changed = (self.place.state, self.place.attempt) != (self.job.state, self.job.attempt);
        let begins = self.job.state == JobState::Running;
        if !(changed && begins)
            && let Some(news) = self.tell_output()
        {
            return Some(news);
        }
        let silent = self.page.is_empty() && (self.drained || !self.job.state.is_terminal());
        if !changed || !(begins || silent) {
            return None;
        }
        let old = self.place.state;
        (self.place.state, self.place.attempt) = (self.job.state, self.job.attempt);
        let error = self.job.error.clone().map(|error| JobError { log_tail: Vec::new(), ..error });
        Some(News::Changed { old, new: self.job.state, attempt: self.job.attempt, error })
    }

    /// A progress, or lines up to the next progress.
    fn tell_output(&mut self) -> Option<News> {
        let (mut lines, mut bytes, mut dropped) = (Vec::new(), 0, 0);
        while let Some(kept) = self.page.front() {
            let mut gaps = self.place.gaps;
            let missing = gaps.before(kept);
            let full = lines.len() >= LINES || bytes >= LINE_BYTES || (missing > 0 && !lines.is_empty());
            if full || (kept.utterance.said.is_progress() && !lines.is_empty()) {
                break;
            }
            let Some(kept) = self.page.pop_front() else { break };
            self.place.mark = kept.mark;
            self.place.gaps = gaps;
            let at = kept.utterance.at;
            match kept.utterance.said {
                Said::Progress { percent, message } => {
                    return Some(News::Progress(Progress { percent, message, at }));
                }
                Said::Line { ref text, .. } if self.with_lines => {
                    bytes += text.len();
                    dropped += missing;
                    lines.push(kept.utterance);
                }
                Said::Line { .. } => {}
            }
        }
        (!lines.is_empty()).then_some(News::Lines { lines, dropped })
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
        for wrong in ["", "1~running", "1~asleep~1~1-1~1~1", "1~running~1~x~1~1", "1~running~1~1-1~1~1~1"] {
            assert_eq!(JobPlace::decode(wrong), None, "{wrong}");
        }
    }
}
