//! Finds the last whole line of a file, from which the chain goes on, and the bytes that a crash has left behind it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::chain::{Head, Line};

/// Part of a file that is searched for its last line; the longest line is far shorter.
const TAIL: u64 = 512 * 1024;
/// Begin of every line.
const BEGIN: &[u8] = b"{\"seq\":";

/// The end of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The last whole line; None for a file without one.
    pub(super) head: Option<Head>,
    /// Length of the file up to the end of that line.
    pub(super) whole: u64,
    /// Bytes behind the last whole line.
    pub(super) torn: Vec<u8>,
}

/// Looks for the end of a file. None for a file that is no audit log.
pub(super) fn end_of(file: &mut File) -> io::Result<Option<End>> {
    let size = file.metadata()?.len();
    let from = size.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    let mut end = tail.len();
    while let Some(place) = tail[..end].iter().rposition(|byte| *byte == b'\n') {
        let begin = tail[..place].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
        if let Ok(line) = Line::read(&tail[begin..place]) {
            let torn = tail.split_off(place + 1);
            return Ok(Some(End { head: Some(line.head()), whole: from + tail.len() as u64, torn }));
        }
        end = place;
    }
    let shared = tail.len().min(BEGIN.len());
    // The first line of all can be torn as well; a power failure leaves zeros.
    let is_ours = from == 0 && (tail[..shared] == BEGIN[..shared] || tail.iter().all(|byte| *byte == 0));
    Ok(is_ours.then_some(End { head: None, whole: 0, torn: tail }))
}
