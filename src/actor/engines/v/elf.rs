//! Checks that a file is a whole program: a compiler that runs out of disk may write half of one and not notice.

/// First bytes of a program.
const MAGIC: &[u8] = b"\x7fELF";
/// A section that takes no room in the file.
const NO_BITS: u64 = 8;

/// Checks that these bytes are a whole program, and returns the fault otherwise.
///
/// # Errors
/// In a few words, to come after "the program".
pub(super) fn whole(bytes: &[u8]) -> Result<(), &'static str> {
    if bytes.is_empty() {
        return Err("is empty");
    }
    if !bytes.starts_with(MAGIC) {
        return Err("is none that this system can start");
    }
    match is_whole(bytes) {
        Some(true) => Ok(()),
        Some(false) | None => Err("is cut off"),
    }
}

/// Returns true for a whole program; None when a header is cut off.
fn is_whole(bytes: &[u8]) -> Option<bool> {
    let file = Elf { bytes, wide: *bytes.get(4)? == 2, little: *bytes.get(5)? == 1 };
    let [programs, sections] = if file.wide { [32, 40] } else { [28, 32] };
    let counts: u64 = if file.wide { 54 } else { 42 };
    let programs =
        Table { at: file.word(programs)?, size: file.number(counts, 2)?, count: file.number(counts + 2, 2)? };
    let sections = Table {
        at: file.word(sections)?,
        size: file.number(counts + 4, 2)?,
        count: file.number(counts + 6, 2)?,
    };
    for header in 0..programs.count {
        let [at, length] = if file.wide { [8, 32] } else { [4, 16] };
        if !file.holds(file.word(programs.part(header, at)?)?, file.word(programs.part(header, length)?)?) {
            return Some(false);
        }
    }
    for header in 0..sections.count {
        let [at, length] = if file.wide { [24, 32] } else { [16, 20] };
        let kind = file.number(sections.part(header, 4)?, 4)?;
        let part = (file.word(sections.part(header, at)?)?, file.word(sections.part(header, length)?)?);
        if kind != NO_BITS && !file.holds(part.0, part.1) {
            return Some(false);
        }
    }
    Some(file.holds(sections.at, sections.size.checked_mul(sections.count)?))
}

struct Elf<'a> {
    bytes: &'a [u8],
    wide: bool,
    little: bool,
}

impl Elf<'_> {
    /// A number of this many bytes.
    fn number(&self, at: u64, length: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        let add = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        Some(if self.little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    }

    /// A number as wide as an address.
    fn word(&self, at: u64) -> Option<u64> {
        self.number(at, if self.wide { 8 } else { 4 })
    }

    fn holds(&self, at: u64, length: u64) -> bool {
        at.checked_add(length).is_some_and(|end| end <= self.bytes.len() as u64)
    }
}

/// Headers in a row.
struct Table {
    at: u64,
    size: u64,
    count: u64,
}

impl Table {
    /// Returns the place of a part of a header; None for one that lies beyond all numbers.
    fn part(&self, header: u64, part: u64) -> Option<u64> {
        self.at.checked_add(header.checked_mul(self.size)?)?.checked_add(part)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_program_is_whole_and_none_of_its_beginnings_is() {
        let program = std::fs::read("/bin/sh").unwrap();
        assert_eq!(whole(&program), Ok(()));
        // What is appended to a program does not spoil it.
        assert_eq!(whole(&[&program[..], b"more"].concat()), Ok(()));
        for part in [1, 4, 5, 63, 64, program.len() / 3, program.len() / 2, program.len() - 1] {
            assert!(whole(&program[..part]).is_err(), "{part} of {}", program.len());
        }
        assert_eq!(whole(b""), Err("is empty"));
        assert_eq!(whole(b"#!/bin/sh\n"), Err("is none that this system can start"));
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn no_bytes_are_too_much(mut bytes in prop::collection::vec(any::<u8>(), 0..200), wide in any::<bool>()) {
            prop_assert!(whole(&bytes).is_err());
            bytes.splice(0..0, [MAGIC, &[if wide { 2 } else { 1 }, 1]].concat());
            prop_assert_ne!(whole(&bytes), Err("is empty"));
        }
    }
}
