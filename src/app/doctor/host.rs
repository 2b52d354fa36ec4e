//! Checks of the limits of this process.

use super::Finding;
use crate::config::{Config, ListenAddr};

pub(super) fn look(config: &Config) -> Option<Finding> {
    let open: Vec<String> =
        config.listen.iter().filter(|addr| !addr.is_private()).map(ListenAddr::to_string).collect();
    (!open.is_empty()).then(|| {
        Finding::warn(
            "listen",
            format!("{} can be reached from other machines, without TLS and authentication", open.join(", ")),
            "keep the network closed, or listen on 127.0.0.1 behind a proxy that does both",
        )
    })
}
