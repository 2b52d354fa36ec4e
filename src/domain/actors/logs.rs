//! Log lines of an actor, from some point on, as they are written.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::actors::registry::ActorHandle;
use crate::domain::model::id::ActorId;
use crate::domain::model::output::LogStream;
use crate::error::{SupervisorError, chain};
use crate::ports::process_manager::{LogBatch, LogLine, LogPosition, PlacedLine, ProcessError};

/// Lines of one part at most.
const PART_LINES: usize = 500;
/// Text of one part at most; one line may take all of it.
const PART_BYTES: usize = 1024 * 1024;
/// Longest silence of a stream: then its position is sent, so that both sides know that the other lives.
const SILENCE: Duration = Duration::from_secs(15);
/// Between two looks at a process manager that does not answer.
const RETRY: Duration = Duration::from_millis(500);

/// Selection of log lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogQuery {
    /// Number of lines to begin with, counted from the end.
    pub tail: usize,
    /// Only those written at or after this time, or at a time that nobody noted.
    pub since: Option<SystemTime>,
    /// Only those behind this one; `tail` and `since` are not looked at then.
    pub after: Option<LogPosition>,
    /// Go on with new ones.
    pub follow: bool,
    /// Only of this output.
    pub stream: Option<LogStream>,
    /// Only those with this text in them.
    pub contains: String,
}

/// Some lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogPart {
    /// Oldest first; none in a sign of life.
    pub lines: Vec<LogLine>,
    /// Lines that were lost before these; at least so many where the process manager does not count.
    pub dropped: u64,
    /// Position of the last line; None while there was no line.
    pub position: Option<LogPosition>,
}

/// Lines of one actor, part by part. Nothing is read before it is asked for, so a slow reader costs no memory; what the
/// process manager forgets meanwhile is counted as dropped.
pub struct ActorLogs {
    manager: ActorLifecycleManager,
    id: ActorId,
    handle: ActorHandle,
    query: LogQuery,
    position: Option<LogPosition>,
    waiting: VecDeque<PlacedLine>,
    dropped: u64,
    begun: bool,
    ended: bool,
}

impl ActorLifecycleManager {
    /// Reads what an actor of this node wrote, through all its restarts.
    ///
    /// # Errors
    /// `ActorNotFound`, `ActorOnOtherNode`, `QueueUnavailable`.
    pub async fn logs(&self, id: &ActorId, query: LogQuery) -> Result<ActorLogs, SupervisorError> {
        let handle = self.handle(id).await?;
        Ok(ActorLogs {
            manager: self.clone(),
            id: id.clone(),
            handle,
            position: query.after,
            query,
            waiting: VecDeque::new(),
            dropped: 0,
            begun: false,
            ended: false,
        })
    }
}

impl ActorLogs {
    /// The next part; None at the end: all is read and nothing is followed, or the actor was deleted.
    ///
    /// # Errors
    /// `ProcessManagerUnavailable` and its like, unless it is followed: then that is waited out. `ShuttingDown`.
    pub async fn next(&mut self) -> Result<Option<LogPart>, SupervisorError> {
        if self.waiting.is_empty() && self.ended {
            return Ok(None);
        }
        while self.waiting.is_empty() {
            let wait = if self.query.follow && self.begun { SILENCE } else { Duration::ZERO };
            let batch = match self.read(wait).await? {
                Some(batch) => batch,
                None => {
                    self.ended = true;
                    return Ok(None);
                }
            };
            let first = !self.begun;
            self.begun = true;
            let nothing = batch.lines.is_empty();
            self.take(batch, first);
            if !self.query.follow {
                self.ended = true;
                break;
            }
            // A sign of life, also when all of it was filtered away: it tells how far this is.
            if first || nothing || self.waiting.is_empty() {
                break;
            }
        }
        let part = self.part();
        // What is not followed and has nothing to say ends without a word.
        let silent = part.lines.is_empty() && part.dropped == 0 && part.position.is_none();
        if self.ended && silent { Ok(None) } else { Ok(Some(part)) }
    }

    /// One look at the process manager; None once the actor is gone.
    async fn read(&self, wait: Duration) -> Result<Option<LogBatch>, SupervisorError> {
        let processes = &self.manager.parts().processes;
        loop {
            let read = processes.logs(self.id.as_str(), self.position, wait);
            let answer = tokio::select! {
                answer = read => answer,
                () = self.handle.gone() => return self.gone(),
            };
            match answer {
                Ok(batch) => return Ok(Some(batch)),
                Err(
                    ProcessError::Unavailable(_) | ProcessError::TimedOut { .. } | ProcessError::Corrupt(_),
                ) if self.query.follow => {
                    tokio::select! {
                        () = sleep(RETRY) => {}
                        () = self.handle.gone() => return self.gone(),
                    }
                }
                Err(error) => {
                    tracing::debug!(actor.id = %self.id, error = %chain(&error), "log of an actor: it cannot be read");
                    return Err(error.into());
                }
            }
        }
    }

    fn gone(&self) -> Result<Option<LogBatch>, SupervisorError> {
        if self.manager.core.token.is_cancelled() { Err(SupervisorError::ShuttingDown) } else { Ok(None) }
    }

    /// Keeps what the query lets through.
    fn take(&mut self, batch: LogBatch, first: bool) {
        self.dropped += batch.lost;
        let LogQuery { tail, since, after, stream, contains, follow: _ } = &self.query;
        let fresh = first && after.is_none();
        if let Some(last) = batch.lines.last() {
            self.position = Some(last.position);
        }
        let lets_through = |placed: &PlacedLine| {
            let LogLine { at, stream: of, text } = &placed.line;
            let young = match (fresh, since, at) {
                (true, Some(since), Some(at)) => at >= since,
                (_, _, _) => true,
            };
            young && stream.is_none_or(|stream| stream == *of) && text.contains(contains.as_str())
        };
        self.waiting.extend(batch.lines.into_iter().filter(lets_through));
        if fresh {
            let surplus = self.waiting.len().saturating_sub(*tail);
            self.waiting.drain(..surplus);
        }
    }

    /// Takes the lines that fit into one part.
    fn part(&mut self) -> LogPart {
        let mut part = LogPart { dropped: std::mem::take(&mut self.dropped), ..LogPart::default() };
        let mut bytes = 0;
        while let Some(next) = self.waiting.front() {
            let size = next.line.text.len().min(PART_BYTES);
            if !part.lines.is_empty() && (part.lines.len() == PART_LINES || bytes + size > PART_BYTES) {
                break;
            }
            bytes += size;
            let Some(PlacedLine { position, mut line }) = self.waiting.pop_front() else { break };
            line.text.truncate(line.text.floor_char_boundary(PART_BYTES));
            part.position = Some(position);
            part.lines.push(line);
        }
        if self.waiting.is_empty() {
            // Behind lines that were filtered away, too.
            part.position = self.position;
        }
        part
    }
}

impl std::fmt::Debug for ActorLogs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorLogs").field("id", &self.id).field("query", &self.query).finish_non_exhaustive()
    }
}
