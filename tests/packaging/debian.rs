//! The package for Debian, on a clean Debian: installed, confined, removed. `stranger.rs` upgrades it.

use crate::machine::Machine;
use crate::ran::{eventually, here};

/// As in `tests/it/packaging.rs`.
const MOST_EXPOSURE: &str = "--threshold=20";

/// A machine with the package, and with what it recommends.
fn installed() -> Machine {
    let machine = Machine::boot();
    let package = format!("/dist/{}", crate::package().file_name().unwrap().to_str().unwrap());
    machine.install(&[&package]);
    machine.ok("hero-supervisor", &["wait", "ready", "--timeout", "60s"]);
    machine
}

#[test]
fn installed_it_runs_jobs_and_is_confined() {
    let machine = installed();
    for unit in ["hero-supervisor", "hero-zinit", "redis-server"] {
        assert_eq!(machine.ok("systemctl", &["is-active", unit]), "active");
        assert_eq!(machine.ok("systemctl", &["is-enabled", unit]), "enabled");
    }
    assert_eq!(machine.job("osis", "40 + 2"), "42");
    assert_eq!(machine.job("python", "print('printed'); 6 * 7"), "42");
    assert!(machine.job("sal", "sh(\"id -un\")").contains("hero-supervisor"));

    // What the units forbid is forbidden to scripts.
    for script in [
        "touch /usr/x",
        "touch /etc/x",
        "touch /var/lib/redis/x",
        "ls /home/../root",
        "mount -t tmpfs x /tmp",
    ] {
        let ran = machine.job("sal", &format!("sh(\"{script}\", #{{ignore_error: true}})"));
        assert!(ran.contains("\"success\":false"), "{script}: {ran}");
    }

    assert!(machine.ok("/usr/lib/hero-supervisor/zinit", &["list"]).contains("osis_actor_0"));
    let checked = machine.ok("hero-supervisor", &["doctor", "--config", "/etc/hero-supervisor.toml"]);
    assert!(checked.contains("nothing stands in the way"), "{checked}");
    assert_eq!(
        machine.ok("stat", &["-c", "%a %U:%G", "/etc/hero-supervisor.toml"]),
        "640 root:hero-supervisor"
    );
    let unix = ["job", "run", "--server", "unix:/run/hero-supervisor/supervisor.sock", "1 + 1"];
    assert_eq!(machine.ok("hero-supervisor", &unix), "2");
    machine.ok("bash", &["-n", "/usr/share/bash-completion/completions/hero-supervisor"]);
    for page in ["hero-supervisor", "hero-supervisor-job-run", "osis_actor", "v_actor"] {
        machine.ok("gzip", &["--test", &format!("/usr/share/man/man1/{page}.1.gz")]);
    }
    assert_eq!(machine.ok("systemctl", &["--failed", "--no-legend"]), "");
    let journal = machine.journal();
    assert!(!journal.contains("others can read"), "Zinit's folder is private: {journal}");
}

#[test]
fn systemd_takes_the_units_as_they_are_installed() {
    let machine = installed();
    for unit in ["hero-supervisor.service", "hero-zinit.service"] {
        let printed = machine.run("systemd-analyze", &["verify", "--man=no", unit]);
        assert_eq!((printed.code, printed.stderr.as_str()), (0, ""), "{unit}");
        machine.ok("systemd-analyze", &["security", "--no-pager", MOST_EXPOSURE, unit]);
    }
    // The start is over when callers can connect, so nothing need be waited for.
    machine.ok("systemctl", &["restart", "hero-supervisor"]);
    machine.ok("hero-supervisor", &["info"]);
}

#[test]
fn the_end_of_zinit_lets_actors_finish() {
    let machine = installed();
    let script = "import time\nopen('/tmp/begun', 'w').close()\ntime.sleep(3)\n'finished'";
    let job = machine.ok("hero-supervisor", &["job", "submit", "--type", "python", script]);
    eventually("it runs", || {
        machine.ok("hero-supervisor", &["job", "get", &job]).to_lowercase().contains("running").then_some(())
    });
    machine.ok("systemctl", &["stop", "hero-zinit"]);
    assert_eq!(machine.processes("_actor"), [], "nothing is left");
    assert_eq!(machine.ok("hero-supervisor", &["job", "await", &job]), "finished");
    machine.ok("systemctl", &["start", "hero-zinit"]);
    assert_eq!(machine.job("python", "1 + 1"), "2");
}

#[test]
fn removed_it_leaves_the_data_and_purged_nothing() {
    let machine = installed();
    assert_eq!(machine.job("osis", "1"), "1");
    machine.ok("apt-get", &["remove", "-y", "-qq", "hero-supervisor"]);
    assert_eq!(machine.processes("hero"), [], "nothing runs");
    assert_eq!(machine.processes("_actor"), [], "nothing runs");
    for kept in ["/etc/hero-supervisor.toml", "/var/lib/hero-supervisor/zinit"] {
        machine.ok("test", &["-e", kept]);
    }
    machine.ok("apt-get", &["purge", "-y", "-qq", "hero-supervisor"]);
    let left = "find / -xdev -path /proc -prune -o -path /dist -prune -o -path '*/apt/*' -prune -o -path /var/log -prune -o -name '*hero*' -print";
    assert_eq!(machine.ok("sh", &["-c", left]), "");
    assert_ne!(machine.run("getent", &["passwd", "hero-supervisor"]).code, 0);
    assert!(machine.ok("redis-cli", &["keys", "hero:*"]).contains("hero:"), "Redis is not ours");

    // It can come back, and knows what is in Redis.
    let package = format!("/dist/{}", crate::package().file_name().unwrap().to_str().unwrap());
    machine.install(&[&package]);
    machine.ok("hero-supervisor", &["wait", "ready", "--timeout", "60s"]);
    assert!(machine.ok("hero-supervisor", &["job", "ls", "-q"]).lines().count() == 1);
    assert_eq!(machine.job("osis", "2"), "2");
}

#[test]
fn the_package_is_as_debian_wants_it() {
    let package = crate::package();
    let list = here("dpkg-deb", &["--contents", package.to_str().unwrap()]);
    for line in list.lines() {
        assert!(line.contains(" 0/0 ") || line.contains("root/root"), "{line}");
    }
    let conffiles =
        here("sh", &["-c", &format!("dpkg-deb --ctrl-tarfile {} | tar xO ./conffiles", package.display())]);
    assert!(conffiles.lines().any(|line| line == "/etc/hero-supervisor.toml"), "{conffiles}");
    here(
        "lintian",
        &[
            "--allow-root",
            "--fail-on",
            "error,warning",
            "--suppress-tags",
            "initial-upload-closes-no-bugs",
            package.to_str().unwrap(),
        ],
    );
}
