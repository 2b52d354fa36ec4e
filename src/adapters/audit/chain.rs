//! The chain: each line bears a number, the hash of the line before it, and its own hash at its end.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::hex;

/// Digits of a hash.
const DIGITS: usize = 64;
/// The member in front of the hash of a line; the hash is that of everything before the member.
const MEMBER: &str = ",\"sha256\":\"";
/// The end of a line behind its hash.
const END: &str = "\"}";

/// The last line of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Number of the line, counted from 1; 0 before the first line.
    pub seq: u64,
    /// Hash of the line, 64 hexadecimal digits.
    pub sha256: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, sha256: "0".repeat(DIGITS) }
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.sha256)
    }
}

impl std::str::FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no head of a log: use SEQ:SHA256, as `audit verify` prints it");
        let (seq, sha256) = text.split_once(':').ok_or_else(wrong)?;
        if sha256.len() != DIGITS || hex::decode(sha256).is_none() {
            return Err(wrong());
        }
        Ok(Self { seq: seq.parse().map_err(|_| wrong())?, sha256: sha256.to_ascii_lowercase() })
    }
}

/// Appends the hash to an object of JSON, and returns the line with the head that it makes.
pub(super) fn seal(seq: u64, mut object: String) -> (String, Head) {
    object.pop();
    let sha256 = hash(object.as_bytes());
    object.push_str(MEMBER);
    object.push_str(&sha256);
    object.push_str(END);
    (object, Head { seq, sha256 })
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes))
}

/// The part of a line that makes the chain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// Number of the line.
    pub seq: u64,
    /// The hash of the line before it.
    pub prev_sha256: String,
    /// Hash of the line, as the line gives it.
    pub sha256: String,
    /// Note about the log itself.
    #[serde(default)]
    note: Option<Note>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Note {
    kind: String,
}

impl Line {
    /// Reads a line, and checks that its hash is right.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let changed = "was changed: its hash is not that of its text";
        let text = std::str::from_utf8(bytes).map_err(|_invalid| "is not text")?;
        let place = text.len().checked_sub(MEMBER.len() + DIGITS + END.len());
        let (body, member) =
            place.and_then(|place| text.split_at_checked(place)).ok_or("is no line of an audit log")?;
        let told = member.strip_prefix(MEMBER).and_then(|rest| rest.strip_suffix(END));
        let told = told.ok_or("is no line of an audit log")?;
        if hash(body.as_bytes()) != told {
            return Err(changed);
        }
        serde_json::from_str(text).map_err(|_invalid| "is no line of an audit log")
    }

    /// Returns true for the first line of a file.
    pub fn begins_file(&self) -> bool {
        self.is_note("file")
    }

    /// Returns true for the last line of a supervisor that has ended in order.
    pub fn closes(&self) -> bool {
        self.is_note("closed")
    }

    fn is_note(&self, kind: &str) -> bool {
        self.note.as_ref().is_some_and(|note| note.kind == kind)
    }

    /// Returns the head that the line makes.
    pub fn head(&self) -> Head {
        Head { seq: self.seq, sha256: self.sha256.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_line_is_read_and_every_changed_byte_is_seen() {
        let object =
            format!("{{\"seq\":1,\"prev_sha256\":\"{}\",\"rpc\":\"RunJob\"}}", Head::default().sha256);
        let (line, head) = seal(1, object);
        assert_eq!(Line::read(line.as_bytes()).unwrap().head(), head);
        for place in 0..line.len() {
            let mut bytes = line.clone().into_bytes();
            bytes[place] ^= 1;
            assert!(Line::read(&bytes).is_err(), "{place}");
        }
        assert_eq!(head.to_string().parse::<Head>(), Ok(head));
        for wrong in ["", "1", "1:abc", "x:0"] {
            assert!(wrong.parse::<Head>().is_err(), "{wrong}");
        }
    }
}
