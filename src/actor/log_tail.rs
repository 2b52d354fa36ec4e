//! The last lines of a log, which go with an error.

use std::collections::VecDeque;

/// Lines that are kept.
const LINES: usize = 20;
/// Bytes that are kept of each line.
pub(crate) const LINE_BYTES: usize = 1024;

/// The last lines that were written.
#[derive(Debug, Default)]
pub(crate) struct LogTail(VecDeque<String>);

impl LogTail {
    /// Adds a line, without its end.
    pub(crate) fn push(&mut self, line: &str) {
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        self.0.push_back(line[..line.floor_char_boundary(LINE_BYTES)].to_owned());
    }

    /// Returns the kept lines, the oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_bounds() {
        let mut tail = LogTail::default();
        (0..LINES + 5).for_each(|number| tail.push(&number.to_string()));
        assert_eq!((tail.lines().len(), tail.lines()[0].as_str()), (LINES, "5"));
        tail.push(&"ä".repeat(LINE_BYTES));
        assert_eq!(tail.lines().pop().unwrap().len(), LINE_BYTES);
    }
}
