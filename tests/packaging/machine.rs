//! A clean Debian that runs: its own systemd as the first process, no network, nothing of ours installed.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::ran::{Ran, children, eventually, here, run};

/// Dropped, it is gone with everything that ran in it.
pub(crate) struct Machine {
    dir: TempDir,
    nspawn: Child,
}

impl Machine {
    /// Boots the tree of `packaging/debian-tree`, which itself stays as it is, and waits until systemd has started everything.
    pub(crate) fn boot() -> Self {
        here(crate::root().join("packaging/debian-tree").to_str().unwrap(), &[]);
        let work = crate::root().join("target/packaging");
        let dir = tempfile::Builder::new().prefix("machine-").tempdir_in(&work).unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["changes", "work", "tree", "outside"] {
            fs::create_dir(at(name)).unwrap();
        }
        let (lower, upper, work) = (work.join("debian"), at("changes"), at("work"));
        let layers =
            format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        here("mount", &["-t", "overlay", "overlay", "-o", &layers, at("tree").to_str().unwrap()]);
        // Nobody keeps this tree, so dpkg need not wait for the disk.
        fs::write(at("tree").join("etc/dpkg/dpkg.cfg.d/quick"), "force-unsafe-io\n").unwrap();

        let log = File::create(at("console")).unwrap();
        let name = dir.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let nspawn = Command::new("systemd-nspawn")
            .args([
                "--quiet",
                "--register=no",
                "--keep-unit",
                "--private-network",
                "--boot",
                "--console=pipe",
            ])
            .arg(format!("--machine={name}"))
            .arg(format!("--directory={}", at("tree").display()))
            .arg(format!("--bind-ro={}:/dist", crate::dist().display()))
            .arg(format!("--bind={}:/outside", at("outside").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("systemd-nspawn is missing: .ci/install dist-test");
        let mut machine = Self { dir, nspawn };
        eventually("the machine has booted", || {
            let ended = machine.nspawn.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {}", machine.console());
            let leader = machine.leader()?;
            fs::metadata(format!("/proc/{leader}/root/run/systemd/private")).ok()?;
            (machine.run("systemctl", &["is-system-running", "--wait"]).stdout.trim() == "running")
                .then_some(())
        });
        machine
    }

    fn leader(&self) -> Option<u32> {
        children(self.nspawn.id()).first().copied()
    }

    fn console(&self) -> String {
        fs::read_to_string(self.dir.path().join("console")).unwrap_or_default()
    }

    /// A folder that is /outside in the machine.
    pub(crate) fn outside(&self) -> PathBuf {
        self.dir.path().join("outside")
    }

    /// A path in the machine, as it is reached from out here.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        format!("/proc/{}/root{inside}", self.leader().expect("the machine runs")).into()
    }

    /// A command in the machine, as root logs in there.
    pub(crate) fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg("--target")
            .arg(self.leader().expect("the machine runs").to_string())
            .args([
                "--all",
                "--",
                "/usr/bin/env",
                "-i",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
            ])
            .args(["HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"])
            .args(["timeout", "600", "sh", "-c", "cd /root && exec \"$@\"", "sh", program])
            .args(args);
        command
    }

    /// Runs a command in the machine to its end.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Ran {
        run(&mut self.command(program, args))
    }

    /// The same for one that must not fail; what it printed.
    pub(crate) fn ok(&self, program: &str, args: &[&str]) -> String {
        self.run(program, args).ok(&format!("{program} {args:?}"))
    }

    /// Installs packages: files, or names of Debian's. They were downloaded before, so the machine needs no network.
    pub(crate) fn install(&self, packages: &[&str]) {
        self.ok("apt-get", &[&["install", "-y", "-qq"], packages].concat());
    }

    /// The main process of a unit.
    pub(crate) fn main_pid(&self, unit: &str) -> u32 {
        let pid = self.ok("systemctl", &["show", "--property=MainPID", "--value", unit]);
        let pid = pid.parse().unwrap();
        assert_ne!(pid, 0, "{unit} does not run: {}", self.journal());
        pid
    }

    /// The programs that run there with such a path, by pid.
    pub(crate) fn processes(&self, part: &str) -> Vec<(u32, String)> {
        let script = r#"for p in /proc/[0-9]*; do e=$(readlink $p/exe) && echo "${p#/proc/} $e"; done; true"#;
        let listed = self.ok("sh", &["-c", script]);
        let lines = listed.lines().filter_map(|line| line.split_once(' '));
        let found = lines.filter(|(_, path)| path.contains(part));
        found.map(|(pid, path)| (pid.parse().unwrap(), path.to_owned())).collect()
    }

    /// What our units have logged.
    pub(crate) fn journal(&self) -> String {
        self.run("journalctl", &["--no-pager", "-u", "hero-supervisor", "-u", "hero-zinit"]).stdout
    }

    /// Runs a job there with the command line that was installed; its result.
    pub(crate) fn job(&self, script_type: &str, script: &str) -> String {
        self.ok("hero-supervisor", &["job", "run", "--type", script_type, script])
    }
}

impl Drop for Machine {
    #[expect(clippy::print_stderr, reason = "a failed test shows the logs of its machine")]
    fn drop(&mut self) {
        if std::thread::panicking() && self.leader().is_some() {
            eprintln!("the journal:\n{}", self.journal());
        }
        if let Some(pid) = self.leader() {
            let _gone = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        let _gone = self.nspawn.kill();
        let _gone = self.nspawn.wait();
        let _gone = Command::new("umount").arg("--lazy").arg(self.dir.path().join("tree")).status();
    }
}
