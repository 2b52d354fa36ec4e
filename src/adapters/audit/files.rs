//! The files of a log: the one that is written, and those before it, which have the number of their first line behind their name.

use std::io;
use std::path::{Path, PathBuf};

/// Digits of the number, so that names sort like numbers.
const DIGITS: usize = 12;

/// Returns the files of a log, the oldest first.
///
/// # Errors
/// A folder that cannot be read.
pub fn all_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = rotated(path)?.into_iter().map(|(_, file)| file).collect();
    if path.exists() {
        files.push(path.to_owned());
    }
    Ok(files)
}

/// Returns the files before the one that is written, each with the number of its first line, the oldest first.
pub(super) fn rotated(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let prefix = format!("{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder(path))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(&prefix).filter(|rest| rest.len() >= DIGITS);
        if let Some(seq) = number.and_then(|digits| digits.parse().ok()) {
            files.push((seq, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the name of a file whose first line has this number.
pub(super) fn rotated_name(path: &Path, first: u64) -> PathBuf {
    beside(path, &format!(".{first:0DIGITS$}"))
}

/// Returns the path with something behind its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Returns the folder of a file.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}
