//! The real binary: as a service, as a trial, and as a command.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::wait::eventually;

/// Generous: other tests and compilers share the machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_hero-supervisor");

/// A command of the program, with nothing of this machine's environment that it would read.
pub(crate) fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    command_behind(&[], args)
}

/// The same behind these words.
fn command_behind<S: AsRef<OsStr>>(prefix: &[String], args: impl IntoIterator<Item = S>) -> Command {
    let mut words = prefix.iter().map(String::as_str).chain([PROGRAM]);
    let mut command = Command::new(words.next().unwrap_or(PROGRAM));
    command.args(words);
    let foreign = std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        name.starts_with("HERO_") || name == "REDIS_URL"
    });
    for (name, _) in foreign {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command.args(args).stdin(Stdio::null());
    command
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs a command that needs no server to its end.
pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    command(args).output().unwrap().into()
}

/// A running `serve` or `dev`. Dropped, it is killed with all that it started.
pub(crate) struct Service {
    dir: TempDir,
    /// Words in front of the program: those that take it to another network.
    prefix: Vec<String>,
    args: Vec<String>,
    child: Child,
}

impl Service {
    /// Starts `dev` with a private folder and socket, and waits until it serves.
    pub(crate) async fn dev(args: &[&str]) -> Self {
        let dir = folder();
        let data = dir.path().join("data").display().to_string();
        let args: Vec<&str> = ["dev", "--data-dir", &data].into_iter().chain(args.iter().copied()).collect();
        Self::start(dir, &args).await
    }

    /// Starts `serve` with a private socket, and waits until it serves.
    pub(crate) async fn serve(args: &[&str]) -> Self {
        let args: Vec<&str> = ["serve"].into_iter().chain(args.iter().copied()).collect();
        Self::start(folder(), &args).await
    }

    /// The same behind these words.
    pub(crate) async fn serve_behind(prefix: Vec<String>, args: &[&str]) -> Self {
        let args: Vec<&str> = ["serve"].into_iter().chain(args.iter().copied()).collect();
        Self::start_behind(folder(), prefix, &args).await
    }

    /// Starts the server of a line, with a private folder and addresses beside what the line says.
    pub(crate) async fn of_line(line: &str) -> Self {
        let words = shlex::split(line).unwrap();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["hero-supervisor", "dev", ref args @ ..] => Self::dev(args).await,
            ["hero-supervisor", "serve", ref args @ ..] => Self::serve(args).await,
            _ => panic!("this starts no server: {line}"),
        }
    }

    async fn start(dir: TempDir, args: &[&str]) -> Self {
        Self::start_behind(dir, Vec::new(), args).await
    }

    async fn start_behind(dir: TempDir, prefix: Vec<String>, args: &[&str]) -> Self {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let child = spawn(&dir, &prefix, &args);
        let mut service = Self { dir, prefix, args, child };
        service.ready().await;
        service
    }

    /// Starts it again, in the same folder, after it has ended.
    pub(crate) async fn restart(&mut self) {
        drop(std::fs::remove_file(self.ready_file()));
        self.child = spawn(&self.dir, &self.prefix, &self.args);
        self.ready().await;
    }

    async fn ready(&mut self) {
        eventually("the service is ready", LIMIT, || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {}", self.stderr());
            let ready = self.ready_file().exists().then_some(());
            async move { ready }
        })
        .await;
    }

    /// Its folder.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The unix socket that it serves.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir().join("s")
    }

    /// Where it says that it is ready.
    pub(crate) fn ready_file(&self) -> PathBuf {
        self.dir().join("ready")
    }

    /// Its TCP address, as `HOST:PORT`.
    pub(crate) fn address(&self) -> String {
        let ready = std::fs::read_to_string(self.ready_file()).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
        let addresses = ready["addresses"].as_array().unwrap();
        let mut texts = addresses.iter().filter_map(|item| item.as_str());
        texts.find(|item| !item.starts_with("unix")).unwrap().to_owned()
    }

    /// What it has logged so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.dir().join("stderr")).unwrap()
    }

    /// What it has printed so far.
    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(self.dir().join("stdout")).unwrap()
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// A command of the client for this server.
    pub(crate) fn client<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = command(args);
        command.env("HERO_SUPERVISOR_SERVER", format!("unix:{}", self.socket().display()));
        command
    }

    /// Runs a command of the client to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        self.client(args).output().unwrap().into()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("the service ends", LIMIT, || {
            let ended = self.child.try_wait().unwrap();
            async move { ended }
        })
        .await
    }

    /// Living processes that have the service's folder in their command line or environment, itself left out.
    pub(crate) fn others(&self) -> Vec<i32> {
        let mut all = all_that_name(self.dir());
        all.retain(|pid| *pid != self.pid());
        all
    }
}

/// Living processes that have this folder in their command line or environment.
pub(crate) fn all_that_name(folder: &Path) -> Vec<i32> {
    let mark = folder.display().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let names_it = |pid: &i32| {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&[read("cmdline"), read("environ")].concat()).contains(&mark)
    };
    pids.filter(names_it).collect()
}

impl Drop for Service {
    #[expect(clippy::print_stderr, reason = "a failed test shows the log of its service")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of the service:\n{}{}", self.stdout(), self.stderr());
        }
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        for pid in self.others() {
            let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn spawn(dir: &TempDir, prefix: &[String], args: &[String]) -> Child {
    let log = |name: &str| File::options().create(true).append(true).open(dir.path().join(name)).unwrap();
    command_behind(prefix, args)
        .arg("--listen")
        .arg(format!("unix:{}", dir.path().join("s").display()))
        .args(["--listen", "127.0.0.1:0", "--ready-file"])
        .arg(dir.path().join("ready"))
        .stdout(log("stdout"))
        .stderr(log("stderr"))
        .spawn()
        .unwrap()
}

/// Unix sockets have short paths, so the folder is made in /tmp whatever TMPDIR says.
fn folder() -> TempDir {
    tempfile::Builder::new().prefix("hss").tempdir_in("/tmp").unwrap()
}
