//! What `packaging` installs fits together. `tests/packaging` installs it for real.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::service::{PROGRAM, run};

/// Highest exposure that `systemd-analyze security` may see in a unit, in tenths; a service without any hardening has 96.
const MOST_EXPOSURE: &str = "20";
const UNITS: [&str; 2] = ["hero-supervisor.service", "hero-zinit.service"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn unit(name: &str) -> String {
    read(&format!("packaging/systemd/{name}"))
}

/// The value of a key of a unit.
fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let prefix = format!("{key}=");
    unit.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("no {key}: {unit}"))
}

/// Runs `systemd-analyze`; what it prints.
fn systemd_analyze(args: &[&str]) -> String {
    let hint = "install systemd: .ci/install systemd";
    let ran = Command::new("systemd-analyze").env("LC_ALL", "C.UTF-8").args(args).output().expect(hint);
    let printed = [ran.stdout, ran.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    assert!(ran.status.success(), "systemd-analyze {args:?}: {}\n{printed}", ran.status);
    printed
}

#[test]
fn the_default_configuration_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hero-supervisor.toml");
    // The programs are not installed here, so those of the tests stand in their place.
    let programs = Path::new(PROGRAM).parent().unwrap().display().to_string();
    let config = read("packaging/etc/hero-supervisor.toml").replace("/usr/bin", &programs);
    fs::write(&file, config).unwrap();
    let ran = run(["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    let dir = tempfile::tempdir().unwrap();
    for name in UNITS {
        // The programs are not installed here, so others stand in their place.
        let mut text = unit(name);
        for program in [
            "/usr/bin/hero-supervisor",
            "/usr/lib/hero-supervisor/zinit-server",
            "/usr/lib/hero-supervisor/stop-zinit",
        ] {
            text = text.replace(program, PROGRAM);
        }
        let file = dir.path().join(name);
        fs::write(&file, text).unwrap();
        let printed = systemd_analyze(&["verify", "--man=no", file.to_str().unwrap()]);
        assert_eq!(printed, "", "{name}");
    }
}

#[test]
fn the_units_are_hardened() {
    for name in UNITS {
        let file = root().join("packaging/systemd").join(name);
        let threshold = format!("--threshold={MOST_EXPOSURE}");
        systemd_analyze(&["security", "--no-pager", "--offline=yes", &threshold, file.to_str().unwrap()]);
    }
}

#[test]
fn the_units_the_configuration_and_the_folders_name_the_same_places() {
    let (supervisor, zinit) = (unit(UNITS[0]), unit(UNITS[1]));
    let config = read("packaging/etc/hero-supervisor.toml");
    let tmpfiles = read("packaging/systemd/tmpfiles.conf");
    let exec = value(&zinit, "ExecStart");
    let after = |flag: &str| exec.split(flag).nth(1).unwrap().split_whitespace().next().unwrap();

    let socket = after("--socket");
    assert!(socket.starts_with(&format!("/run/{}/", value(&zinit, "RuntimeDirectory"))), "{socket}");
    assert!(config.contains(&format!("zinit_socket = \"{socket}\"")), "{config}");
    assert!(tmpfiles.contains(&format!("L /run/zinit.sock - - - - {socket}")), "{tmpfiles}");

    let services = after("--config-dir");
    let state = value(&zinit, "StateDirectory").split(' ').next_back().unwrap();
    assert_eq!(services, format!("/var/lib/{state}"));
    assert!(tmpfiles.contains(services), "{tmpfiles}");

    let listen = format!("unix:/run/{}/", value(&supervisor, "RuntimeDirectory"));
    assert!(config.contains(&listen), "{config}");
    assert!(value(&supervisor, "ExecStart").ends_with("--config /etc/hero-supervisor.toml"));
}

#[test]
fn the_supervisor_sees_the_processes_of_the_actors() {
    let (supervisor, zinit) = (unit(UNITS[0]), unit(UNITS[1]));
    assert_eq!(value(&supervisor, "User"), value(&zinit, "User"));
    assert!(!supervisor.contains("\nPrivateUsers=yes"), "actors have another user namespace then");
}

#[test]
fn the_end_of_one_unit_is_not_that_of_the_actors() {
    let (supervisor, zinit) = (unit(UNITS[0]), unit(UNITS[1]));
    for tie in ["Requires=", "BindsTo=", "PartOf=", "Conflicts="] {
        for unit in [&supervisor, &zinit] {
            assert!(!unit.contains(tie), "{tie} ties the units together: {unit}");
        }
    }
    assert_eq!(value(&zinit, "OOMPolicy"), "continue", "one process that takes too much memory is not all");
}
