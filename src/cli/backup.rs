//! Options of `backup` and `restore`, which are run by [`crate::app`].

use std::path::PathBuf;

use clap::Args;

use super::{Format, ServeArgs};

/// Options of `backup`, which reads the same settings as `serve`.
#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// Settings of the service.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// File to write, for its owner alone (mode 0600), since environments of actors and jobs are in it; - for standard output
    pub file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
}

/// Options of `restore`, which reads the same settings as `serve`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// Settings of the service.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// File of a backup; - for standard input
    pub file: PathBuf,
    /// Restore into a Redis that is not empty: what is there stays as it is, and what is not there is added
    #[arg(long)]
    pub into_existing: bool,
    /// Check the file and Redis, show what would be restored, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}
