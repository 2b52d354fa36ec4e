//! Completion scripts for shells.

use clap::Args;
use clap_complete::Shell;

use super::{Exit, Failure, Format, Output};

/// Options of `completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// Shell
    pub shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "hero-supervisor", &mut script);
    Output::new(Format::Table, false).data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
