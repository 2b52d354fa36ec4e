//! Names with wildcards.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rhai::{Array, Dynamic, ImmutableString};

use super::context::{Called, failed};
use super::registry::Registry;

/// Paths that one search may find.
const MOST: usize = 100_000;

pub(super) fn write(registry: &mut Registry) {
    registry.family(
        "Finding files",
        "`*` stands for any number of characters in a name, `?` for one. Links are not followed.",
    );
    let about = "The files of this name in a folder and below it, in order.";
    registry.add(
        "find_files",
        &["folder", "name"],
        about,
        |folder: ImmutableString, name: ImmutableString| many(&folder, &name, false),
    );
    let about = "The one file of this name; throws when there is none or more than one.";
    registry.add(
        "find_file",
        &["folder", "name"],
        about,
        |folder: ImmutableString, name: ImmutableString| one(&folder, &name, false),
    );
    let about = "The folders of this name in a folder and below it, in order.";
    registry.add(
        "find_dirs",
        &["folder", "name"],
        about,
        |folder: ImmutableString, name: ImmutableString| many(&folder, &name, true),
    );
    let about = "The one folder of this name; throws when there is none or more than one.";
    registry.add("find_dir", &["folder", "name"], about, |folder: ImmutableString, name: ImmutableString| {
        one(&folder, &name, true)
    });
}

fn many(folder: &str, name: &str, folders: bool) -> Called<Array> {
    let found = search(folder, name, folders).map_err(|error| failed(folder, &error))?;
    Ok(found.into_iter().map(|path| Dynamic::from(path.display().to_string())).collect())
}

fn one(folder: &str, name: &str, folders: bool) -> Called<String> {
    let found = search(folder, name, folders).map_err(|error| failed(folder, &error))?;
    match found.as_slice() {
        [path] => Ok(path.display().to_string()),
        others => Err(failed(folder, &format!("{} match {name:?}, not one", others.len()))),
    }
}

fn search(folder: &str, name: &str, folders: bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from(folder)];
    let mut first = true;
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            // What may not be read, or is gone by now, holds nothing that could be found.
            Err(_) if !first => continue,
            Err(error) => return Err(error),
        };
        first = false;
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() == folders && matches(name, &entry.file_name().to_string_lossy()) {
                if found.len() == MOST {
                    return Err(io::Error::other(format!("more than {MOST} match {name:?}")));
                }
                found.push(entry.path());
            }
            if kind.is_dir() {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The paths that a path with wildcards in its last part stands for.
pub(super) fn expand(path: &str) -> io::Result<Vec<PathBuf>> {
    let whole = Path::new(path);
    let name = whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.contains(['*', '?']) || fs::symlink_metadata(whole).is_ok() {
        return Ok(if fs::symlink_metadata(whole).is_ok() { vec![whole.to_owned()] } else { Vec::new() });
    }
    let folder = whole.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder)?.flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| matches(&name, &entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    Ok(found)
}

/// True when a name is what a pattern stands for; takes time in proportion to their lengths' product at most.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(n) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == c => {
                p += 1;
                n += 1;
            }
            _ => match star {
                // The last star takes one more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "a.b"),
            ("a*b*c", "axxbyyc"),
            ("?.rs", "é.rs"),
            ("a", "a"),
            ("**", "x"),
            ("*ab", "aab"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("?", ""), ("a*b", "abc"), ("*.rs", "rs"), ("a", "A")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
