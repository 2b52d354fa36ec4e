//! Reads the two pipes of a running script, line by line.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use crate::actor::engines::capture::Capture;
use crate::actor::engines::lines::{Lines, without_return};
use crate::actor::engines::{Limits, Sink};
use crate::actor::log_tail::LogTail;
use crate::domain::model::output::LogStream;

/// Bytes read from one pipe before somebody else has a turn.
const AT_ONCE: usize = 512 * 1024;

/// The output of one job: lines to its sink, standard output kept for the case that it is the result.
pub(super) struct Output<'a> {
    sink: &'a Arc<dyn Sink>,
    printed: Capture,
    out: Lines,
    err: Lines,
    recent: LogTail,
    buffer: Vec<u8>,
}

impl<'a> Output<'a> {
    pub(super) fn new(limits: &Limits, sink: &'a Arc<dyn Sink>) -> Self {
        Self {
            sink,
            printed: Capture::new(limits.output.min(limits.result)),
            out: Lines::default(),
            err: Lines::default(),
            recent: LogTail::default(),
            buffer: vec![0; 16 * 1024],
        }
    }

    /// Reads what is in a pipe that does not block; false at its end.
    pub(super) fn read(&mut self, stream: LogStream, pipe: &mut impl Read) -> io::Result<bool> {
        self.read_up_to(AT_ONCE, stream, pipe)
    }

    /// Reads all that is in a pipe into which nobody writes any more; false at its end.
    pub(super) fn drain(&mut self, stream: LogStream, pipe: &mut impl Read) -> io::Result<bool> {
        self.read_up_to(usize::MAX, stream, pipe)
    }

    fn read_up_to(&mut self, most: usize, stream: LogStream, pipe: &mut impl Read) -> io::Result<bool> {
        let mut total = 0;
        while total < most {
            match pipe.read(&mut self.buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    total += count;
                    let bytes = std::mem::take(&mut self.buffer);
                    self.take(stream, bytes.get(..count).unwrap_or_default());
                    self.buffer = bytes;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Lines that have no end get one.
    pub(super) fn finish(&mut self) {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let mut lines = std::mem::take(self.lines(stream));
            lines.finish(|(line, end)| self.line(stream, line, end));
        }
    }

    /// Returns the printed text, without white space around it.
    pub(super) fn printed(&self) -> String {
        self.printed.text().trim().to_owned()
    }

    /// The last lines of both streams.
    pub(super) fn tail(&self) -> Vec<String> {
        self.recent.lines()
    }

    fn lines(&mut self, stream: LogStream) -> &mut Lines {
        match stream {
            LogStream::Stdout => &mut self.out,
            LogStream::Stderr => &mut self.err,
        }
    }

    fn take(&mut self, stream: LogStream, bytes: &[u8]) {
        let mut lines = std::mem::take(self.lines(stream));
        lines.take(bytes, |(line, end)| self.line(stream, line, end));
        *self.lines(stream) = lines;
    }

    fn line(&mut self, stream: LogStream, bytes: &[u8], end: &str) {
        let text = String::from_utf8_lossy(bytes);
        if stream == LogStream::Stdout {
            self.printed.push(&text);
            self.printed.push(end);
        }
        let line = without_return(&text);
        self.sink.line(stream, line);
        self.recent.push(line);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Lines(Mutex<Vec<(LogStream, String)>>);

    impl Sink for Lines {
        fn line(&self, stream: LogStream, text: &str) {
            self.0.lock().unwrap().push((stream, text.to_owned()));
        }

        fn progress(&self, _percent: Option<f64>, _message: &str) {}
    }

    fn lines(pieces: &[(LogStream, &[u8])]) -> (Vec<(LogStream, String)>, String) {
        let heard = Arc::new(Lines::default());
        let sink: Arc<dyn Sink> = Arc::clone(&heard) as Arc<dyn Sink>;
        let mut output = Output::new(&Limits::default(), &sink);
        for (stream, piece) in pieces {
            let mut piece = *piece;
            assert!(!output.read(*stream, &mut piece).unwrap());
        }
        output.finish();
        let lines = heard.0.lock().unwrap().clone();
        (lines, output.printed())
    }

    #[test]
    fn lines_come_whole_and_in_order_however_they_were_read() {
        use LogStream::{Stderr, Stdout};
        let pieces: [(LogStream, &[u8]); 5] = [
            (Stdout, b"one\ntw"),
            (Stderr, b"oh\n"),
            (Stdout, b"o\n\n"),
            (Stdout, "é".as_bytes()),
            (Stderr, b"x"),
        ];
        let (heard, printed) = lines(&pieces);
        let heard: Vec<(LogStream, &str)> =
            heard.iter().map(|(stream, text)| (*stream, text.as_str())).collect();
        assert_eq!(
            heard,
            [(Stdout, "one"), (Stderr, "oh"), (Stdout, "two"), (Stdout, ""), (Stdout, "é"), (Stderr, "x")]
        );
        assert_eq!(printed, "one\ntwo\n\né");
    }

    #[test]
    fn a_carriage_return_is_part_of_the_end_of_a_line_and_stays_in_what_was_printed() {
        let (heard, printed) = lines(&[(LogStream::Stdout, b"one\r\ntw\ro\r\r\n")]);
        let heard: Vec<&str> = heard.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(heard, ["one", "tw\ro\r"]);
        assert_eq!(printed, "one\r\ntw\ro");
    }

    #[test]
    fn of_a_long_line_nothing_is_lost() {
        let long = "é".repeat(50_000) + "end";
        let (heard, printed) = lines(&[(LogStream::Stdout, format!("a{long}\nb\n").as_bytes())]);
        assert!(heard.iter().all(|(_, text)| !text.contains('\u{fffd}')));
        assert_eq!(heard.last().unwrap().1, "b");
        assert_eq!(printed, format!("a{long}\nb"));
    }
}
