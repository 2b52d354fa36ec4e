//! `actor conformance`: what it is told. It talks to no server; it is run by [`crate::app`].

use std::path::PathBuf;

use clap::Args;

use crate::domain::model::script_type::ScriptType;

/// Which actor to try out, and how.
#[derive(Debug, Clone, Args)]
pub struct ConformanceArgs {
    /// The command line that starts the actor, without the flags of the actor protocol
    #[arg(long, value_name = "COMMAND")]
    pub exec: String,
    /// The type of its queue; the cases have scripts for osis, sal and python
    #[arg(long, value_name = "TYPE", value_parser = ScriptType::parse)]
    pub script_type: ScriptType,
    /// The scripts of the cases, if its language is another one: a TOML file, see docs/actor-protocol.md
    #[arg(long, value_name = "FILE")]
    pub scripts: Option<PathBuf>,
    /// Only the cases with this in their name; can be repeated
    #[arg(long = "case", value_name = "WORD")]
    pub cases: Vec<String>,
    /// Wait so many times longer than usual, for slow machines
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub patience: u32,
}
