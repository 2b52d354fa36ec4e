use std::io::Read;

use super::*;
use crate::actor::frame::{decode_reply, first_frame};

/// An output writer and the other end.
fn pair(burst: usize) -> (Arc<OutputWriter>, ReplyReader) {
    let (theirs, ours) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (OutputWriter::start(theirs, burst).unwrap(), ReplyReader { socket: ours, bytes: Vec::new() })
}

struct ReplyReader {
    socket: UnixStream,
    bytes: Vec<u8>,
}

impl ReplyReader {
    fn next(&mut self) -> Reply {
        loop {
            if let Some((body, length)) = first_frame(&self.bytes).unwrap() {
                let reply = decode_reply(body).unwrap();
                self.bytes.drain(..length);
                return reply;
            }
            let mut chunk = [0; 65536];
            let count = self.socket.read(&mut chunk).unwrap();
            assert!(count > 0, "the writer is gone");
            self.bytes.extend_from_slice(&chunk[..count]);
        }
    }

    fn output(&mut self) -> Vec<HostOutput> {
        let reply = self.next();
        let Reply::Output { output, .. } = reply else { panic!("{reply:?}") };
        output
    }
}

fn ready() -> Reply {
    Reply::Ready { version: String::new() }
}

#[test]
fn what_a_silent_script_said_before_comes_without_its_end() {
    let (output_writer, mut heard) = pair(1 << 20);
    output_writer.begin(7);
    output_writer.line(LogStream::Stdout, "one");
    output_writer.line(LogStream::Stderr, "two");
    let output = heard.output();
    assert_eq!(output.iter().map(|output| output.number).collect::<Vec<_>>(), [1, 2]);
    assert!(output[0].ago >= output[1].ago);
    output_writer.progress(Some(10.0), "a");
    assert_eq!(heard.output()[0].number, 3, "the helper wakes again");
}

#[test]
fn many_lines_do_not_wait_and_the_rest_comes_with_the_end_in_order() {
    let (output_writer, mut heard) = pair(1 << 20);
    output_writer.begin(1);
    for number in 1..=70 {
        output_writer.line(LogStream::Stdout, &number.to_string());
    }
    output_writer.progress(None, "x");
    output_writer.progress(Some(50.0), "half");
    output_writer.reply(&ready()).unwrap();
    let mut all = heard.output();
    assert_eq!(all.len(), BATCH);
    while let Reply::Output { output, seq: 1 } = heard.next() {
        all.extend(output);
    }
    let numbers: Vec<u64> = all.iter().map(|output| output.number).collect();
    assert!(numbers.is_sorted());
    let lines = all.iter().filter(|output| !output.item.is_progress());
    assert_eq!(lines.count(), 70);
    let last = OutputItem::Progress { percent: Some(50.0), message: "half".to_owned() };
    assert_eq!(all.last().map(|output| &output.item), Some(&last));
}

#[test]
fn a_script_that_writes_too_much_keeps_its_first_and_last_lines() {
    let (output_writer, heard) = pair(100_000);
    let reader = std::thread::spawn(move || {
        let mut heard = heard;
        let mut all = Vec::new();
        while let Reply::Output { output, .. } = heard.next() {
            all.extend(output);
        }
        all
    });
    output_writer.begin(1);
    for number in 1..=200_000 {
        output_writer.line(LogStream::Stdout, &format!("line {number}"));
    }
    output_writer.reply(&ready()).unwrap();
    let all = reader.join().unwrap();
    assert!(all.len() > 1000 && all.len() < 100_000, "{}", all.len());
    assert!(all.is_sorted_by_key(|output| output.number));
    for output in [&all[0], &all[999], all.last().unwrap()] {
        let text = format!("line {}", output.number);
        assert_eq!(output.item, OutputItem::Line { stream: LogStream::Stdout, text });
    }
    assert_eq!((all[0].number, all.last().unwrap().number), (1, 200_000));
}
