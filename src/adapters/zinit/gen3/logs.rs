//! Lines behind a place in the log of a service.
//!
//! Zinit numbers no lines and follows none: it gives the last N with the millisecond of each. So a place is a millisecond,
//! the number of the line within it, and a mark of its text to see whether lines of it are lost by now.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};

use super::Gen3;
use crate::adapters::log_ring::mark_of;
use crate::ports::process_manager::{LogBatch, LogLine, LogPosition, PlacedLine, ProcessError};

/// Between two looks at a log that is followed.
const POLL: Duration = Duration::from_millis(250);
/// Enough for what is written between two looks; if it is not, all is asked for.
const FEW: usize = 64;
/// More than Zinit keeps by any sensible setting.
const ALL: usize = 10_000;
/// Lines that Zinit keeps of a service that we defined.
const BUFFER: usize = 1000;

impl Gen3 {
    /// Reads the lines behind `after`, and waits for one if there is none yet.
    pub(in super::super) async fn logs(
        &self,
        name: &str,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> Result<LogBatch, ProcessError> {
        let deadline = Instant::now() + wait;
        loop {
            let batch = self.log_behind(name, after).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !batch.lines.is_empty() || batch.lost > 0 || left.is_zero() {
                return Ok(batch);
            }
            sleep(POLL.min(left)).await;
        }
    }

    async fn log_behind(&self, name: &str, after: Option<LogPosition>) -> Result<LogBatch, ProcessError> {
        if let Some(place) = after {
            let few = placed(self.calls.log_tail(name, FEW).await?);
            // The first millisecond may be cut, so that its lines bear wrong numbers.
            let cut = few.first().map(|line| line.position.epoch);
            if cut != Some(place.epoch)
                && let Some(found) = find(&few, place)
            {
                return Ok(LogBatch { lines: few[found + 1..].to_vec(), lost: 0 });
            }
        }
        let kept = self.calls.log_tail(name, ALL).await?;
        let is_full = kept.len() >= BUFFER;
        let mut lines = self.cache.lines_of(name);
        lines.extend(kept);
        Ok(behind(placed(lines), after, is_full))
    }
}

fn behind(lines: Vec<PlacedLine>, after: Option<LogPosition>, is_full: bool) -> LogBatch {
    let Some(place) = after else { return LogBatch { lines, lost: 0 } };
    if let Some(found) = find(&lines, place) {
        return LogBatch { lines: lines[found + 1..].to_vec(), lost: 0 };
    }
    // Nobody knows how many there were in between; but that there were some.
    let lapped = is_full && lines.first().is_some_and(|oldest| oldest.position.epoch >= place.epoch);
    let from = lines.iter().position(|line| line.position.epoch >= place.epoch).unwrap_or(lines.len());
    LogBatch { lines: lines[from..].to_vec(), lost: u64::from(lapped) }
}

/// Finds the line of this place: lines of the same millisecond before it may be gone.
fn find(lines: &[PlacedLine], place: LogPosition) -> Option<usize> {
    let is_it = |line: &PlacedLine| {
        let at = line.position;
        at.epoch == place.epoch && at.number <= place.number && at.mark == place.mark
    };
    lines.iter().rposition(is_it)
}

fn placed(lines: Vec<LogLine>) -> Vec<PlacedLine> {
    let mut last = (0, 0);
    let place = |line: LogLine| {
        let millis = millis(line.at);
        last = if last.0 == millis { (millis, last.1 + 1) } else { (millis, 1) };
        let position = LogPosition { epoch: millis, number: last.1, mark: mark_of(&line) };
        PlacedLine { position, line }
    };
    lines.into_iter().map(place).collect()
}

fn millis(at: Option<SystemTime>) -> u64 {
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::output::LogStream;

    fn log(lines: &[(u64, &str)]) -> Vec<PlacedLine> {
        let line = |(millis, text): &(u64, &str)| LogLine {
            at: Some(UNIX_EPOCH + Duration::from_millis(*millis)),
            stream: LogStream::Stdout,
            text: (*text).to_owned(),
        };
        placed(lines.iter().map(line).collect())
    }

    fn texts(batch: &LogBatch) -> Vec<&str> {
        batch.lines.iter().map(|placed| placed.line.text.as_str()).collect()
    }

    #[test]
    fn a_reader_goes_on_within_a_millisecond() {
        let before = log(&[(1, "a"), (2, "b"), (2, "c")]);
        let place = Some(before[2].position);
        let now = log(&[(1, "a"), (2, "b"), (2, "c"), (2, "d"), (3, "e")]);
        let batch = behind(now, place, false);
        assert_eq!((texts(&batch), batch.lost), (vec!["d", "e"], 0));
        assert!(behind(before, place, false).lines.is_empty());
    }

    #[test]
    fn lines_of_the_same_millisecond_that_are_gone_shift_nothing() {
        let place = Some(log(&[(2, "a"), (2, "b"), (2, "c")])[2].position);
        let batch = behind(log(&[(2, "c"), (2, "d")]), place, true);
        assert_eq!((texts(&batch), batch.lost), (vec!["d"], 0));
    }

    #[test]
    fn a_lap_is_noticed_and_a_restart_of_zinit_is_none() {
        let place = Some(log(&[(5, "seen")])[0].position);
        let batch = behind(log(&[(7, "x"), (8, "y")]), place, true);
        assert_eq!((texts(&batch), batch.lost), (vec!["x", "y"], 1));
        let batch = behind(log(&[(7, "x")]), place, false);
        assert_eq!((texts(&batch), batch.lost), (vec!["x"], 0));
        let batch = behind(log(&[(5, "other"), (6, "x")]), place, true);
        assert_eq!((texts(&batch), batch.lost), (vec!["other", "x"], 1));
    }
}
