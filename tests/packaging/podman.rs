//! The lines of docs/install.md for containers, typed to a real engine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::ran::{Ran, eventually, run};
use crate::stranger::block;

/// An engine with a store and a network of its own. Dropped, its containers are gone.
struct Engine {
    dir: TempDir,
    /// A process that holds the network.
    network: Child,
}

impl Engine {
    fn new() -> Self {
        let dir = tempfile::tempdir_in(crate::root().join("target/packaging")).unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        // Who is root in a container may not raise limits, and cgroups are as the machine has them.
        fs::write(
            path("containers.conf"),
            "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n",
        )
        .unwrap();
        let podman = format!(
            "#!/bin/sh\nexec /usr/bin/podman --root {} --runroot {} --storage-driver vfs --runtime runc \
             --cgroup-manager cgroupfs \"$@\"\n",
            path("storage"),
            path("run")
        );
        fs::create_dir(path("bin")).unwrap();
        fs::write(path("bin/podman"), podman).unwrap();
        fs::set_permissions(path("bin/podman"), fs::Permissions::from_mode(0o755)).unwrap();
        let hold = "ip link set lo up && exec sleep infinity";
        let network =
            Command::new("unshare").args(["--net", "sh", "-c", hold]).stdin(Stdio::null()).spawn().unwrap();
        Self { dir, network }
    }

    /// A line of the page, typed where the files of the release are.
    fn command(&self, line: &str) -> Command {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let mut command = Command::new("nsenter");
        command
            .args([format!("--target={}", self.network.id()), "--net".to_owned()])
            .args(["bash", "-c", line])
            .current_dir(crate::dist())
            .env(
                "PATH",
                format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", path("bin")),
            )
            .env("CONTAINERS_CONF", path("containers.conf"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Ran {
        run(&mut self.command(line))
    }

    fn ok(&self, line: &str) -> String {
        self.run(line).ok(line)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.run("podman rm --all --force --time 0");
        let _gone = self.network.kill();
        let _gone = self.network.wait();
    }
}

#[test]
fn the_image_to_try_it_out_runs_as_the_page_says() {
    let engine = Engine::new();
    let lines = block("Containers", 0);
    let [load, start, job] = &lines[..] else { panic!("{lines:?}") };
    engine.ok(load);
    let log = fs::File::create(engine.dir.path().join("log")).unwrap();
    let mut running = engine.command(start).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let log = || fs::read_to_string(engine.dir.path().join("log")).unwrap_or_default();
    eventually("it is healthy", || {
        let ended = running.try_wait().unwrap();
        assert!(ended.is_none(), "it ended: {}", log());
        // Podman takes no health check from an OCI image.
        (engine.run("podman exec hero hero-supervisor wait ready --timeout 4s").code == 0).then_some(())
    });
    assert_eq!(engine.ok(job), "42", "{}", log());
    // Its port is there for the machine.
    let called = engine.run("exec 3<>/dev/tcp/127.0.0.1/50051");
    assert_eq!(called.code, 0, "{called:?}");
    engine.ok("podman stop --time 40 hero");
    let ended = running.wait().unwrap();
    assert!(ended.success(), "it ends in order: {ended} {}", log());
}

#[test]
fn the_image_of_the_supervisor_has_the_name_that_the_page_says() {
    let engine = Engine::new();
    let load = block("Containers", 1).remove(0);
    engine.ok(&load.replace("docker load", "podman load"));
    let version = env!("CARGO_PKG_VERSION");
    let printed =
        engine.ok(&format!("podman run --rm --read-only --tmpfs /tmp hero-supervisor:{version} version"));
    assert!(printed.contains(version), "{printed}");
}
