//! The machine itself: folder and addresses.

use std::path::Path;

use nix::unistd::{AccessFlags, access};

use super::Finding;
use crate::config::{Config, ListenAddr};

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let open: Vec<String> =
        config.listen.iter().filter(|addr| !addr.is_private()).map(ListenAddr::to_string).collect();
    let mut findings = Vec::new();
    if !open.is_empty() {
        findings.push(Finding::warn(
            "listen",
            format!("{} can be reached from other machines, without TLS and authentication", open.join(", ")),
            "keep the network closed, or listen on 127.0.0.1 behind a proxy that does both",
        ));
    }
    findings.push(data_dir(&config.data_dir));
    findings
}

/// The folder, or the nearest one above it that exists: that is where it would be made.
fn data_dir(path: &Path) -> Finding {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match access(existing, AccessFlags::W_OK) {
        Ok(()) => Finding::ok("data_dir", path.display().to_string()),
        Err(error) => Finding::fail(
            "data_dir",
            format!("{} cannot be written to: {}", existing.display(), error.desc()),
            "give its user the right, or name another folder with --data-dir",
        ),
    }
}
