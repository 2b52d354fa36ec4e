//! Keeps scripts to their folder, by Landlock. It bounds what a script can spoil by accident; it hides neither the network nor
//! other processes, and is no sandbox for hostile tenants.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use landlock::{
    ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    path_beneath_rules,
};

/// Whether scripts are confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sandbox {
    /// They may do what the actor may.
    None,
    /// They read the system and write into their folder.
    Landlock,
}

impl Sandbox {
    /// The word on the command line.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Landlock => "landlock",
        }
    }
}

/// The rights that are asked for; an older kernel gives those that it knows.
const RIGHTS: ABI = ABI::V5;
/// Programs, libraries, settings, and what the kernel tells. Homes are not among them.
const SYSTEM: [&str; 11] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc",
    "/opt",
    "/nix",
    "/proc",
    "/sys/devices/system",
];
/// What everybody writes to and keeps nothing.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// Confines this thread and all that it starts from now on: `folder` can be written to, the system and `readable` can be
/// read. Answers with how much of it is in force.
pub(super) fn confine(folder: &Path, readable: &[PathBuf]) -> Result<&'static str, String> {
    let failed = |error: RulesetError| format!("cannot confine scripts by landlock: {error}");
    // Rules skip what is not there, which is right for the system and wrong for what was named.
    for named in readable {
        std::fs::metadata(named).map_err(|error| {
            format!("cannot let scripts read {}: {error}; see --sandbox-read", named.display())
        })?;
    }
    // Often a link to somewhere else.
    let resolver = std::fs::canonicalize("/etc/resolv.conf").ok();
    let (all, read) = (AccessFs::from_all(RIGHTS), AccessFs::from_read(RIGHTS));
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    let status = Ruleset::default()
        .handle_access(all)
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(SYSTEM, read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(readable, read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(resolver, AccessFs::ReadFile)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(DEVICES, device)))
        .and_then(|rules| rules.add_rules(path_beneath_rules([folder], all)))
        .and_then(|rules| rules.restrict_self())
        .map_err(failed)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok("landlock in force"),
        RulesetStatus::PartiallyEnforced => Ok("landlock in force as far as this kernel knows it"),
        RulesetStatus::NotEnforced => {
            Err("this kernel has no landlock: start the actor without --sandbox, or switch it on".to_owned())
        }
    }
}
