//! The tarball, on a machine that has systemd and Redis and none of our packages.

use crate::machine::Machine;

#[test]
fn a_stranger_unpacks_and_installs_it_upgrades_and_uninstalls_it() {
    let machine = Machine::boot();
    machine.install(&["redis-server", "python3"]);
    let tarball = crate::artefact("hero-supervisor-", ".tar.gz");
    let name = tarball.file_name().unwrap().to_str().unwrap().to_owned();
    let folder = format!("/root/{}", name.strip_suffix(".tar.gz").unwrap());
    machine.ok("tar", &["xzf", &format!("/dist/{name}")]);

    let install = format!("{folder}/install");
    let said = machine.ok(&install, &[]);
    let command = said.strip_prefix("Start it: ").unwrap_or_else(|| panic!("{said}"));
    machine.ok("sh", &["-c", command]);
    machine.ok("hero-supervisor", &["wait", "ready", "--timeout", "60s"]);
    assert_eq!(machine.job("osis", "40 + 2"), "42");
    assert_eq!(machine.job("python", "40 + 2"), "42");
    let programs = machine.processes("_actor");
    assert!(programs.iter().all(|(_, path)| path.starts_with("/usr/local/bin/")), "{programs:?}");

    // Once more over itself: programs that run go on, the configuration stays.
    let zinit = machine.main_pid("hero-zinit");
    machine.ok("sh", &["-c", "echo '# mine' >>/etc/hero-supervisor.toml"]);
    machine.ok(&install, &[]);
    machine.ok("systemctl", &["restart", "hero-supervisor"]);
    assert_eq!(machine.job("osis", "40 + 2"), "42");
    assert_eq!(machine.main_pid("hero-zinit"), zinit);
    machine.ok("grep", &["-q", "# mine", "/etc/hero-supervisor.toml"]);

    machine.ok(&install, &["--uninstall"]);
    assert_eq!(machine.processes("_actor"), [], "nothing runs");
    let left =
        "find /usr/local /etc/systemd /etc/sysusers.d /etc/tmpfiles.d -name '*hero*' -o -name '*_actor*'";
    assert_eq!(machine.ok("sh", &["-c", left]), "");

    // It says what it needs.
    let refused = machine.run(&install, &["relative"]);
    assert_eq!((refused.code, refused.stderr.trim()), (2, "install: relative is no absolute path"));
}
