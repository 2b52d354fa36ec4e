//! Files and folders.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rhai::{INT, ImmutableString};

use super::command::program;
use super::context::{Called, Context, failed, fine};
use super::find::expand;
use super::registry::Registry;

/// Bytes of the largest file that is read as a text.
const MAX_READ: u64 = 16 << 20;

pub(super) fn write(registry: &mut Registry, context: &Arc<Context>) {
    registry.family(
        "Files and folders",
        "Paths are relative to the working folder of the job unless they begin with `/`.",
    );
    registry.add("exist", &["path"], "True if there is something at the path.", |path: ImmutableString| {
        Path::new(path.as_str()).exists()
    });
    let about = "Copies a file, or a folder with all that is in it; `*` and `?` may stand in the last part of the source. \
                 Into the destination if that is a folder.";
    registry.add(
        "copy",
        &["source", "destination"],
        about,
        |source: ImmutableString, to: ImmutableString| {
            each(&source, &to, copy_all).map(|count| format!("copied {count} to {to}"))
        },
    );
    let about = "Moves or renames a file or a folder; into the destination if that is a folder.";
    registry.add("mv", &["source", "destination"], about, |source: ImmutableString, to: ImmutableString| {
        each(&source, &to, rename).map(|count| format!("moved {count} to {to}"))
    });
    let about = "Deletes a file, or a folder with all that is in it; nothing happens if there is none.";
    registry.add("delete", &["path"], about, |path: ImmutableString| delete(&path));
    let about = "Makes a folder and those above it; nothing happens if it is there.";
    registry.add("mkdir", &["path"], about, |path: ImmutableString| {
        fs::create_dir_all(path.as_str()).map_err(|error| failed(&path, &error))?;
        fine(format!("made {path}"))
    });
    let w = Arc::clone(context);
    let about = "Changes the working folder until the job ends.";
    registry.add("chdir", &["path"], about, move |path: ImmutableString| {
        w.move_to(&path).map_err(|error| failed(&path, &error))?;
        fine(format!("in {path}"))
    });
    let w = Arc::clone(context);
    let about =
        "Makes the destination a copy of the source folder with `rsync -a --delete`, which must be there.";
    registry.add(
        "rsync",
        &["source", "destination"],
        about,
        move |source: ImmutableString, to: ImmutableString| {
            program(&w, "rsync", &["-a", "--delete", "--", &source, &to])?;
            fine(format!("synchronized {to} with {source}"))
        },
    );
    contents(registry);
}

fn contents(registry: &mut Registry) {
    registry.add("file_size", &["path"], "Bytes of a file.", |path: ImmutableString| {
        let at = fs::metadata(path.as_str()).map_err(|error| failed(&path, &error))?;
        match at.is_file() {
            true => Ok(INT::try_from(at.len()).unwrap_or(INT::MAX)),
            false => Err(failed(&path, &"is not a file")),
        }
    });
    let about = "The text of a file of at most 16 MiB; what is no UTF-8 is replaced by U+FFFD.";
    registry.add("file_read", &["path"], about, |path: ImmutableString| {
        read(&path).map_err(|error| failed(&path, &error))
    });
    let about = "Writes a file; what it held is gone.";
    registry.add("file_write", &["path", "text"], about, |path: ImmutableString, text: ImmutableString| {
        fs::write(path.as_str(), text.as_bytes()).map_err(|error| failed(&path, &error))?;
        fine(format!("wrote {path}"))
    });
    let about = "Writes to the end of a file, which is made if there is none.";
    registry.add(
        "file_write_append",
        &["path", "text"],
        about,
        |path: ImmutableString, text: ImmutableString| {
            let file = OpenOptions::new().append(true).create(true).open(path.as_str());
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|error| failed(&path, &error))?;
            fine(format!("appended to {path}"))
        },
    );
    registry.add("chmod_exec", &["path"], "Lets everybody execute a file.", |path: ImmutableString| {
        let set = fs::metadata(path.as_str()).and_then(|at| {
            let mode = at.permissions().mode() | 0o111;
            fs::set_permissions(path.as_str(), fs::Permissions::from_mode(mode))
        });
        set.map_err(|error| failed(&path, &error))?;
        fine(format!("{path} can be executed"))
    });
}

/// The text of a file.
pub(super) fn read(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_READ + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_READ {
        return Err(io::Error::other(format!("is longer than {MAX_READ} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Does something with everything that a source names.
fn each(source: &str, destination: &str, act: fn(&Path, &Path) -> io::Result<()>) -> Called<usize> {
    let sources = expand(source).map_err(|error| failed(source, &error))?;
    if sources.is_empty() {
        return Err(failed(source, &"there is nothing of this name"));
    }
    let to = Path::new(destination);
    if sources.len() > 1 && !to.is_dir() {
        return Err(failed(destination, &"is not a folder, and there is more than one source"));
    }
    for from in &sources {
        act(from, &target(from, to)).map_err(|error| failed(&from.display().to_string(), &error))?;
    }
    Ok(sources.len())
}

fn target(from: &Path, to: &Path) -> PathBuf {
    match from.file_name() {
        Some(name) if to.is_dir() => to.join(name),
        Some(_) | None => to.to_owned(),
    }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(above) = to.parent() {
        fs::create_dir_all(above)?;
    }
    if from.is_file() {
        return fs::copy(from, to).map(drop);
    }
    if !from.is_dir() {
        return Err(io::Error::other("is neither a file nor a folder"));
    }
    let inside = |path: &Path| Some(fs::canonicalize(path).ok()?.starts_with(fs::canonicalize(from).ok()?));
    if to.parent().and_then(inside).unwrap_or(false) {
        return Err(io::Error::other("a folder cannot be copied into itself"));
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        // A link is copied as what it is, so that a circle of links is not followed for ever.
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, to)?;
        } else {
            copy_all(&entry.path(), &to)?;
        }
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy_all(from, to)?;
            remove(from)
        }
        other => other,
    }
}

fn delete(path: &str) -> Called<String> {
    match remove(Path::new(path)) {
        Ok(()) => fine(format!("deleted {path}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fine(format!("there was no {path}")),
        Err(error) => Err(failed(path, &error)),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}
