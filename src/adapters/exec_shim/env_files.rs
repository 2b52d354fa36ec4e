//! Variables whose values are in files. Read here, they are in no file, list or log of the process manager.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::private_file::read_private;

/// Most bytes of a variable with its name: Linux refuses a longer one, without saying which (MAX_ARG_STRLEN).
const LONGEST: usize = 131_070;

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
    let room = LONGEST.saturating_sub(name.len());
    if bytes.len() > room {
        let told =
            format!("{} has {} bytes, more than the {room} of a variable", path.display(), bytes.len());
        return Err(wrong(told));
    }
    Ok(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_longest_value_can_be_given_to_a_program_and_a_longer_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let given = |length: usize| {
            std::fs::write(&path, "x".repeat(length)).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            value("KEY", &path)
        };
        let longest = given(LONGEST - 3).unwrap();
        assert!(Command::new("/bin/true").env_clear().env("KEY", &longest).status().unwrap().success());
        let refused = given(LONGEST - 2).unwrap_err().to_string();
        assert!(
            refused.starts_with("env_from_file[\"KEY\"]: ") && refused.contains("131068 bytes"),
            "{refused}"
        );
    }
}
