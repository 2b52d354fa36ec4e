//! The shell blocks that are not typed by `commands`, each with the reason.

/// Why a block is not typed.
#[derive(Debug)]
pub(super) enum Why {
    /// This test runs it.
    RunBy(&'static str),
    /// No test can, because of this.
    Cannot(&'static str),
}

use Why::{Cannot, RunBy};

/// A page, the beginning of the block's first line, and the reason. Two blocks of a page may begin alike.
pub(super) const NOT_RUN: &[(&str, &str, Why)] = &[
    (
        "README.md",
        "make demo",
        Cannot("builds the tree that is being tested; `demo` in commands.rs runs its script"),
    ),
    ("README.md", "sudo apt install", RunBy("tests/packaging/stranger.rs")),
    ("README.md", "cargo install --path .", Cannot("installs into the home of whoever runs the tests")),
    ("docs/install.md", "sudo apt install", RunBy("tests/packaging/stranger.rs")),
    ("docs/install.md", "hero-supervisor actor restart", RunBy("tests/packaging/stranger.rs")),
    ("docs/install.md", "tar xzf", RunBy("tests/packaging/tarball.rs")),
    ("docs/install.md", "podman load", RunBy("tests/packaging/podman.rs")),
    (
        "docs/install.md",
        "docker load",
        Cannot(
            "needs Docker, and an image of Redis from a registry; tests/packaging/podman.rs loads it, image.rs runs it",
        ),
    ),
    ("docs/install.md", "cargo install --path .", Cannot("installs into the home of whoever runs the tests")),
    ("docs/install.md", "sha256sum --check", RunBy("tests/packaging/artefacts.rs")),
    ("docs/security.md", "grpcurl -plaintext -H", RunBy("tests/it/grpcurl_page.rs")),
    ("docs/security.md", "hero-supervisor serve --config", RunBy("tests/it/clients/other_network.rs")),
    ("docs/security.md", "export HERO_SUPERVISOR_SERVER=", RunBy("tests/it/clients/other_network.rs")),
    ("docs/audit.md", "hero-supervisor audit verify", RunBy("tests/it/audit/service.rs")),
    ("docs/tutorial.md", "export PATH=", Cannot("names the programs of a clone; the tests have theirs")),
    ("docs/grpcurl.md", "grpcurl -plaintext", RunBy("tests/it/grpcurl_page.rs")),
    ("docs/actor-protocol.md", "hero-supervisor actor conformance", RunBy("tests/it/conformance_kit.rs")),
    ("docs/testing.md", "make chaos", Cannot("runs for half an hour")),
    ("docs/LIFECYCLE.md", "# Run the lifecycle demo", RunBy("tests/it/examples.rs")),
    (
        "docs/LIFECYCLE.md",
        "curl https://",
        Cannot("given text; docs/lifecycle-today.md has what works today"),
    ),
    ("docs/LIFECYCLE.md", "redis-server", Cannot("given text; docs/lifecycle-today.md has what works today")),
    ("docs/LIFECYCLE.md", "# Check Zinit status", RunBy("tests/it/pages/commands.rs")),
    (
        "clients/conformance/README.md",
        "cargo test",
        Cannot("runs tests in a test; `clients::go` is one of them"),
    ),
    ("clients/go/README.md", "go mod edit", RunBy("tests/it/client_packages.rs")),
    ("clients/java/README.md", "(cd /path/to", RunBy("tests/it/client_packages.rs")),
    ("clients/java/README.md", "mvn -q", RunBy("tests/it/client_packages.rs")),
    ("clients/python/README.md", "pip install", RunBy("tests/it/client_packages.rs")),
    ("clients/typescript/README.md", "(cd /path/to", RunBy("tests/it/client_packages.rs")),
];
