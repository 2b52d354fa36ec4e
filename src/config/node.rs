//! The name of this machine.

use serde::Deserialize;

use crate::domain::model::id::NodeName;

/// Returns the host name with the characters that a [`NodeName`] allows.
pub fn host_name() -> NodeName {
    let raw = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let fits = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = raw.chars().map(fits).take(63).collect();
    NodeName::parse(&name).unwrap_or_default()
}

/// Reads the name of a node.
pub(super) fn node_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<NodeName, D::Error> {
    let raw = String::deserialize(deserializer)?;
    NodeName::parse(&raw).map_err(serde::de::Error::custom)
}
