//! Looks at the programs of actors on the local disk.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use crate::domain::model::script_type::ScriptType;
use crate::ports::programs::{ProgramFault, Programs};

/// The local disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProgramFiles;

#[async_trait]
impl Programs for ProgramFiles {
    async fn inspect(&self, path: &Path, sha256: Option<&str>) -> Result<(), ProgramFault> {
        let path: PathBuf = path.to_owned();
        let sha256 = sha256.map(str::to_owned);
        let inspected = tokio::task::spawn_blocking(move || inspect(&path, sha256));
        inspected.await.unwrap_or_else(|error| Err(ProgramFault::Unreadable { reason: error.to_string() }))
    }

    async fn find(&self, script_type: ScriptType) -> Option<PathBuf> {
        tokio::task::spawn_blocking(move || find(script_type)).await.ok().flatten()
    }
}

/// Folder of programs that were installed by hand.
const INSTALLED: &str = "/usr/local/bin";

/// Returns the file name of the program for actors of a script type.
pub(crate) fn program_name(script_type: ScriptType) -> String {
    format!("{script_type}_actor")
}

/// The same as [`Programs::find`], blocking.
pub(crate) fn find(script_type: ScriptType) -> Option<PathBuf> {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let folders = beside
        .into_iter()
        .chain(std::env::split_paths(&search_path).filter(|folder| folder.is_absolute()))
        .chain([PathBuf::from(INSTALLED)]);
    first_with(folders, &program_name(script_type))
}

/// Returns the path in the first folder that has the program.
fn first_with(folders: impl Iterator<Item = PathBuf>, program: &str) -> Option<PathBuf> {
    folders.map(|folder| folder.join(program)).find(|path| inspect(path, None).is_ok())
}

/// The same as [`Programs::inspect`], blocking: a digest reads the whole file.
pub(crate) fn inspect(path: &Path, sha256: Option<String>) -> Result<(), ProgramFault> {
    let unreadable = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            ProgramFault::Missing
        } else {
            ProgramFault::Unreadable { reason: error.to_string() }
        }
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(ProgramFault::NotAFile);
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(ProgramFault::NotExecutable);
    }
    let Some(expected) = sha256.map(|sha256| sha256.to_ascii_lowercase()) else { return Ok(()) };
    let found = digest(path).map_err(unreadable)?;
    if found == expected { Ok(()) } else { Err(ProgramFault::WrongDigest { expected, found }) }
}

/// The SHA-256 of a file in lowercase hex.
fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    Ok(crate::hex::encode(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        assert_eq!(inspect(&path, None), Err(ProgramFault::Missing));
        assert_eq!(inspect(dir.path(), None), Err(ProgramFault::NotAFile));
        std::fs::write(&path, "abc").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(inspect(&path, None), Err(ProgramFault::NotExecutable));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(inspect(&path, Some(of_abc.to_owned())), Ok(()));
        let wrong = inspect(&path, Some("0".repeat(64)));
        assert!(matches!(wrong, Err(ProgramFault::WrongDigest { found, .. }) if found == of_abc));
    }

    #[test]
    fn the_first_folder_with_an_executable_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        let folders = ["none", "text", "good", "later"].map(|name| dir.path().join(name));
        for (folder, mode) in folders.iter().zip([None, Some(0o644), Some(0o755), Some(0o755)]) {
            std::fs::create_dir(folder).unwrap();
            if let Some(mode) = mode {
                std::fs::write(folder.join("v_actor"), "").unwrap();
                let permissions = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(folder.join("v_actor"), permissions).unwrap();
            }
        }
        let found = first_with(folders.iter().cloned(), &program_name(ScriptType::V));
        assert_eq!(found, Some(folders[2].join("v_actor")));
        assert_eq!(first_with(folders.into_iter(), "sal_actor"), None);
    }
}
