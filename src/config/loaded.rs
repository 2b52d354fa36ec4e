//! A configuration as it was loaded, with the tables of its file.

use figment::value::Dict;

use super::{Config, FileActor, FileQueue, FileScriptType, Setting};

/// A configuration with the origin of each value.
#[derive(Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The values as they were written, with their origins, in the order of [`KEYS`](super::KEYS).
    pub settings: Vec<Setting>,
    /// The actors of the file, dependencies first.
    pub actors: Vec<FileActor>,
    /// The settings of the file for script types.
    pub script_types: Vec<FileScriptType>,
    /// The queues of the file.
    pub queues: Vec<FileQueue>,
    /// The actors as they were written.
    pub(super) raw_actors: Vec<Dict>,
    /// The queues as they were written.
    pub(super) raw_queues: Vec<Dict>,
    /// The settings of script types as they were written.
    pub(super) raw_script_types: Dict,
    /// The rules of identities as they were written, by the name of their list.
    pub(super) raw_auth: Vec<(&'static str, Vec<Dict>)>,
}
