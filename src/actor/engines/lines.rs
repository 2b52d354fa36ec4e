//! Cuts the output of a process into lines.

/// Longest line in bytes; a longer one becomes several.
pub(super) const MAX_LINE: usize = 64 * 1024;

/// A line as it was written, and what ended it: a line feed, or nothing where one was too long or was the last.
type Line<'a> = (&'a [u8], &'static str);

/// Bytes on their way to lines, of one stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// A line that has not ended.
    open: Vec<u8>,
}

impl Lines {
    /// Takes bytes as they come, and gives the lines that are whole.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut line: impl FnMut(Line<'_>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (last, rest) = bytes.split_at(end);
            if self.open.is_empty() && last.len() <= MAX_LINE {
                line((last, "\n"));
            } else {
                self.grow(last, &mut line);
                line((self.open.as_slice(), "\n"));
                self.open.clear();
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.grow(bytes, &mut line);
    }

    /// Gives the last line, if it has no end.
    pub(super) fn finish(&mut self, mut line: impl FnMut(Line<'_>)) {
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            line((open.as_slice(), ""));
        }
    }

    /// Adds to an open line; what is too long becomes lines of its own.
    fn grow(&mut self, mut bytes: &[u8], line: &mut impl FnMut(Line<'_>)) {
        while self.open.len() + bytes.len() > MAX_LINE {
            let (now, later) = bytes.split_at(MAX_LINE - self.open.len());
            self.open.extend_from_slice(now);
            let cut = self.open.split_off(whole_characters(&self.open));
            line((self.open.as_slice(), ""));
            self.open = cut;
            bytes = later;
        }
        self.open.extend_from_slice(bytes);
    }
}

/// A line as people read it: a carriage return in front of the line feed is part of its end.
pub(super) fn without_return(line: &str) -> &str {
    line.strip_suffix('\r').unwrap_or(line)
}

/// Returns the length of the part that ends with a whole character; the whole length if the bytes are no UTF-8 anyway.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        Ok(_) | Err(_) => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(Vec<u8>, &'static str)> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.take(piece, |(bytes, end)| found.push((bytes.to_vec(), end)));
        }
        lines.finish(|(bytes, end)| found.push((bytes.to_vec(), end)));
        found
    }

    proptest! {
        #![proptest_config(crate::properties::cases(64))]

        #[test]
        fn nothing_is_lost_or_added_however_it_was_read(
            lengths in prop::collection::vec(prop_oneof![0..10_usize, (MAX_LINE - 2)..(2 * MAX_LINE + 3)], 1..5),
            read in prop_oneof![1_usize..50, 60_000..70_000_usize],
        ) {
            let lines_of = lengths.iter().map(|length| [vec![b'x'; *length], vec![b'\n']].concat());
            let text: Vec<u8> = lines_of.flatten().collect();
            let found = lines(&text.chunks(read).collect::<Vec<_>>());
            let whole: Vec<u8> = found.iter().flat_map(|(line, end)| [line.as_slice(), end.as_bytes()].concat()).collect();
            prop_assert_eq!(whole, text);
            prop_assert!(found.iter().all(|(line, _)| line.len() <= MAX_LINE));
            let expected: usize = lengths.iter().map(|length| length.div_ceil(MAX_LINE).max(1)).sum();
            prop_assert_eq!(found.len(), expected, "no line is empty that was not");
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let long = format!("a{}", "é".repeat(50_000));
        let found = lines(&[long.as_bytes()]);
        assert!(found.len() == 2 && found.iter().all(|(line, _)| std::str::from_utf8(line).is_ok()));
    }
}
