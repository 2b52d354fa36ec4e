use std::io::Read;

use super::*;
use crate::actor::frame::{decode_reply, first_frame};

/// A speaker and the other end.
fn pair(burst: usize) -> (Arc<Speaker>, Heard) {
    let (theirs, ours) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (Speaker::start(theirs, burst).unwrap(), Heard { socket: ours, bytes: Vec::new() })
}

struct Heard {
    socket: UnixStream,
    bytes: Vec<u8>,
}

impl Heard {
    fn next(&mut self) -> Reply {
        loop {
            if let Some((body, length)) = first_frame(&self.bytes).unwrap() {
                let reply = decode_reply(body).unwrap();
                self.bytes.drain(..length);
                return reply;
            }
            let mut chunk = [0; 65536];
            let count = self.socket.read(&mut chunk).unwrap();
            assert!(count > 0, "the speaker is gone");
            self.bytes.extend_from_slice(&chunk[..count]);
        }
    }

    fn spoken(&mut self) -> Vec<Spoken> {
        let reply = self.next();
        let Reply::Output { spoken, .. } = reply else { panic!("{reply:?}") };
        spoken
    }
}

fn ready() -> Reply {
    Reply::Ready { version: String::new() }
}

#[test]
fn what_a_silent_script_said_before_comes_without_its_end() {
    let (speaker, mut heard) = pair(1 << 20);
    speaker.begin(7);
    speaker.line(LogStream::Stdout, "one");
    speaker.line(LogStream::Stderr, "two");
    let spoken = heard.spoken();
    assert_eq!(spoken.iter().map(|spoken| spoken.number).collect::<Vec<_>>(), [1, 2]);
    assert!(spoken[0].ago >= spoken[1].ago);
    speaker.progress(Some(10.0), "a");
    assert_eq!(heard.spoken()[0].number, 3, "the helper wakes again");
}

#[test]
fn many_lines_do_not_wait_and_the_rest_comes_with_the_end_in_order() {
    let (speaker, mut heard) = pair(1 << 20);
    speaker.begin(1);
    for number in 1..=70 {
        speaker.line(LogStream::Stdout, &number.to_string());
    }
    speaker.progress(None, "x");
    speaker.progress(Some(50.0), "half");
    speaker.reply(&ready()).unwrap();
    let mut all = heard.spoken();
    assert_eq!(all.len(), BATCH);
    while let Reply::Output { spoken, seq: 1 } = heard.next() {
        all.extend(spoken);
    }
    let numbers: Vec<u64> = all.iter().map(|spoken| spoken.number).collect();
    assert!(numbers.is_sorted());
    let lines = all.iter().filter(|spoken| !spoken.said.is_progress());
    assert_eq!(lines.count(), 70);
    let last = Said::Progress { percent: Some(50.0), message: "half".to_owned() };
    assert_eq!(all.last().map(|spoken| &spoken.said), Some(&last));
}

#[test]
fn a_script_that_writes_too_much_keeps_its_first_and_last_lines() {
    let (speaker, heard) = pair(100_000);
    let reader = std::thread::spawn(move || {
        let mut heard = heard;
        let mut all = Vec::new();
        while let Reply::Output { spoken, .. } = heard.next() {
            all.extend(spoken);
        }
        all
    });
    speaker.begin(1);
    for number in 1..=200_000 {
        speaker.line(LogStream::Stdout, &format!("line {number}"));
    }
    speaker.reply(&ready()).unwrap();
    let all = reader.join().unwrap();
    assert!(all.len() > 1000 && all.len() < 100_000, "{}", all.len());
    assert!(all.is_sorted_by_key(|spoken| spoken.number));
    for spoken in [&all[0], &all[999], all.last().unwrap()] {
        let text = format!("line {}", spoken.number);
        assert_eq!(spoken.said, Said::Line { stream: LogStream::Stdout, text });
    }
    assert_eq!((all[0].number, all.last().unwrap().number), (1, 200_000));
}
