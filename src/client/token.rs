//! The token that a client shows with each call.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tonic::codegen::http::HeaderValue;

use crate::lock::Lock;

/// Largest token file in bytes; a JWT may have some thousand.
const MAX_BYTES: u64 = 64 * 1024;

/// A token. One in a file is read again when the file has changed, since tokens rotate.
pub(super) struct Token {
    file: Option<PathBuf>,
    known: Lock<Known>,
}

struct Known {
    stamp: Option<Stamp>,
    header: HeaderValue,
}

/// The properties that change with a file.
#[derive(PartialEq, Eq)]
struct Stamp {
    changed: Option<SystemTime>,
    size: u64,
    file: u64,
}

impl Token {
    /// Makes a token of its text.
    ///
    /// # Errors
    /// A text that cannot be a token.
    pub(super) fn of_text(text: &str) -> Result<Self, String> {
        let header = header(text)?;
        Ok(Self { file: None, known: Lock::new(Known { stamp: None, header }) })
    }

    /// Reads a token from a file.
    ///
    /// # Errors
    /// A file that cannot be read, or has no token.
    pub(super) fn of_file(path: PathBuf) -> Result<Self, String> {
        let known = Known::read(&path)?;
        // A pipe is read once.
        let file = known.stamp.is_some().then_some(path);
        Ok(Self { file, known: Lock::new(known) })
    }

    /// Returns the header of now. While the file cannot be read, it stays as it was.
    pub(super) fn header(&self) -> HeaderValue {
        let mut known = self.known.lock();
        if let Some(path) = &self.file {
            let stamp = std::fs::metadata(path).ok().and_then(|found| Stamp::of(&found));
            if stamp.is_some()
                && stamp != known.stamp
                && let Ok(fresh) = Known::read(path)
            {
                *known = fresh;
            }
        }
        known.header.clone()
    }
}

impl Known {
    fn read(path: &Path) -> Result<Self, String> {
        let unreadable =
            |cause: std::io::Error| format!("the token file cannot be read: {}: {cause}", path.display());
        let file = File::open(path).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        let mut text = String::new();
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(format!("the token file {} has more than {MAX_BYTES} bytes", path.display()));
        }
        let header = header(&text).map_err(|why| format!("the token file {}: {why}", path.display()))?;
        Ok(Self { stamp: Stamp::of(&found), header })
    }
}

impl Stamp {
    /// Returns the stamp of a file; none for a pipe.
    fn of(found: &Metadata) -> Option<Self> {
        let stamp = || Self { changed: found.modified().ok(), size: found.len(), file: number(found) };
        found.is_file().then(stamp)
    }
}

/// Returns a number that another file of the same name has not got, where systems have one.
#[cfg(unix)]
fn number(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> u64 {
    0
}

/// Returns the value of the header `authorization`, without the white space around the token.
fn header(text: &str) -> Result<HeaderValue, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the token is empty".to_owned());
    }
    let one_word = text.bytes().all(|byte| byte.is_ascii_graphic());
    let value = one_word.then(|| HeaderValue::from_str(&format!("Bearer {text}")).ok()).flatten();
    let Some(mut value) = value else {
        return Err("the token is not one word of visible ASCII characters".to_owned());
    };
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word() {
        assert_eq!(Token::of_text(" hst_1 \n").unwrap().header(), "Bearer hst_1");
        assert!(format!("{:?}", Token::of_text("hst_1").unwrap().header()).contains("Sensitive"));
        for (text, told) in
            [(" \n", "is empty"), ("a b", "one word"), ("a\nb", "one word"), ("ä", "one word")]
        {
            let refused = Token::of_text(text).err().unwrap();
            assert!(refused.contains(told), "{text:?}: {refused}");
        }
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed_and_kept_while_it_is_away_or_odd() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        assert!(Token::of_file(path.clone()).err().unwrap().contains("cannot be read"));
        let replace = |text: &str| {
            let new = dir.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, &path).unwrap();
        };
        replace("one\n");
        let token = Token::of_file(path.clone()).unwrap();
        assert_eq!(token.header(), "Bearer one");
        replace("two\n");
        assert_eq!(token.header(), "Bearer two");
        replace("t w o\n");
        assert_eq!(token.header(), "Bearer two");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(token.header(), "Bearer two");
        std::fs::write(&path, "x".repeat(100_000)).unwrap();
        assert!(Token::of_file(path).err().unwrap().contains("more than"));
    }
}
