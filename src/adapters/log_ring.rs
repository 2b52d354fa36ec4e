//! The last lines that a process wrote, in bounded memory, each with a number, so that a reader can go on where it was.

use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::lock::Lock;
use crate::ports::process_manager::{LogBatch, LogLine, LogPosition, PlacedLine};
use crate::stable_hash::stable_hash;

/// Lines kept of one process.
const MAX_LINES: usize = 1000;
/// Text kept of one process, whatever the number of its lines.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The last lines of one process, through all its restarts.
#[derive(Debug)]
pub(super) struct LogRing {
    ring: Lock<Ring>,
    /// Number of lines so far.
    written: watch::Sender<u64>,
}

#[derive(Debug)]
struct Ring {
    /// Number that distinguishes this ring from one before or after it.
    epoch: u64,
    /// The number of the next line.
    next: u64,
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl Default for LogRing {
    fn default() -> Self {
        let ring = Ring { epoch: fastrand::u64(1..), next: 1, lines: VecDeque::new(), bytes: 0 };
        Self { ring: Lock::new(ring), written: watch::Sender::new(0) }
    }
}

impl LogRing {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock()
    }

    /// Adds a line and forgets old ones that no longer fit.
    pub(super) fn push(&self, line: LogLine) {
        let mut ring = self.ring();
        ring.bytes += line.text.len();
        ring.lines.push_back(line);
        ring.next += 1;
        while ring.lines.len() > MAX_LINES || ring.bytes > MAX_BYTES {
            let Some(oldest) = ring.lines.pop_front() else { break };
            ring.bytes -= oldest.text.len();
        }
        self.written.send_replace(ring.next);
    }

    /// The last `count` lines, oldest first.
    pub(super) fn tail(&self, count: usize) -> Vec<LogLine> {
        let ring = self.ring();
        ring.lines.iter().skip(ring.lines.len().saturating_sub(count)).cloned().collect()
    }

    /// Reads the lines behind `after`, and waits for one if there is none yet.
    pub(super) async fn read(&self, after: Option<LogPosition>, wait: Duration) -> LogBatch {
        // Before the first look, so that nothing is missed between look and wait.
        let mut written = self.written.subscribe();
        let batch = self.ring().read(after);
        if !batch.lines.is_empty() || batch.lost > 0 {
            return batch;
        }
        let _time_is_up = timeout(wait, written.changed()).await;
        self.ring().read(after)
    }
}

impl Ring {
    fn read(&self, after: Option<LogPosition>) -> LogBatch {
        let first = self.next - self.lines.len() as u64;
        let (from, lost) = match after {
            None => (first, 0),
            Some(place) if place.epoch == self.epoch => {
                let wanted = (place.number + 1).min(self.next);
                (wanted.max(first), first.saturating_sub(wanted))
            }
            // From a ring before this one. If this one has the line as well, it goes on there.
            Some(place) => (self.find(place.mark).map_or(first, |number| number + 1), 0),
        };
        let skip = usize::try_from(from - first).unwrap_or(usize::MAX);
        let numbered = (from..).zip(self.lines.iter().skip(skip));
        let place = |(number, line): (u64, &LogLine)| PlacedLine {
            position: LogPosition { epoch: self.epoch, number, mark: mark_of(line) },
            line: line.clone(),
        };
        LogBatch { lines: numbered.map(place).collect(), lost }
    }

    /// The number of the last line with this mark.
    fn find(&self, mark: u64) -> Option<u64> {
        let behind = self.lines.iter().rev().position(|line| mark_of(line) == mark)?;
        Some(self.next - 1 - behind as u64)
    }
}

/// A number by which a line can be recognised; the same in every run of the program, and in every build.
pub(super) fn mark_of(line: &LogLine) -> u64 {
    stable_hash(line.text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::output::LogStream;

    fn line(text: impl ToString) -> LogLine {
        LogLine { at: None, stream: LogStream::Stderr, text: text.to_string() }
    }

    fn texts(batch: &LogBatch) -> Vec<&str> {
        batch.lines.iter().map(|placed| placed.line.text.as_str()).collect()
    }

    #[test]
    fn a_tail_is_shorter_than_the_ring() {
        let logs = LogRing::default();
        for text in ["a", "b", "c"] {
            logs.push(line(text));
        }
        let tail: Vec<String> = logs.tail(2).into_iter().map(|line| line.text).collect();
        assert_eq!(tail, ["b", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_goes_on_where_it_was_and_is_told_what_it_missed() {
        let logs = LogRing::default();
        logs.push(line("a"));
        logs.push(line("b"));
        let all = logs.read(None, Duration::ZERO).await;
        assert_eq!((texts(&all), all.lost), (vec!["a", "b"], 0));
        let place = Some(all.lines[1].position);
        assert!(logs.read(place, Duration::from_secs(5)).await.lines.is_empty());
        for number in 0..MAX_LINES + 7 {
            logs.push(line(number));
        }
        let behind = logs.read(place, Duration::ZERO).await;
        assert_eq!((behind.lines.len(), behind.lost, texts(&behind)[0]), (MAX_LINES, 7, "7"));
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let logs = LogRing::default();
        let (batch, ()) = tokio::join!(logs.read(None, Duration::from_secs(60)), async {
            tokio::task::yield_now().await;
            logs.push(line("a"));
        });
        assert_eq!(texts(&batch), ["a"]);
    }

    #[tokio::test]
    async fn a_position_of_an_earlier_ring_is_found_by_its_line() {
        let (before, after) = (LogRing::default(), LogRing::default());
        before.push(line("a"));
        before.push(line("b"));
        let place = before.read(None, Duration::ZERO).await.lines[1].position;
        for text in ["a", "b", "c"] {
            after.push(line(text));
        }
        assert_eq!(texts(&after.read(Some(place), Duration::ZERO).await), ["c"]);
        let foreign = LogRing::default();
        foreign.push(line("x"));
        assert_eq!(texts(&foreign.read(Some(place), Duration::ZERO).await), ["x"]);
    }
}
