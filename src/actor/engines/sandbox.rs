//! Keeps scripts to their folder, by Landlock. It bounds what a script can spoil by accident, and is no sandbox for hostile
//! tenants: docs/python.md says what it does not cover.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};

/// Confinement of scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sandbox {
    /// Scripts may do what the actor may do.
    None,
    /// Scripts read the system and write into their folder.
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

/// The rights that are asked for; an older kernel gives those that it knows. With the ninth, sockets by their path count,
/// with the tenth UDP.
const RIGHTS: ABI = ABI::V10;
/// Programs, libraries, and the files of the kernel. Homes are not among them.
const SYSTEM: [&str; 10] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix", "/proc", "/sys/devices/system"];
/// Settings that programs need and that hold no secrets. What else is in that folder may well.
const SETTINGS: [&str; 36] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "default/locale",
    "fonts",
    "gai.conf",
    "gitconfig",
    "group",
    "host.conf",
    "hostname",
    "hosts",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "pki/ca-trust",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "protocols",
    "resolv.conf",
    "services",
    "shells",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
];
/// Devices that everybody may write to and that keep nothing.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// Files and folders in reach of a confined script.
#[derive(Debug)]
pub(super) struct Reach<'a> {
    /// The folder that can be written to.
    pub(super) folder: &'a Path,
    /// Paths that can be read, beside the system.
    pub(super) readable: &'a [PathBuf],
    /// The network, and sockets of other processes.
    pub(super) network: bool,
}

/// Confines this thread and all that it starts from now on. Returns the part of the rules that is in force.
pub(super) fn confine(reach: &Reach<'_>) -> Result<&'static str, String> {
    // Rules skip what is not there, which is right for the system and wrong for what was named.
    for named in reach.readable {
        fs::metadata(named).map_err(|error| {
            format!("cannot let scripts read {}: {error}; see --sandbox-read", named.display())
        })?;
    }
    match restrict(reach).map_err(|error| format!("cannot confine scripts by landlock: {error}"))? {
        RulesetStatus::FullyEnforced => Ok("landlock in force"),
        RulesetStatus::PartiallyEnforced => Ok("landlock in force as far as this kernel knows it"),
        RulesetStatus::NotEnforced => {
            Err("this kernel has no landlock: start the actor without --sandbox, or switch it on".to_owned())
        }
    }
}

fn restrict(reach: &Reach<'_>) -> Result<RulesetStatus, RulesetError> {
    let (mut all, read) = (AccessFs::from_all(RIGHTS), AccessFs::from_read(RIGHTS));
    let mut scopes: BitFlags<Scope> = Scope::from_all(RIGHTS);
    let mut rules = Ruleset::default();
    if reach.network {
        all.remove(AccessFs::ResolveUnix);
        scopes.remove(Scope::AbstractUnixSocket);
    } else {
        rules = rules.handle_access(AccessNet::from_all(RIGHTS))?;
    }
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    let status = rules
        .handle_access(all)?
        .scope(scopes)?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(settings(), read))?
        .add_rules(path_beneath_rules(reach.readable, read))?
        .add_rules(path_beneath_rules(DEVICES, device))?
        .add_rules(path_beneath_rules([reach.folder], all))?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// The settings that are in reach: those of Python, too, which has a folder of its own for each version.
fn settings() -> Vec<PathBuf> {
    let etc = Path::new("/etc");
    let named = SETTINGS.iter().map(|name| etc.join(name));
    let found = fs::read_dir(etc).into_iter().flatten().flatten();
    let pythons = found.filter(|entry| entry.file_name().to_string_lossy().starts_with("python"));
    named.chain(pythons.map(|entry| entry.path())).collect()
}
