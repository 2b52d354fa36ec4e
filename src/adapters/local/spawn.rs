//! Spawns children from a thread that lives as long as the runner, and holds them so that none outlives it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, Uid, User};
use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::adapters::exec_shim;
use crate::domain::model::actor::ExitStatus;
use crate::domain::model::confinement::Confinement;

/// A program with its arguments, ready for exec.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    /// Program and arguments.
    pub(super) argv: Vec<OsString>,
    /// Environment beside the little that every process gets.
    pub(super) env: Vec<(String, String)>,
    /// Variables whose values are in files.
    pub(super) env_from_file: BTreeMap<String, PathBuf>,
    /// Working folder.
    pub(super) dir: Option<PathBuf>,
    /// True if the outputs are read.
    pub(super) output: bool,
    /// Settings for the shim.
    pub(super) confinement: Confinement,
    /// The SHA-256 that the program must have.
    pub(super) sha256: Option<String>,
}

struct Request {
    launch: Launch,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// Hands launches to the spawning thread.
///
/// A child that is to die with us gets its signal when the *thread* that spawned it ends. Threads of the runtime come
/// and go, this one ends when the last clone of the spawner is dropped.
#[derive(Clone)]
pub(super) struct Spawner {
    requests: mpsc::Sender<Request>,
}

impl Spawner {
    /// Starts the thread.
    pub(super) fn start(shim: Option<Vec<OsString>>) -> io::Result<Self> {
        let shim = shim.map(Shim::Own).or_else(setpriv).unwrap_or(Shim::None);
        let (requests, mut inbox) = mpsc::channel::<Request>(16);
        std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
            while let Some(Request { launch, runtime, reply }) = inbox.blocking_recv() {
                let _context = runtime.enter();
                // Nobody waits for the answer any more: the child dies with its drop.
                drop(reply.send(spawn(&shim, &launch)));
            }
        })?;
        Ok(Self { requests })
    }

    /// Spawns a child in a process group of its own.
    pub(super) async fn spawn(&self, launch: Launch) -> io::Result<Child> {
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("the spawning thread ended");
        let request = Request { launch, runtime: Handle::current(), reply };
        self.requests.send(request).await.map_err(|_closed| gone())?;
        answer.await.map_err(|_closed| gone())?
    }
}

/// The words before each program.
enum Shim {
    /// Words that lead to our own.
    Own(Vec<OsString>),
    /// The whole of a stand-in that can only make it die with us.
    Setpriv(Vec<OsString>),
    None,
}

impl Shim {
    /// Words to put before a program. Its digest was looked at before the start; without our shim nobody does so again.
    fn words(&self, launch: &Launch) -> io::Result<Vec<OsString>> {
        let confinement = Confinement { die_with_manager: false, ..launch.confinement.clone() };
        let asks_nothing = confinement.is_none() && launch.env_from_file.is_empty();
        match self {
            Self::Own(words) => {
                let parent = std::process::id().to_string();
                let mut words = words.clone();
                let asked = exec_shim::words(&confinement, launch.sha256.as_deref());
                let files = exec_shim::env_words(&launch.env_from_file);
                words.extend(asked.into_iter().chain(files).map(OsString::from));
                // It is told who its parent has to be.
                words.extend(["--parent".into(), parent.into(), "--".into()]);
                Ok(words)
            }
            Self::Setpriv(words) if asks_nothing => Ok(words.clone()),
            Self::None if asks_nothing => Ok(Vec::new()),
            Self::Setpriv(_) | Self::None => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "users, limits and variables from files are set by `hero-supervisor exec-shim`, and that program was not found",
            )),
        }
    }
}

/// The stand-in for our shim, if it is installed.
fn setpriv() -> Option<Shim> {
    let path = std::env::var_os("PATH")?;
    let program = std::env::split_paths(&path).map(|dir| dir.join("setpriv")).find(|path| path.is_file())?;
    Some(Shim::Setpriv(vec![program.into(), "--pdeathsig".into(), "KILL".into(), "--".into()]))
}

fn spawn(shim: &Shim, launch: &Launch) -> io::Result<Child> {
    // The shim would be spawned well and fail later; look before, so that it is known at once.
    executable(launch)?;
    let shim = shim.words(launch)?;
    let mut words = shim.iter().chain(&launch.argv);
    let program = words.next().ok_or_else(|| io::Error::other("no program"))?;
    let mut command = CommandWrap::with_new(program, |command| {
        let output = || if launch.output { Stdio::piped() } else { Stdio::null() };
        command.args(words).env_clear().envs(inherited(std::env::vars_os()));
        command.envs(home(launch)).envs(launch.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(output()).stderr(output());
        if let Some(dir) = &launch.dir {
            command.current_dir(dir);
        }
    });
    command.wrap(ProcessGroup::leader()).wrap(KillOnDrop);
    let inner = command.spawn()?;
    let pid = inner.id().ok_or_else(|| io::Error::other("the child has no pid"))?;
    Ok(Child { inner, pid, gone: false })
}

/// Selects the variables of our own environment that every process gets. All others may be secrets of ours, and the
/// process another user's.
fn inherited(ours: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
    ours.filter(|(name, _value)| {
        name.to_str().is_some_and(|name| matches!(name, "PATH" | "LANG" | "TZ") || name.starts_with("LC_"))
    })
}

/// The home of the user that the process becomes.
fn home(launch: &Launch) -> Option<(OsString, OsString)> {
    let home = match &launch.confinement.run_as {
        None => std::env::var_os("HOME"),
        Some(run_as) => {
            let user = match run_as.user.parse() {
                Ok(number) => User::from_uid(Uid::from_raw(number)),
                Err(_name) => User::from_name(&run_as.user),
            };
            user.ok().flatten().map(|user| user.dir.into_os_string())
        }
    };
    home.map(|home| ("HOME".into(), home))
}

fn executable(launch: &Launch) -> io::Result<()> {
    if let Some(dir) = &launch.dir
        && !dir.is_dir()
    {
        let fault = format!("the working folder {} is not there", dir.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, fault));
    }
    let Some(program) = launch.argv.first().map(Path::new) else { return Ok(()) };
    if program.is_dir() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the program is a folder"));
    }
    Ok(nix::unistd::access(program, nix::unistd::AccessFlags::X_OK)?)
}

/// A child with its process group; dropping it kills all of them.
#[derive(Debug)]
pub(super) struct Child {
    inner: Box<dyn ChildWrapper>,
    pid: u32,
    gone: bool,
}

impl Child {
    /// Returns the pid, which is the number of the process group as well.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Takes the outputs; a second call returns none.
    pub(super) fn outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.inner.stdout().take(), self.inner.stderr().take())
    }

    /// Sends a signal to the whole group.
    pub(super) fn signal(&self, signal: Signal) -> nix::Result<()> {
        let group = i32::try_from(self.pid).map_err(|_too_big| nix::errno::Errno::EINVAL)?;
        killpg(Pid::from_raw(group), signal)
    }

    /// Waits until the leader has ended, and ends what it left of its group: nobody is there to do it later.
    /// Can be dropped and called again.
    pub(super) async fn wait(&mut self) -> ExitStatus {
        // Not the wrapper's own wait: it also waits for what the leader left, and that is ours to kill.
        let status = self.inner.inner_mut().wait().await;
        self.end();
        let Ok(status) = status else { return ExitStatus::Unknown };
        match (status.code(), status.signal()) {
            (Some(code), _) => ExitStatus::Code(code),
            (None, Some(signal)) => ExitStatus::Signal(signal),
            (None, None) => ExitStatus::Unknown,
        }
    }

    fn end(&mut self) {
        if !self.gone {
            self.gone = true;
            // No such group is the usual answer: nobody was left.
            let _left_over = self.signal(Signal::SIGKILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_our_environment_a_process_gets_what_is_no_secret() {
        let ours =
            ["PATH", "LANG", "LC_ALL", "LC_TIME", "TZ", "HOME", "HERO_SUPERVISOR_REDIS_URL", "AWS_SECRET"];
        let given: Vec<OsString> =
            inherited(ours.into_iter().map(|name| (name.into(), "x".into()))).map(|(name, _)| name).collect();
        assert_eq!(given, ["PATH", "LANG", "LC_ALL", "LC_TIME", "TZ"]);
    }
}
