//! Finds the programs, and says where it looked if there are none.

use std::collections::BTreeMap;
use std::env::split_paths;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::flags::VFlags;
use super::run::{CaptureSink, Task};

/// Saying its version takes V no time; a machine under heavy load may need a moment.
const TIME_LIMIT: Duration = Duration::from_secs(8);

/// The compiler, and its version.
pub(super) fn v(flags: &VFlags) -> Result<(PathBuf, String), String> {
    let mut looked = Vec::new();
    for program in candidates(flags, flags.v_bin.as_deref(), "v") {
        match version(&program, flags) {
            Ok(version) => return Ok((program, version)),
            Err(why) => looked.push(format!("{}: {why}", program.display())),
        }
    }
    let looked = places(flags, flags.v_bin.as_deref(), "v", looked);
    Err(format!("there is no V compiler ({looked}); install V, or name it with --v-bin or V_BIN"))
}

/// The program for HeroScript.
pub(super) fn hero(flags: &VFlags) -> Result<PathBuf, String> {
    let found = candidates(flags, flags.hero_bin.as_deref(), "hero").into_iter().next();
    found.ok_or_else(|| {
        let looked = places(flags, flags.hero_bin.as_deref(), "hero", Vec::new());
        format!(
            "HeroScript needs the hero program ({looked}); install it, or name it with --hero-bin or HERO_BIN"
        )
    })
}

/// A program that was named is the only one.
fn candidates(flags: &VFlags, named: Option<&Path>, usual: &str) -> Vec<PathBuf> {
    let name = named.unwrap_or(Path::new(usual));
    let paths: Vec<PathBuf> = match name.components().count() {
        1 => split_paths(&flags.search_path)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(name))
            .collect(),
        _ => vec![name.to_owned()],
    };
    paths.into_iter().filter(|path| is_program(path)).collect()
}

/// Returns true for a file that this user may execute.
pub(super) fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn places(flags: &VFlags, named: Option<&Path>, usual: &str, looked: Vec<String>) -> String {
    if !looked.is_empty() {
        return format!("looked at {}", looked.join("; "));
    }
    let name = named.unwrap_or(Path::new(usual)).display();
    match named {
        Some(path) if path.components().count() > 1 => format!("{name} is not a program"),
        Some(_) | None => {
            // Not the whole PATH, which would make most of every message.
            let folders = split_paths(&flags.search_path).filter(|folder| folder.is_absolute()).count();
            format!("{name} is in none of the {folders} folders of PATH")
        }
    }
}

/// Other programs have the same name, so what it says counts.
fn version(program: &Path, flags: &VFlags) -> Result<String, String> {
    let task = Task {
        program,
        args: vec!["version".into()],
        env: BTreeMap::from([("PATH".to_owned(), flags.search_path.to_string_lossy().into_owned())]),
        folder: Path::new("/"),
        timeout: TIME_LIMIT,
    };
    let (ended, text) = CaptureSink::run(&task, &flags.work).map_err(|error| error.to_string())?;
    let line = text.lines().next().unwrap_or_default().trim();
    match ended.status.success() && is_version(line) {
        true => Ok(line.to_owned()),
        false => {
            Err(format!("`version` answers {:?}, which is not V", line.chars().take(80).collect::<String>()))
        }
    }
}

/// `V 0.4.8 a1b2c3d`.
fn is_version(line: &str) -> bool {
    let digits = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let parts = line.strip_prefix("V ").and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(major, minor)| {
        digits(major) && major.chars().all(|c| c.is_ascii_digit()) && digits(minor)
    })
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn only_v_says_its_version_like_v() {
        assert!(is_version("V 0.2.4 a1b2c3d") && is_version("V 1.0") && is_version("V 0.4.11"));
        for no in ["", "V", "V x.1", "V 1", "V 1.x", "v 0.2.4", "vtool 0.2", "V 1a.2", " V 0.2"] {
            assert!(!is_version(no), "{no:?}");
        }
    }
}
