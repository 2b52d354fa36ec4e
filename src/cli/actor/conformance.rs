//! Options of `actor conformance`, which calls no server and is run by [`crate::app`].

use std::path::PathBuf;

use clap::Args;

use crate::domain::model::script_type::ScriptType;

/// Options of `actor conformance`.
#[derive(Debug, Clone, Args)]
pub struct ConformanceArgs {
    /// Command line of the actor, without the flags of the actor protocol
    #[arg(long, value_name = "COMMAND")]
    pub exec: String,
    /// Script type of its queue; there are scripts for osis, sal and python
    #[arg(long, value_name = "TYPE", value_parser = ScriptType::parse)]
    pub script_type: ScriptType,
    /// TOML file with the scripts of the cases, for other languages; see docs/actor-protocol.md
    #[arg(long, value_name = "FILE")]
    pub scripts: Option<PathBuf>,
    /// Only cases with this text in their name; can be repeated
    #[arg(long = "case", value_name = "WORD")]
    pub cases: Vec<String>,
    /// Factor for all time limits, for slow machines
    #[arg(long = "patience", value_name = "N", default_value_t = 1)]
    pub time_factor: u32,
}
