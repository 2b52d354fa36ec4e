//! What the exec shim sets is in force on a real process, under the local runner and under a real Zinit.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test waits for one state of many")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::adapters::local::{LocalOptions, LocalRunner};
use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::adapters::zinit::ZinitProcessManager;
use hero_supervisor::domain::model::actor::ExitStatus;
use hero_supervisor::domain::model::confinement::{Confinement, ResourceLimits, RunAs};
use hero_supervisor::ports::process_manager::{ProcessError, ProcessManager, ProcessSpec, ProcessState};
use nix::unistd::{Group, Uid, User};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::contract::process_manager::process_manager_contract::{LIMIT, lives, shell};
use crate::support::service::PROGRAM;
use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

/// A process manager that has the shim.
struct ShimRun {
    manager: Arc<dyn ProcessManager>,
    zinit: Option<PrivateZinit>,
    dir: TempDir,
}

impl ShimRun {
    fn local() -> Self {
        let mut options = LocalOptions::new(Arc::new(SystemClock));
        options.shim = Some(vec![PROGRAM.into(), "exec-shim".into(), "--pdeathsig".into()]);
        Self { manager: Arc::new(LocalRunner::new(options)), zinit: None, dir: folder() }
    }

    async fn zinit() -> Self {
        let zinit = PrivateZinit::start().await;
        let manager = ZinitProcessManager::with_shim(zinit.socket(), Some(Path::new(PROGRAM)));
        Self { manager: Arc::new(manager), zinit: Some(zinit), dir: folder() }
    }

    async fn both() -> [Self; 2] {
        [Self::local(), Self::zinit().await]
    }

    /// Starts it and waits until it has become its program.
    async fn running(&self, spec: &ProcessSpec) -> u32 {
        self.manager.start(spec).await.unwrap();
        let name = spec.name.as_str();
        eventually(&format!("{name} runs"), LIMIT, || async move {
            let pid = match self.state(name).await {
                ProcessState::Running { pid } => pid,
                _other => return None,
            };
            let cmdline = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            (cmdline.starts_with("sleep\0") || cmdline.starts_with("/bin/sh\0/")).then_some(pid)
        })
        .await
    }

    /// Starts it and waits until it has ended.
    async fn ended(&self, spec: &ProcessSpec) -> ExitStatus {
        self.manager.start(spec).await.unwrap();
        let name = spec.name.as_str();
        eventually(&format!("{name} ends"), LIMIT, || async move {
            match self.state(name).await {
                ProcessState::Down { exit } => exit,
                _other => None,
            }
        })
        .await
    }

    async fn state(&self, name: &str) -> ProcessState {
        let list = self.manager.list().await.unwrap();
        list.into_iter().find(|info| info.name == name).unwrap().state
    }

    async fn said(&self, name: &str) -> String {
        eventually("its last words arrive", LIMIT, || async move {
            let lines = self.manager.log_tail(name, 50).await.unwrap();
            let text = lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n");
            (!text.is_empty()).then_some(text)
        })
        .await
    }
}

fn folder() -> TempDir {
    let dir = tempfile::Builder::new().prefix("hx").tempdir_in("/tmp").unwrap();
    // Others are to look into it, too.
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn confined(name: &str, script: &str, confinement: Confinement) -> ProcessSpec {
    ProcessSpec { confinement, ..shell(name, script) }
}

fn limited(limits: ResourceLimits) -> Confinement {
    Confinement { limits, ..Confinement::default() }
}

/// `Max open files` and the like, with the soft limit.
fn limits_of(pid: u32) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = |line: &str| {
        let (name, rest) = line.split_at(26);
        (name.trim().to_owned(), rest.split_whitespace().next().unwrap_or_default().to_owned())
    };
    text.lines().skip(1).map(line).collect()
}

fn status_of(pid: u32, field: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn limits_are_in_force_on_the_process() {
    for rig in ShimRun::both().await {
        let limits = ResourceLimits {
            memory_bytes: Some(512 << 20),
            open_files: Some(64),
            cpu_time: Some(Duration::from_secs(100)),
            processes: Some(5000),
            core_bytes: Some(0),
        };
        let pid = rig.running(&confined("a", "exec sleep 1000", limited(limits))).await;
        let found = limits_of(pid);
        for (name, value) in [
            ("Max address space", "536870912"),
            ("Max open files", "64"),
            ("Max cpu time", "100"),
            ("Max processes", "5000"),
            ("Max core file size", "0"),
        ] {
            assert_eq!(found[name], value, "{name}");
        }
        assert_eq!(status_of(pid, "NoNewPrivs"), ["0"]);
        rig.manager.close().await;
    }
}

#[tokio::test]
async fn memory_beyond_the_limit_is_not_given() {
    for rig in ShimRun::both().await {
        let script = "dd if=/dev/zero of=/dev/null bs=400M count=1";
        let limits = ResourceLimits { memory_bytes: Some(256 << 20), ..ResourceLimits::default() };
        assert_eq!(rig.ended(&confined("limited", script, limited(limits))).await, ExitStatus::Code(1));
        assert!(rig.said("limited").await.contains("memory"));
        assert_eq!(rig.ended(&shell("free", script)).await, ExitStatus::Code(0));
        rig.manager.close().await;
    }
}

#[tokio::test]
async fn more_processor_time_than_allowed_ends_the_process() {
    for rig in ShimRun::both().await {
        let limits = ResourceLimits { cpu_time: Some(Duration::from_secs(1)), ..ResourceLimits::default() };
        let spec = confined("a", "while :; do :; done", limited(limits));
        const SIGXCPU: i32 = 24;
        assert_eq!(rig.ended(&spec).await, ExitStatus::Signal(SIGXCPU));
        rig.manager.close().await;
    }
}

#[tokio::test]
async fn new_privileges_are_out_of_reach() {
    for rig in ShimRun::both().await {
        let confinement = Confinement { no_new_privileges: true, ..Confinement::default() };
        let pid = rig.running(&confined("a", "exec sleep 1000", confinement)).await;
        assert_eq!(status_of(pid, "NoNewPrivs"), ["1"]);
        rig.manager.close().await;
    }
}

#[tokio::test]
async fn a_process_runs_as_the_user_that_was_asked_for_or_is_clearly_refused() {
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let daemon = Group::from_name("daemon").unwrap().unwrap();
    let run_as = |user: &str, group: Option<&str>, supplementary: &[&str]| Confinement {
        run_as: Some(RunAs {
            user: user.to_owned(),
            group: group.map(str::to_owned),
            supplementary_groups: supplementary.iter().map(|group| (*group).to_owned()).collect(),
        }),
        ..Confinement::default()
    };
    for rig in ShimRun::both().await {
        let by_name = confined("named", "exec sleep 1000", run_as("nobody", None, &[]));
        let by_number =
            confined("numbered", "exec sleep 1000", run_as("54321", Some("daemon"), &["daemon", "4321"]));
        let unknown = confined("unknown", "exec sleep 1000", run_as("no-such-user", None, &[]));
        assert_eq!(rig.ended(&unknown).await, ExitStatus::Code(127));
        assert!(rig.said("unknown").await.contains("there is no user \"no-such-user\" on this machine"));
        if !Uid::effective().is_root() {
            assert_eq!(rig.ended(&by_name).await, ExitStatus::Code(127));
            assert!(rig.said("named").await.contains("only root can become somebody else"));
            continue;
        }
        let pid = rig.running(&by_name).await;
        let (uid, gid) = (nobody.uid.to_string(), nobody.gid.to_string());
        assert_eq!(status_of(pid, "Uid"), [uid.as_str(); 4]);
        assert_eq!(status_of(pid, "Gid"), [gid.as_str(); 4]);
        assert!(!status_of(pid, "Groups").contains(&"0".to_owned()));
        let pid = rig.running(&by_number).await;
        assert_eq!(status_of(pid, "Uid"), ["54321"; 4]);
        assert_eq!(status_of(pid, "Gid"), [daemon.gid.to_string().as_str(); 4]);
        let mut groups = status_of(pid, "Groups");
        groups.sort();
        assert_eq!(groups, [daemon.gid.to_string(), "4321".to_owned()]);
        rig.manager.close().await;
    }
}

#[tokio::test]
async fn a_health_check_is_run_as_whom_the_process_runs() {
    if !Uid::effective().is_root() {
        return;
    }
    for rig in ShimRun::both().await {
        let run_as = Some(RunAs { user: "nobody".to_owned(), ..RunAs::default() });
        let mut spec = confined("a", "exec sleep 1000", Confinement { run_as, ..Confinement::default() });
        spec.health_check = Some("test \"$(id -un)\" = nobody".to_owned());
        rig.running(&spec).await;
        rig.manager.close().await;
    }
}

/// A program of the test's own: a script, which an interpreter opens once more, or a copy of a real one.
fn program(path: &PathBuf, content: &[u8]) -> String {
    // A new file, as somebody would put it there: the one that runs cannot be written to.
    let new = path.with_extension("new");
    std::fs::write(&new, content).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&new, path).unwrap();
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_program_that_was_swapped_is_not_run() {
    for rig in ShimRun::both().await {
        let path = rig.dir.path().join("prog");
        for (kind, good) in [
            ("script", b"#!/bin/sh\nexec sleep 1000\n".to_vec()),
            ("binary", std::fs::read("/bin/sleep").unwrap()),
        ] {
            let digest = program(&path, &good);
            let (program_path, args) = (path.clone(), vec!["1000".to_owned()]);
            let spec = ProcessSpec {
                program: program_path,
                args,
                sha256: Some(digest.to_uppercase()),
                ..shell(kind, "")
            };
            rig.manager.start(&spec).await.unwrap();
            eventually("it runs", LIMIT, || async {
                let pid = rig.state(kind).await.pid()?;
                let exe = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
                (exe == path || exe.ends_with("sleep") || exe.ends_with("coreutils")).then_some(())
            })
            .await;
            rig.manager.stop(kind, Duration::from_secs(5)).await.unwrap();
            program(&path, b"#!/bin/sh\ntouch \"$(dirname \"$0\")\"/swapped; sleep 1000\n");
            assert_eq!(rig.ended(&spec).await, ExitStatus::Code(127));
            let said = rig.said(kind).await;
            assert!(said.contains("it was changed or replaced"), "{said}");
        }
        assert!(!rig.dir.path().join("swapped").exists());
        rig.manager.close().await;
    }
}

#[tokio::test]
async fn a_process_dies_with_the_zinit_that_is_killed_if_it_was_asked_to() {
    let mut rig = ShimRun::zinit().await;
    let dies = Confinement { die_with_manager: true, ..Confinement::default() };
    let mortal = rig.running(&confined("mortal", "exec sleep 1000", dies)).await;
    let other = rig.running(&shell("other", "exec sleep 1000")).await;
    rig.zinit.as_mut().unwrap().kill_server();
    eventually("it is gone", LIMIT, || async { (!lives(mortal)).then_some(()) }).await;
    assert!(lives(other));
}

#[tokio::test]
async fn without_the_shim_users_and_limits_are_refused_and_not_forgotten() {
    let zinit = PrivateZinit::start().await;
    let manager = ZinitProcessManager::new(zinit.socket());
    let spec = confined(
        "a",
        "exec sleep 1000",
        limited(ResourceLimits { open_files: Some(64), ..Default::default() }),
    );
    let refused = manager.start(&spec).await.unwrap_err();
    assert!(
        matches!(refused, ProcessError::Rejected { .. }) && refused.to_string().contains("exec-shim"),
        "{refused}"
    );
    manager.close().await;
}
