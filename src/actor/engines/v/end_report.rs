//! Reads a program's own report of its end: V prints why it panics, and which signal has hit it.

use std::sync::{Arc, MutexGuard};

use super::diagnosis::SOURCE;
use crate::actor::engines::Sink;
use crate::domain::model::output::LogStream;
use crate::lock::Lock;

/// Hands on what a script says, and remembers what bears on its end.
pub(super) struct EndListener {
    sink: Arc<dyn Sink>,
    words: Lock<EndReport>,
}

/// The end of a program, in its own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct EndReport {
    /// `V panic: …`, or what hit it.
    pub(super) message: Option<String>,
    /// The line of the script, if it was compiled with `-g`.
    pub(super) line: Option<u32>,
    /// True if the program ran out of memory.
    pub(super) out_of_memory: bool,
    in_box: bool,
}

impl EndListener {
    pub(super) fn new(sink: &Arc<dyn Sink>) -> Arc<Self> {
        Arc::new(Self { sink: Arc::clone(sink), words: Lock::default() })
    }

    /// Returns the report so far.
    pub(super) fn words(&self) -> EndReport {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, EndReport> {
        self.words.lock()
    }
}

impl Sink for EndListener {
    fn line(&self, stream: LogStream, text: &str) {
        if stream == LogStream::Stderr {
            self.locked().hear(text);
        }
        self.sink.line(stream, text);
    }

    fn progress(&self, percent: Option<f64>, message: &str) {
        self.sink.progress(percent, message);
    }
}

impl EndReport {
    /// Takes one line of standard error.
    fn hear(&mut self, line: &str) {
        if line.starts_with("V panic: ") {
            self.panicked(line.to_owned());
        } else if line.starts_with("====") {
            // With -g, a panic is a box with its parts.
            self.in_box = line.contains(" V panic ");
        } else if self.in_box {
            self.hear_part(line.trim());
        } else if line.starts_with("GC Warning: Out of Memory") {
            self.out_of_memory = true;
        } else if let Some((place, what)) = line.split_once("RUNTIME ERROR: ") {
            self.message = Some(what.trim().to_owned());
            self.line = line_of(place);
        } else if is_signal(line) {
            self.message = Some(line.trim().to_owned());
        }
    }

    fn hear_part(&mut self, part: &str) {
        if let Some(what) = part.strip_prefix("message: ") {
            self.panicked(format!("V panic: {what}"));
        } else if let Some(place) = part.strip_prefix("file: ") {
            self.line = line_of(place);
        }
    }

    fn panicked(&mut self, message: String) {
        self.out_of_memory |= message.ends_with("memory allocation failure");
        (self.message, self.line) = (Some(message), None);
    }
}

/// The number in `main.v:3`.
fn line_of(place: &str) -> Option<u32> {
    let rest = place.trim().strip_prefix(SOURCE)?.strip_prefix(':')?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// `signal 11: segmentation fault`.
fn is_signal(line: &str) -> bool {
    let number = line.strip_prefix("signal ").and_then(|rest| rest.split_once(": "));
    number.is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(said: &str) -> (Option<String>, Option<u32>, bool) {
        let mut words = EndReport::default();
        said.lines().for_each(|line| words.hear(line));
        (words.message, words.line, words.out_of_memory)
    }

    #[test]
    fn what_v_says_of_an_end_is_understood() {
        let some = |message: &str| Some(message.to_owned());
        for (said, message, line, memory) in [
            (
                "oh\nV panic: broken\nv hash: 84ed4ff\n/w/1/script(+0x5) [0x1]\n",
                some("V panic: broken"),
                None,
                false,
            ),
            (
                "================ V panic ================\n   module: main\n function: main()\n  message: broken\n     \
                 file: main.v:3\n   v hash: 84ed4ff\n=========================================\n   message: not this\n",
                some("V panic: broken"),
                Some(3),
                false,
            ),
            (
                "/w/tmp/main.tmp.c:11: at main__main: RUNTIME ERROR: invalid memory access\n",
                some("invalid memory access"),
                None,
                false,
            ),
            (
                "main.v:7: at main__main: RUNTIME ERROR: division by zero\n",
                some("division by zero"),
                Some(7),
                false,
            ),
            (
                "signal 11: segmentation fault\n/w/1/script(main__main+0x1)\n",
                some("signal 11: segmentation fault"),
                None,
                false,
            ),
            (
                "GC Warning: Out of Memory! Heap size: 490 MiB. Returning NULL!\nsignal 11: segmentation fault\n",
                some("signal 11: segmentation fault"),
                None,
                true,
            ),
            (
                "malloc_noscan(0xa00000)\nV panic: memory allocation failure\n",
                some("V panic: memory allocation failure"),
                None,
                true,
            ),
            ("signals: none\nsignal x: y\nmessage: no box\n", None, None, false),
        ] {
            assert_eq!(heard(said), (message, line, memory), "{said}");
        }
    }
}
