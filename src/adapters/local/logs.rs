//! Reads what a process writes.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::adapters::log_ring::LogRing;
use crate::domain::model::output::LogStream;
use crate::ports::clock::Clock;
use crate::ports::process_manager::LogLine;

/// A longer line is cut into several.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Reads an output of a process to its end. It never waits for anything but the process, so the process is never
/// blocked by a full pipe; bytes that are not UTF-8 are replaced.
pub(super) async fn collect(
    mut output: impl AsyncRead + Unpin,
    stream: LogStream,
    logs: Arc<LogRing>,
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
            // The end of a line that is just as long as it may be is not another one.
            let window = &rest[..rest.len().min(room + 1)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                line.extend_from_slice(&window[..end]);
                rest = &rest[end + 1..];
                // A carriage return is part of the end of a line.
                line.pop_if(|byte| *byte == b'\r');
                keep(&mut line);
            } else {
                let taken = window.len().min(room);
                line.extend_from_slice(&window[..taken]);
                rest = &rest[taken..];
                if !rest.is_empty() {
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
        let logs = Arc::new(LogRing::default());
        collect(bytes, LogStream::Stdout, logs.clone(), Arc::new(Epoch)).await;
        logs.tail(usize::MAX).into_iter().map(|line| line.text).collect()
    }

    #[tokio::test]
    async fn lines_are_split_and_what_is_not_text_is_replaced() {
        assert_eq!(lines_of(b"one\n\ntwo \xff\nlast").await, ["one", "", "two \u{fffd}", "last"]);
        assert_eq!(lines_of(b"").await, [""; 0]);
        assert_eq!(lines_of(b"one\r\n\r\ntw\ro\r").await, ["one", "", "tw\ro\r"]);
        let long = [vec![b'x'; MAX_LINE_BYTES], b"\nlast\n".to_vec()].concat();
        assert_eq!(lines_of(&long).await.iter().map(String::len).collect::<Vec<_>>(), [MAX_LINE_BYTES, 4]);
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
        assert_eq!(kept, 4 * 1024 * 1024);
    }
}
