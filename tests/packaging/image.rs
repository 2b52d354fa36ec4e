//! The images: small, without rights, on files that nobody can change.

use std::collections::BTreeSet;

use crate::container::{Container, Image};
use crate::ran::here;

/// Most bytes of the files of the image, which has no Redis, no Zinit and no Python.
const MOST_BYTES: u64 = 80_000_000;
/// A Redis for the image that has none, by the name that its configuration has.
const REDIS: &str = "redis-server --port 6379 --save '' --daemonize no >/dev/null";

fn supervisor() -> Image {
    let archives = std::fs::read_dir(crate::dist()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = archives
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.contains("-image-") && !name.contains("-try-")
        })
        .collect();
    assert_eq!(found.len(), 1, "{found:?}: make dist");
    Image::unpack(&found.remove(0))
}

#[test]
fn the_image_of_the_supervisor_is_small() {
    let size = supervisor().size();
    assert!(size <= MOST_BYTES, "{size} bytes");
}

#[test]
fn the_image_of_the_supervisor_runs_read_only() {
    let image = supervisor();
    assert_eq!(image.health_check()[..3], ["/usr/bin/hero-supervisor", "wait", "ready"]);
    let container = Container::start(&image, REDIS);
    assert_eq!(container.job("osis", "40 + 2"), "42");
    assert!(container.job("sal", "sh(\"id -u\")").contains("10001"));
    for place in ["/x", "/etc/x", "/usr/bin/x", "/run/x"] {
        let ran = container.job("sal", &format!("sh(\"touch {place}\", #{{ignore_error: true}})"));
        assert!(ran.contains("\"success\":false"), "{place}: {ran}");
    }
    assert!(
        container.log().lines().all(|line| line.starts_with('{')),
        "each line is JSON: {}",
        container.log()
    );
    assert_eq!(container.stop().code(), Some(0), "it ends softly");
}

#[test]
fn the_image_to_try_it_out_has_all_that_it_needs() {
    let image = Image::unpack(&crate::artefact("hero-supervisor-", &try_ending()));
    {
        let container = Container::start(&image, "");
        assert_eq!(container.job("osis", "osis_set(\"note\", #{id: \"n\", text: \"kept\"}); 1"), "1");
        assert_eq!(container.job("python", "import ssl, json, sqlite3; 6 * 7"), "42");
        assert!(container.job("sal", "sh(\"timeout 1 true\")").contains("\"success\":true"));
        let zinit = container.exec(&["/usr/lib/hero-supervisor/zinit-server", "--version"]).ok("zinit");
        assert!(zinit.contains("0.3.9"), "{zinit}");
        assert_eq!(container.stop().code(), Some(0), "it ends in order");
    }
    // The volume keeps what was there.
    let container = Container::start(&image, "");
    assert!(container.job("osis", "osis_get(\"note\", \"n\").text").contains("kept"));
}

fn try_ending() -> String {
    format!("-try-image-{}.tar", std::env::consts::ARCH)
}

#[test]
fn tools_for_images_read_the_archives() {
    let archive = crate::artefact("hero-supervisor-", &try_ending());
    for transport in ["oci-archive", "docker-archive"] {
        let inspected = here("skopeo", &["inspect", &format!("{transport}:{}", archive.display())]);
        let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected["Os"], "linux", "{transport}");
        assert_eq!(inspected["Labels"]["org.opencontainers.image.licenses"], "Apache-2.0", "{transport}");
    }
}

#[test]
fn scanners_see_what_an_image_is_made_of() {
    let image = supervisor();
    let status = std::fs::read_dir(image.files().join("var/lib/dpkg/status.d")).unwrap();
    let packages: BTreeSet<String> =
        status.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for package in ["libc6", "ca-certificates", "busybox-static", "hero-supervisor"] {
        assert!(packages.contains(package), "{packages:?}");
    }
    assert!(!packages.contains("apt") && !packages.contains("perl-base"), "only what runs: {packages:?}");
}

#[test]
fn the_compose_file_names_the_image_of_this_version() {
    let compose = std::fs::read_to_string(crate::dist().join("compose.yaml")).unwrap();
    let name = crate::package().file_name().unwrap().to_string_lossy().into_owned();
    let version = name.split('_').nth(1).unwrap().split('-').next().unwrap();
    assert!(compose.contains(&format!("image: hero-supervisor:{version}\n")), "{compose}");
    for line in ["read_only: true", "cap_drop: [\"ALL\"]", "127.0.0.1:50051:50051", "no-new-privileges:true"]
    {
        assert!(compose.contains(line), "{line}");
    }
}
