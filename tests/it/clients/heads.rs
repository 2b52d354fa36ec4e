//! Where the head of an answer ends, in what a server writes: HTTP/2 as gRPC speaks it, or HTTP/1.1 as pages do.

/// Length of the head of a frame of HTTP/2.
const FRAME_HEAD: usize = 9;
/// Type of the frame that holds headers.
const HEADERS: u8 = 1;
/// Flag of a frame behind which its stream has nothing: it holds trailers.
const END_STREAM: u8 = 1;

/// Reads one connection.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// What has come of the head of a frame.
    head: Vec<u8>,
    /// Bytes of its payload that are still to come.
    left: usize,
}

impl Heads {
    /// Returns where in the bytes that come next the first head of an answer ends.
    pub(super) fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.head.is_empty() && bytes.starts_with(b"HTTP/1.") {
            return bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        }
        let (mut at, mut found) = (0, None);
        while at < bytes.len() {
            if self.head.len() < FRAME_HEAD {
                self.head.push(bytes[at]);
                at += 1;
                if self.head.len() == FRAME_HEAD {
                    self.left =
                        self.head[..3].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                }
            } else {
                let step = self.left.min(bytes.len() - at);
                self.left -= step;
                at += step;
            }
            if self.head.len() == FRAME_HEAD && self.left == 0 {
                let is_head = self.head[3] == HEADERS && self.head[4] & END_STREAM == 0;
                found = found.or(is_head.then_some(at));
                self.head.clear();
            }
        }
        found
    }
}

#[test]
fn a_head_ends_behind_its_frame_however_it_comes() {
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let headers = [0, 0, 2, HEADERS, 4, 0, 0, 0, 1, 7, 7];
    let data = [0, 0, 1, 0, 0, 0, 0, 0, 1, 9];
    let trailers = [0, 0, 1, HEADERS, 4 | END_STREAM, 0, 0, 0, 1, 7];
    let all = [settings.as_slice(), &headers, &data, &trailers].concat();
    assert_eq!(Heads::default().end_in(&all), Some(20));
    let mut heads = Heads::default();
    let ends: Vec<usize> = (0..all.len()).filter(|at| heads.end_in(&all[*at..=*at]).is_some()).collect();
    assert_eq!(ends, [19]);
    assert_eq!(Heads::default().end_in(b"HTTP/1.1 200 OK\r\n\r\nbody"), Some(19));
}
