//! Output of a script while it runs: lines, and progress.

use std::time::SystemTime;

/// Output to which a process wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Longest line, in bytes; a longer one becomes several.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// Longest message of a progress, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1024;

/// One item of a script's output.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputChunk {
    /// Counts up within an attempt, from 1, over both outputs. A gap is what was left out because there was too much.
    pub number: u64,
    /// Time of the item.
    pub at: SystemTime,
    /// The item.
    pub item: OutputItem,
}

/// A line or a progress.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputItem {
    /// A line, without its end.
    Line {
        /// Output of the line.
        stream: LogStream,
        /// The line.
        text: String,
    },
    /// Progress of the script.
    Progress {
        /// 0 to 100, if it knows.
        percent: Option<f64>,
        /// One line for people.
        message: String,
    },
}

impl OutputItem {
    /// Bytes of text in it.
    pub fn len(&self) -> usize {
        match self {
            Self::Line { text, .. } => text.len(),
            Self::Progress { message, .. } => message.len(),
        }
    }

    /// True without text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True for a progress.
    pub fn is_progress(&self) -> bool {
        match self {
            Self::Progress { .. } => true,
            Self::Line { .. } => false,
        }
    }
}

/// Progress of a job, as its script reported it last.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// 0 to 100, if it knows.
    pub percent: Option<f64>,
    /// One line for people.
    pub message: String,
    /// Time of the report.
    pub at: SystemTime,
}

/// A place in a job's output: behind this entry. Opaque outside of the queue that made it; the empty one is before the
/// first entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct OutputMark(pub String);

/// A chunk that is kept with its job.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredChunk {
    /// Place of the chunk.
    pub mark: OutputMark,
    /// Attempt of the script.
    pub attempt: u32,
    /// The chunk.
    pub chunk: OutputChunk,
}

/// Counts what is missing between the chunks of a job that are read one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gaps {
    attempt: u32,
    number: u64,
}

impl Gaps {
    /// Makes the mark behind this chunk.
    pub fn behind(attempt: u32, number: u64) -> Self {
        Self { attempt, number }
    }

    /// Attempt and number of the last one.
    pub fn last(self) -> (u32, u64) {
        (self.attempt, self.number)
    }

    /// Notes the next chunk. Returns the number of those that were left out right before it.
    pub fn before(&mut self, kept: &StoredChunk) -> u64 {
        let number = kept.chunk.number;
        let expected = if kept.attempt == self.attempt { self.number + 1 } else { 1 };
        *self = Self { attempt: kept.attempt, number };
        number.saturating_sub(expected)
    }
}

/// A line in pieces that are not longer than a line may be; one, if it is not.
pub fn line_pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (piece, later) = rest?.split_at(rest?.floor_char_boundary(MAX_LINE_BYTES));
        rest = Some(later).filter(|later| !later.is_empty());
        Some(piece)
    })
}

/// A progress within its limits: a percentage between 0 and 100, one line that is not too long.
pub fn bounded_progress(percent: Option<f64>, message: &str) -> OutputItem {
    let percent = percent.filter(|percent| percent.is_finite()).map(|percent| percent.clamp(0.0, 100.0));
    let line = message.lines().next().unwrap_or_default();
    let message = line[..line.floor_char_boundary(MAX_MESSAGE_BYTES)].to_owned();
    OutputItem::Progress { percent, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(attempt: u32, number: u64) -> StoredChunk {
        let item = OutputItem::Line { stream: LogStream::Stdout, text: String::new() };
        let chunk = OutputChunk { number, at: SystemTime::UNIX_EPOCH, item };
        StoredChunk { mark: OutputMark::default(), attempt, chunk }
    }

    #[test]
    fn what_was_left_out_is_counted_in_each_attempt() {
        let mut gaps = Gaps::default();
        let seen = [(1, 1), (1, 2), (1, 7), (2, 1), (3, 3), (3, 4)];
        let missing: Vec<u64> =
            seen.into_iter().map(|(attempt, number)| gaps.before(&kept(attempt, number))).collect();
        assert_eq!(missing, [0, 0, 4, 0, 2, 0]);
    }

    #[test]
    fn lines_and_progress_keep_their_limits() {
        let long = "é".repeat(MAX_LINE_BYTES);
        let long = format!("a{long}");
        let pieces: Vec<&str> = line_pieces(&long).collect();
        assert!(pieces.len() == 3 && pieces.iter().all(|piece| piece.len() <= MAX_LINE_BYTES));
        assert_eq!(pieces.concat(), long);
        for short in ["", "one", &"x".repeat(MAX_LINE_BYTES)] {
            assert_eq!(line_pieces(short).collect::<Vec<_>>(), [short]);
        }
        for (percent, expected) in
            [(Some(140.0), Some(100.0)), (Some(-1.0), Some(0.0)), (Some(f64::NAN), None), (None, None)]
        {
            let expected = OutputItem::Progress { percent: expected, message: "one".to_owned() };
            assert_eq!(bounded_progress(percent, "one\ntwo"), expected);
        }
    }
}
