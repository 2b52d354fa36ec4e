//! Who depends on the client only (`default-features = false, features = ["client"]`) gets the client only.

use std::collections::BTreeSet;
use std::process::Command;

/// What the service is made of, each with all that it brings.
const OF_THE_SERVICE: [&str; 21] = [
    "axum",
    "clap",
    "figment",
    "landlock",
    "metrics",
    "minijinja",
    "nix",
    "opentelemetry",
    "opentelemetry_sdk",
    "process-wrap",
    "prost-reflect",
    "redis",
    "regex",
    "rhai",
    "serde",
    "serde_json",
    "sha2",
    "tonic-health",
    "tonic-reflection",
    "tracing-subscriber",
    "unicode-width",
];
/// 80 when this was written, 13 of them for TLS, the crate itself included; each one more is built by everybody who uses the client.
const MOST: usize = 85;

#[test]
fn the_client_brings_nothing_of_the_service() {
    let client = dependencies(&["--no-default-features", "--features", "client"]);
    let service = dependencies(&[]);
    for name in OF_THE_SERVICE {
        assert!(service.contains(name), "{name} is no dependency any more: take it off the list");
        assert!(!client.contains(name), "the client depends on {name}");
    }
    assert!(client.contains("tonic") && client.len() <= MOST, "{} crates: {client:?}", client.len());
}

/// The names of all crates that are compiled in, on this system.
fn dependencies(features: &[&str]) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let lines = String::from_utf8(tree.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}
