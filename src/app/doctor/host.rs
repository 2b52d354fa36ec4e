//! Checks of the addresses.

use super::Finding;
use crate::config::Config;

/// Returns a finding for each address that other machines can reach without protection.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let finding = |(address, missing)| {
        let found = format!("{address} can be reached from other machines, and {missing}");
        Finding::warn("listen", found, "set what is missing and remove insecure, or keep the network closed")
    };
    config.exposed().into_iter().map(finding).collect()
}
