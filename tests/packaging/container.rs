//! An image, run as a container engine with `--read-only --cap-drop ALL --tmpfs /tmp` would: its own namespaces, its user, its entry
//! point and its health check.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::ran::{Ran, children, eventually, here, run};

/// The configuration of an image, and its files.
pub(crate) struct Image {
    dir: TempDir,
    pub(crate) config: Value,
}

impl Image {
    /// Unpacks `hero-supervisor-<version><kind>-image-<machine>.tar` of `dist`.
    pub(crate) fn unpack(archive: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("hsi").tempdir_in("/tmp").unwrap();
        let layout = dir.path().join("layout");
        let files = dir.path().join("files");
        fs::create_dir(&layout).unwrap();
        fs::create_dir(&files).unwrap();
        here("tar", &["xf", archive.to_str().unwrap(), "-C", layout.to_str().unwrap()]);
        let json = |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
        let blob =
            |digest: &Value| layout.join("blobs/sha256").join(&digest.as_str().unwrap()["sha256:".len()..]);
        let manifest = json(blob(&json(layout.join("index.json"))["manifests"][0]["digest"]));
        let config = json(blob(&manifest["config"]["digest"]));
        for layer in manifest["layers"].as_array().unwrap() {
            let layer = blob(&layer["digest"]);
            here("tar", &["xzf", layer.to_str().unwrap(), "-C", files.to_str().unwrap()]);
        }
        Self { dir, config: config["config"].clone() }
    }

    /// The root of its files.
    pub(crate) fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    /// Bytes of all files.
    pub(crate) fn size(&self) -> u64 {
        let bytes =
            here("du", &["--summarize", "--apparent-size", "--bytes", self.files().to_str().unwrap()]);
        bytes.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn words(&self, key: &str) -> Vec<String> {
        let words = self.config[key].as_array().cloned().unwrap_or_default();
        words.into_iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    /// Its health check, as a command.
    pub(crate) fn health_check(&self) -> Vec<String> {
        let test = self.config["Healthcheck"]["Test"].as_array().expect("there is a health check").clone();
        assert_eq!(test[0], "CMD");
        test[1..].iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    }
}

/// A running image. Dropped, it is killed.
pub(crate) struct Container<'a> {
    image: &'a Image,
    outside: Child,
    log: PathBuf,
}

/// What an engine does before the entry point, in namespaces of the container's own. `$1` is the root, `$2` a folder that is kept, `$3` a
/// command that is run beside it, by the same network; what follows is the command of the image with its environment.
const PREPARE: &str = r#"
root=$1 data=$2 beside=$3; shift 3
ip link set lo up 2>/dev/null || ifconfig lo up
[ -z "$beside" ] || sh -c "$beside" &
mount --bind "$root" "$root"
mount --bind "$data" "$root/var/lib/hero-supervisor"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount --bind /dev "$root/dev"
printf '127.0.0.1 localhost redis\n' >"$root/tmp/hosts"
mount --bind "$root/tmp/hosts" "$root/etc/hosts"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec=10001:10001 "$root" env -i "$@"
"#;

impl<'a> Container<'a> {
    /// Starts the image by its entry point; `beside` is a shell command that runs outside of its files, in its network.
    pub(crate) fn start(image: &'a Image, beside: &str) -> Self {
        assert_eq!(image.config["User"], "10001:10001");
        let data = image.dir.path().join("data");
        fs::create_dir_all(&data).unwrap();
        std::os::unix::fs::chown(&data, Some(10001), Some(10001)).unwrap();
        let log = image.dir.path().join("log");
        let file = File::create(&log).unwrap();
        let outside = Command::new("unshare")
            .args(["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-e", "-c", PREPARE, "sh"])
            .args([image.files(), data])
            .arg(beside)
            .args(image.words("Env"))
            .args(image.words("Entrypoint"))
            .args(image.words("Cmd"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .expect("unshare is there");
        let mut container = Self { image, outside, log };
        eventually("the health check passes", || {
            let ended = container.outside.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {}", container.log());
            let healthy = container.inside().is_some() && container.exec(&image.health_check()).code == 0;
            healthy.then_some(())
        });
        container
    }

    /// The first process, as it is called out here, once it is in the root of the image.
    fn inside(&self) -> Option<u32> {
        let first = children(self.outside.id()).first().copied()?;
        let program = fs::read_link(format!("/proc/{first}/exe")).ok()?;
        let entered = fs::metadata(format!("/proc/{first}/root/usr/bin/hero-supervisor")).is_ok();
        (entered && !program.ends_with("chroot") && !program.ends_with("env")).then_some(first)
    }

    /// Runs a command in it, as its user.
    pub(crate) fn exec<S: AsRef<str>>(&self, words: &[S]) -> Ran {
        let first = self.inside().expect("it runs");
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={first}"))
            .args(["--mount", "--pid", "--net", "--ipc", "--root", "--setuid=10001", "--setgid=10001", "--"])
            .args(words.iter().map(AsRef::as_ref))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        run(&mut command)
    }

    /// Runs a job; its result.
    pub(crate) fn job(&self, script_type: &str, script: &str) -> String {
        let words = ["hero-supervisor", "job", "run", "--type", script_type, script];
        self.exec(&words).ok(&format!("{words:?}\n{}", self.log()))
    }

    /// What it has printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Stops it as an engine does; how it ended.
    pub(crate) fn stop(mut self) -> ExitStatus {
        let first = self.inside().expect("it runs").to_string();
        here("kill", &["-TERM", &first]);
        eventually("it ends", || self.outside.try_wait().unwrap())
    }
}

impl Drop for Container<'_> {
    #[expect(clippy::print_stderr, reason = "a failed test shows the log of its container")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of the container {:?}:\n{}", self.image.config["Cmd"], self.log());
        }
        // Its own signal at the end of its parent is lost when it changes its user; with the first process all others end.
        for first in children(self.outside.id()) {
            let _gone = Command::new("kill").args(["-9", &first.to_string()]).status();
        }
        let _gone = self.outside.kill();
        let _gone = self.outside.wait();
    }
}
