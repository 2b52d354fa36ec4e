//! Keeps the first and the last part of what a script prints.

use std::collections::VecDeque;

/// Room for the line that stands for what was left out.
const MARKER: usize = 64;

/// Text with a limit: beyond it, the middle is left out and a line says how much that was.
#[derive(Debug, Default)]
pub struct Capture {
    limit: usize,
    head: String,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Capture {
    /// Keeps at most `limit` bytes (at least 128), the line in the middle included.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(2 * MARKER), ..Self::default() }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.head.clear();
        self.tail.clear();
        self.dropped = 0;
    }

    /// Adds text.
    pub fn push(&mut self, mut text: &str) {
        let room = if self.tail.is_empty() { self.head_limit() - self.head.len() } else { 0 };
        let (kept, rest) = text.split_at(text.floor_char_boundary(room));
        self.head.push_str(kept);
        if rest.is_empty() {
            return;
        }
        text = rest;
        let tail_limit = self.limit - self.head_limit() - MARKER;
        let skipped = text.len().saturating_sub(tail_limit);
        self.tail.extend(&text.as_bytes()[skipped..]);
        let over = self.tail.len().saturating_sub(tail_limit);
        self.tail.drain(..over);
        self.dropped += (skipped + over) as u64;
    }

    /// Adds text and the end of a line.
    pub fn push_line(&mut self, text: &str) {
        self.push(text);
        self.push("\n");
    }

    /// Returns the number of bytes that were left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns the captured text.
    pub fn text(&self) -> String {
        let mut tail: Vec<u8> = self.tail.iter().copied().collect();
        let mut dropped = self.dropped;
        let mut text = self.head.clone();
        if dropped > 0 {
            // The cut may have gone through a character.
            let broken = tail.iter().take_while(|byte| (0x80..0xC0).contains(*byte)).count();
            tail.drain(..broken);
            dropped += broken as u64;
            text.push_str(&format!("\n[... {dropped} bytes truncated ...]\n"));
        }
        text.push_str(&String::from_utf8_lossy(&tail));
        text
    }

    fn head_limit(&self) -> usize {
        self.limit / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_below_the_limit_is_kept_whole() {
        let mut capture = Capture::new(1000);
        for _ in 0..9 {
            capture.push_line(&"é".repeat(50));
        }
        assert_eq!(capture.text(), format!("{}\n", "é".repeat(50)).repeat(9));
        capture.clear();
        assert_eq!(capture.text(), "");
    }

    #[test]
    fn beyond_the_limit_head_and_tail_stay_and_the_rest_is_counted() {
        for piece in ["a", "é", "0123456789", &"x".repeat(5000), &"€".repeat(5000)] {
            let mut capture = Capture::new(1000);
            capture.push("first ");
            let mut total = 0;
            while total < 20_000 {
                capture.push(piece);
                total += piece.len();
            }
            capture.push(" last");
            let text = capture.text();
            assert!(text.len() <= 1000 && text.len() > 900, "{}", text.len());
            assert!(text.starts_with("first ") && text.ends_with(" last"));
            let (head, rest) = text.split_once("\n[... ").unwrap();
            let (dropped, tail) = rest.split_once(" bytes truncated ...]\n").unwrap();
            let dropped: usize = dropped.parse().unwrap();
            assert_eq!(head.len() + dropped + tail.len(), total + "first ".len() + " last".len());
        }
    }
}
