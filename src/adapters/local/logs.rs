//! The last lines that a process wrote, in bounded memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::ports::clock::Clock;
use crate::ports::process_manager::{LogLine, LogStream};

/// Lines kept of one process.
const MAX_LINES: usize = 1000;
/// A longer line is cut into several.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// Text kept of one process, whatever the number of its lines.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The last lines that one process wrote, through all its restarts.
#[derive(Default)]
pub(super) struct Logs {
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl Logs {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line and forgets old ones that no longer fit.
    pub(super) fn push(&self, line: LogLine) {
        let mut ring = self.ring();
        ring.bytes += line.text.len();
        ring.lines.push_back(line);
        while ring.lines.len() > MAX_LINES || ring.bytes > MAX_BYTES {
            let Some(oldest) = ring.lines.pop_front() else { break };
            ring.bytes -= oldest.text.len();
        }
    }

    /// The last `count` lines, oldest first.
    pub(super) fn tail(&self, count: usize) -> Vec<LogLine> {
        let ring = self.ring();
        ring.lines.iter().skip(ring.lines.len().saturating_sub(count)).cloned().collect()
    }
}

/// Reads an output of a process to its end. It never waits for anything but the process, so the process is never
/// blocked by a full pipe; bytes that are not UTF-8 are replaced.
pub(super) async fn collect(
    mut output: impl AsyncRead + Unpin,
    stream: LogStream,
    logs: Arc<Logs>,
    clock: Arc<dyn Clock>,
) {
    let mut line: Vec<u8> = Vec::new();
    let mut chunk = vec![0; 8 * 1024];
    let keep = |line: &mut Vec<u8>| {
        let text = String::from_utf8_lossy(line).into_owned();
        line.clear();
        logs.push(LogLine { at: Some(clock.now()), stream, text });
    };
    loop {
        let read = match output.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        let mut rest = &chunk[..read];
        while !rest.is_empty() {
            let room = MAX_LINE_BYTES - line.len();
            let window = &rest[..rest.len().min(room)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                line.extend_from_slice(&window[..end]);
                rest = &rest[end + 1..];
                keep(&mut line);
            } else {
                line.extend_from_slice(window);
                rest = &rest[window.len()..];
                if line.len() == MAX_LINE_BYTES {
                    keep(&mut line);
                }
            }
        }
    }
    if !line.is_empty() {
        keep(&mut line);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    struct Epoch;

    impl Clock for Epoch {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }
    }

    async fn lines_of(bytes: &[u8]) -> Vec<String> {
        let logs = Arc::new(Logs::default());
        collect(bytes, LogStream::Stdout, logs.clone(), Arc::new(Epoch)).await;
        logs.tail(usize::MAX).into_iter().map(|line| line.text).collect()
    }

    #[tokio::test]
    async fn lines_are_split_and_what_is_not_text_is_replaced() {
        assert_eq!(lines_of(b"one\n\ntwo \xff\nlast").await, ["one", "", "two \u{fffd}", "last"]);
        assert_eq!(lines_of(b"").await, [""; 0]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let lines = lines_of(&vec![b'x'; 2 * MAX_LINE_BYTES + 5]).await;
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [MAX_LINE_BYTES, MAX_LINE_BYTES, 5]);
    }

    #[tokio::test]
    async fn only_the_last_lines_and_bytes_are_kept() {
        let many: String = (0..3000).map(|number| format!("{number}\n")).collect();
        let lines = lines_of(many.as_bytes()).await;
        assert_eq!((lines.len(), lines[0].as_str(), lines[999].as_str()), (1000, "2000", "2999"));
        let fat = vec![b'x'; 100 * MAX_LINE_BYTES];
        let kept: usize = lines_of(&fat).await.iter().map(String::len).sum();
        assert_eq!(kept, MAX_BYTES);
    }

    #[tokio::test]
    async fn a_tail_is_shorter_than_the_ring() {
        let logs = Logs::default();
        for text in ["a", "b", "c"] {
            logs.push(LogLine { at: None, stream: LogStream::Stderr, text: text.to_owned() });
        }
        let tail: Vec<String> = logs.tail(2).into_iter().map(|line| line.text).collect();
        assert_eq!(tail, ["b", "c"]);
    }
}
