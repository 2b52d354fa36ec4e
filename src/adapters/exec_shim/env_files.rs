//! Variables whose values are in files. Read here, they are in no file, list or log of the process manager.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::private_file::read_private;

/// Reads the values, with the rights of the process manager.
///
/// # Errors
/// A file that cannot be read, or that others can read. It names the variable, and never a value.
pub(super) fn read(files: &[(String, PathBuf)]) -> io::Result<Vec<(&str, OsString)>> {
    files.iter().map(|(name, path)| Ok((name.as_str(), value(name, path)?))).collect()
}

fn value(name: &str, path: &Path) -> io::Result<OsString> {
    let wrong =
        |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("env_from_file[{name:?}]: {what}"));
    let mut bytes = read_private(path).map_err(|error| wrong(error.to_string()))?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.contains(&0) {
        return Err(wrong(format!("{} has a NUL character", path.display())));
    }
    Ok(OsString::from_vec(bytes))
}
