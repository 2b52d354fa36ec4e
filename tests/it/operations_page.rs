//! The page for operators says what is true: its examples can be used as they stand.

use std::path::Path;

use crate::access::pki::{self, Ca};
use crate::support::service::{PROGRAM, run};

/// The fenced blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_configurations_on_the_pages_are_fine() {
    let pages = [
        include_str!("../../docs/operations.md"),
        include_str!("../../docs/security.md"),
        include_str!("../../docs/audit.md"),
        include_str!("../../docs/fleet.md"),
    ];
    let dir = tempfile::tempdir().unwrap();
    // The pages name files that an operator has.
    let certificates = format!("{}/", dir.path().display());
    let programs = Path::new(PROGRAM).parent().unwrap().display().to_string();
    let ca = Ca::new("callers");
    ca.pair(&["localhost"]).write(dir.path());
    pki::write(&dir.path().join("clients.crt"), &ca.pem);
    pki::write(&dir.path().join("redis-password"), "s3cret\n");
    pki::write(&dir.path().join("sentinel-password"), "s3cret\n");
    let mut checked = 0;
    for block in pages.iter().flat_map(|page| blocks(page, "toml")) {
        // What Zinit reads is a file of its own.
        if block.starts_with("# A service file of Zinit") {
            continue;
        }
        let file = dir.path().join("supervisor.toml");
        let block =
            block.replace("/etc/hero-supervisor/tls/", &certificates).replace("/usr/local/bin", &programs);
        std::fs::write(&file, &block).unwrap();
        let ran = run(["config", "check", "--config", file.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{}\n{block}", ran.stderr);
        checked += 1;
    }
    assert!(checked > 0);
}

#[test]
fn every_key_and_every_state_is_on_the_page() {
    let page = include_str!("../../docs/operations.md");
    let shared = ["insecure", "data_dir", "ready_file", "worker_threads"];
    for key in hero_supervisor::config::KEYS.into_iter().filter(|key| !shared.contains(key)) {
        assert!(page.contains(key), "{key} is not explained");
    }
    for state in hero_supervisor::domain::model::actor::ActorState::ALL {
        assert!(page.contains(&format!("`{state}`")), "{state} is not explained");
    }
}
