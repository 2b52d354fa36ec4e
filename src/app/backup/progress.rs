//! The line that shows on a terminal how far a command has come.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use tokio::time::Instant;

/// Time between two changes of the line.
const EVERY: Duration = Duration::from_millis(200);

/// A line on standard error, if that is a terminal.
pub(super) struct Progress {
    verb: &'static str,
    is_shown: bool,
    last: Option<Instant>,
}

impl Progress {
    pub(super) fn new(verb: &'static str) -> Self {
        Self { verb, is_shown: stderr().is_terminal(), last: None }
    }

    /// Shows a number of records.
    pub(super) fn show(&mut self, records: u64) {
        if self.is_shown && self.last.is_none_or(|last| last.elapsed() >= EVERY) {
            self.last = Some(Instant::now());
            self.write(&format!("\r{} {records} records", self.verb));
        }
    }

    fn write(&mut self, text: &str) {
        let mut screen = stderr().lock();
        // A terminal that has gone shows nothing.
        self.is_shown = screen.write_all(text.as_bytes()).and_then(|()| screen.flush()).is_ok();
    }
}

impl Drop for Progress {
    /// Clears the line.
    fn drop(&mut self) {
        if self.last.is_some() {
            self.write("\r\u{1b}[K");
        }
    }
}
