//! Manual pages.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure};

/// Options of `man`.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Folder for the pages; it is made if it is missing
    pub dir: PathBuf,
}

/// Writes one page for each command that is shown in the help: `hero-supervisor.1`, `hero-supervisor-job-run.1`.
pub(super) fn run(args: &ManArgs) -> Result<Exit, Failure> {
    fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(super::command(), &args.dir))
        .map_err(|error| Failure::new(Exit::Refused, format!("{}: {error}", args.dir.display())))?;
    Ok(Exit::Ok)
}
