//! Engine hosts as child processes: this program again, in a process group of its own, with an empty environment.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::actor::frame::{
    FromHost, Malformed, ToHost, decode_from_host, decode_reply, encode_job, encode_to_host, first_frame,
};
use crate::actor::host_calls::CallHandler;
use crate::actor::hosts::{Death, Host, HostEvent, Launcher, Reply, Report};
use crate::actor::process_tree;
use crate::actor::reaper::Reaper;
use crate::ports::work_queue::TakenJob;

/// Lines of a host's standard error that go with a crash.
const TAIL_LINES: usize = 20;
/// Bytes of each of them.
const TAIL_LINE_BYTES: usize = 1024;
/// A process that somebody's script left behind may hold standard error open; nobody waits for it longer than this.
const STDERR_AFTER_DEATH: Duration = Duration::from_millis(250);
/// A killed process is gone at once, unless the kernel itself is stuck.
const REAP: Duration = Duration::from_secs(5);
/// Where the running program is, also after its file was replaced by a new version.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Jobs whose context is remembered for the calls of their scripts; more than a host has at a time.
const CONTEXTS: usize = 64;

/// Starts engine hosts.
#[derive(Clone)]
pub struct HostLauncher {
    name: String,
    args: Vec<OsString>,
    env: Vec<(&'static str, String)>,
    tasks: TaskTracker,
    answers: Option<Arc<dyn CallHandler>>,
    reaper: Reaper,
    spares_hosts: bool,
}

impl HostLauncher {
    /// Hosts that are this program with `args`, shown as `name` in lists of processes.
    pub fn new(name: impl Into<String>, args: Vec<OsString>) -> Self {
        let reaper = Reaper::default();
        Self {
            name: name.into(),
            args,
            env: Vec::new(),
            tasks: TaskTracker::new(),
            answers: None,
            reaper,
            spares_hosts: false,
        }
    }

    /// The whole environment of these hosts; they have none of their own.
    #[must_use]
    pub fn with_env(self, env: Vec<(&'static str, String)>) -> Self {
        Self { env, ..self }
    }

    /// Lets the scripts of these hosts ask for what `answers` has.
    #[must_use]
    pub fn answering(self, answers: Arc<dyn CallHandler>) -> Self {
        Self { answers: Some(answers), ..self }
    }

    /// Asks only what scripts have started to end, and not the hosts, whose engines see to the end of their scripts. A
    /// host that blocks SIGTERM would otherwise find it waiting when it next lets it through, in the midst of another job.
    #[must_use]
    pub fn sparing_hosts(self, spares_hosts: bool) -> Self {
        Self { spares_hosts, ..self }
    }

    /// Makes this process the parent of what scripts leave behind when their host ends, so that it can be ended as well.
    /// It must have no other children than engine hosts. `work_dir` is where hosts make their folders.
    ///
    /// # Errors
    /// When the kernel cannot do that.
    pub fn reaping_orphans(mut self, work_dir: Option<PathBuf>) -> io::Result<Self> {
        self.reaper = Reaper::new(work_dir)?;
        Ok(self)
    }

    /// Waits until every host is gone; they must have been dropped or told to end.
    pub async fn gone(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Launcher for HostLauncher {
    type Host = HostProcess;

    fn launch(&mut self, report: Report) -> io::Result<HostProcess> {
        let (jobs, their_jobs) = StdStream::pair()?;
        let (control, their_control) = StdStream::pair()?;
        jobs.set_nonblocking(true)?;
        control.set_nonblocking(true)?;
        let mut command = std::process::Command::new(THIS_PROGRAM);
        command
            .arg0(&self.name)
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (*name, value.as_str())))
            .process_group(0)
            .stdin(OwnedFd::from(their_jobs))
            .stdout(OwnedFd::from(their_control))
            .stderr(Stdio::piped());
        let mut child = Command::from(command).kill_on_drop(true).spawn()?;
        let no_pid = || io::Error::other("the engine host has ended already");
        let group =
            child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw).ok_or_else(no_pid)?;
        let stderr = child.stderr.take();
        let link = Arc::new(Link {
            jobs: UnixStream::from_std(jobs)?,
            control: UnixStream::from_std(control)?,
            out: Mutex::new(Out::default()),
            wake: Notify::new(),
            reaped: AtomicBool::new(false),
            starts_processes: self.reaper.is_on(),
            contexts: Mutex::default(),
        });
        let answers = self.answers.clone();
        self.reaper.add(group);
        let reaper = self.reaper.clone();
        let (link_too, tail) = (Arc::clone(&link), Tail::default());
        let driver = Driver { link: link_too, group, report, tail, answers, asked: None, reaper };
        self.tasks.spawn(driver.run(child, stderr));
        Ok(HostProcess { link, group, spared: self.spares_hosts })
    }
}

/// A running host.
#[derive(Debug)]
pub struct HostProcess {
    link: Arc<Link>,
    group: Pid,
    /// A request to end goes to its scripts alone.
    spared: bool,
}

impl HostProcess {
    fn signal(&self, signal: Signal) {
        // Once it is reaped, its number may belong to somebody else.
        if !self.link.reaped.load(Ordering::SeqCst) {
            // Those that have left its group are not reached by a signal to the group.
            let host = self.group.as_raw();
            let has_left = |pid: &i32| process_tree::group_of(*pid).is_some_and(|group| group != host);
            process_tree::below(host)
                .into_iter()
                .filter(has_left)
                .for_each(|pid| process_tree::signal_one(pid, signal));
            if signal == Signal::SIGKILL || !self.spared {
                end_group(self.group, signal);
            }
        }
    }
}

impl Host for HostProcess {
    fn submit(&mut self, seq: u64, job: &TakenJob) {
        self.link.remember(seq, &job.spec.context_id);
        encode_job(&mut self.link.out().jobs, seq, job);
    }

    fn flush(&mut self) {
        self.link.resume(self.group);
        if !self.link.write() {
            self.link.wake.notify_one();
        }
    }

    fn call_back(&mut self, upto: u64) {
        encode_to_host(&mut self.link.out().control, &ToHost::CallBack { upto });
        self.flush();
    }

    fn terminate(&mut self) {
        self.signal(Signal::SIGTERM);
    }

    fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Signals a group; one that is gone needs no signal.
fn end_group(group: Pid, signal: Signal) {
    if let Err(error) = killpg(group, signal)
        && error != nix::errno::Errno::ESRCH
    {
        tracing::warn!(%group, %signal, %error, "could not signal an engine host");
    }
}

/// The sockets to a host, used by its owner and by its driver.
#[derive(Debug)]
struct Link {
    jobs: UnixStream,
    control: UnixStream,
    out: Mutex<Out>,
    wake: Notify,
    /// Set before the process is reaped.
    reaped: AtomicBool,
    /// Its scripts start processes, which can stop it by a signal.
    starts_processes: bool,
    /// The context of each of the last jobs.
    contexts: Mutex<VecDeque<(u64, String)>>,
}

/// What could not be written yet.
#[derive(Debug, Default)]
struct Out {
    jobs: Vec<u8>,
    control: Vec<u8>,
}

impl Link {
    /// Lets a host go on that a script has stopped at its end (`kill -STOP`): the next job does not pay for that.
    fn resume(&self, host: Pid) {
        if self.starts_processes
            && !self.reaped.load(Ordering::SeqCst)
            && let Err(error) = kill(host, Signal::SIGCONT)
        {
            tracing::debug!(%host, %error, "an engine host has just ended");
        }
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contexts(&self) -> MutexGuard<'_, VecDeque<(u64, String)>> {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, seq: u64, context_id: &str) {
        let mut contexts = self.contexts();
        contexts.truncate(CONTEXTS - 1);
        contexts.push_front((seq, context_id.to_owned()));
    }

    fn context_of(&self, seq: u64) -> Option<String> {
        let contexts = self.contexts();
        contexts.iter().find(|(known, _)| *known == seq).map(|(_, context_id)| context_id.clone())
    }

    /// Writes what the sockets take; false when something is left.
    fn write(&self) -> bool {
        let out = &mut *self.out();
        let control = write_some(&self.control, &mut out.control);
        write_some(&self.jobs, &mut out.jobs) && control
    }

    fn interest(&self) -> (Interest, Interest) {
        let out = self.out();
        let interest = |left: &Vec<u8>| match left.is_empty() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        (interest(&out.jobs), interest(&out.control))
    }
}

fn write_some(socket: &UnixStream, left: &mut Vec<u8>) -> bool {
    let mut written = 0;
    while let Some(rest) = left.get(written..).filter(|rest| !rest.is_empty()) {
        match socket.try_write(rest) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            // The host is gone; its driver will say so.
            Err(_) => written = left.len(),
        }
    }
    left.drain(..written);
    left.is_empty()
}

/// Reads what a host says and notices its end.
struct Driver {
    link: Arc<Link>,
    group: Pid,
    report: Report,
    tail: Tail,
    answers: Option<Arc<dyn CallHandler>>,
    /// The call that is being answered; a host makes one at a time.
    asked: Option<Asked>,
    reaper: Reaper,
}

/// An answer on its way, with the number of its call.
type Asked = Pin<Box<dyn Future<Output = (u64, Vec<u8>)> + Send>>;

impl Driver {
    async fn run(mut self, mut child: Child, mut stderr: Option<ChildStderr>) {
        let ended = self.talk(&mut stderr).await;
        // A socket ends when nobody has its other side any more.
        let gone_at = ended.is_ok().then(Instant::now);
        if let Err(error) = ended {
            tracing::warn!(%error, "talking to an engine host failed");
        }
        // Also what the scripts of a host that ended by itself have left behind.
        end_group(self.group, Signal::SIGKILL);
        self.link.reaped.store(true, Ordering::SeqCst);
        let status = timeout(REAP, child.wait()).await;
        self.reaper.clear(self.group).await;
        if let Some(stderr) = stderr.as_mut() {
            drop(timeout(STDERR_AFTER_DEATH, self.tail.read_to_end(stderr)).await);
        }
        let mut death = Death { log_tail: self.tail.lines(), gone_at, ..Death::default() };
        match status {
            Ok(Ok(status)) => (death.exit_code, death.signal) = (status.code(), status.signal()),
            Ok(Err(error)) => tracing::warn!(%error, "could not learn how an engine host ended"),
            Err(_) => tracing::warn!(group = %self.group, "a killed engine host does not end"),
        }
        self.report.send(HostEvent::Died(death)).await;
    }

    /// Until the host closes a socket.
    async fn talk(&mut self, stderr: &mut Option<ChildStderr>) -> io::Result<()> {
        let link = Arc::clone(&self.link);
        let (mut jobs, mut control) = (Inbound::default(), Inbound::default());
        let mut lines = vec![0; 4096];
        loop {
            let (jobs_interest, control_interest) = link.interest();
            tokio::select! {
                ready = link.jobs.ready(jobs_interest) => {
                    if ready?.is_writable() {
                        link.write();
                    }
                    let open = jobs.read(&link.jobs)?;
                    let replies = jobs.replies().map_err(io::Error::other)?;
                    if !replies.is_empty() {
                        link.resume(self.group);
                        self.report.send(HostEvent::Replied(replies)).await;
                    }
                    if !open {
                        return Ok(());
                    }
                }
                ready = link.control.ready(control_interest) => {
                    if ready?.is_writable() {
                        link.write();
                    }
                    let open = control.read(&link.control)?;
                    for current in self.hear(&mut control).map_err(io::Error::other)? {
                        self.report.send(HostEvent::CalledBack { current }).await;
                    }
                    if !open {
                        // The replies that are still in the other socket count.
                        jobs.read(&link.jobs)?;
                        let replies = jobs.replies().map_err(io::Error::other)?;
                        self.report.send(HostEvent::Replied(replies)).await;
                        return Ok(());
                    }
                }
                count = read_some(stderr, &mut lines) => {
                    if self.tail.note(count, &lines) == 0 {
                        *stderr = None;
                    }
                }
                (call, body) = answered(&mut self.asked) => {
                    self.asked = None;
                    encode_to_host(&mut link.out().control, &ToHost::Answer { call, body: &body });
                    link.write();
                }
                () = link.wake.notified() => {}
            }
        }
    }

    /// Takes what came on the control socket: calls are begun, the numbers of started jobs are handed on.
    fn hear(&mut self, control: &mut Inbound) -> Result<Vec<u64>, Malformed> {
        let mut started = Vec::new();
        let mut used = 0;
        while let Some((body, length)) = first_frame(control.bytes.get(used..).unwrap_or_default())? {
            match decode_from_host(body)? {
                FromHost::CalledBack { current } => started.push(current),
                FromHost::Call { call, seq, body } => {
                    let answers = self.answers.clone().ok_or(Malformed)?;
                    let context_id = self.link.context_of(seq).ok_or(Malformed)?;
                    let body = body.to_vec();
                    // One that is still there was given up by the host.
                    let asked = async move { (call, answers.answer(&context_id, &body).await) };
                    self.asked = Some(Box::pin(asked));
                }
            }
            used += length;
        }
        control.bytes.drain(..used);
        Ok(started)
    }
}

async fn answered(asked: &mut Option<Asked>) -> (u64, Vec<u8>) {
    match asked {
        Some(asked) => asked.await,
        None => std::future::pending().await,
    }
}

async fn read_some(stderr: &mut Option<ChildStderr>, buffer: &mut [u8]) -> io::Result<usize> {
    match stderr {
        Some(stderr) => stderr.read(buffer).await,
        None => std::future::pending().await,
    }
}

/// Bytes that came and are not understood yet.
#[derive(Default)]
struct Inbound {
    bytes: Vec<u8>,
}

impl Inbound {
    /// Reads what is there; false at the end of the stream.
    fn read(&mut self, socket: &UnixStream) -> io::Result<bool> {
        /// Room for each read.
        const CHUNK: usize = 32 * 1024;
        loop {
            self.bytes.reserve(CHUNK);
            match socket.try_read_buf(&mut self.bytes) {
                Ok(0) => return Ok(false),
                // A short read has emptied the socket.
                Ok(count) if count < CHUNK => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                // A host that is killed with jobs in its socket resets the connection.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    fn replies(&mut self) -> Result<Vec<Reply>, Malformed> {
        let mut replies = Vec::new();
        let mut used = 0;
        while let Some((body, length)) = first_frame(self.bytes.get(used..).unwrap_or_default())? {
            replies.push(decode_reply(body)?);
            used += length;
        }
        self.bytes.drain(..used);
        Ok(replies)
    }
}

/// The last lines of standard error.
#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    open: Vec<u8>,
}

impl Tail {
    /// Takes what was read; answers with how much that was, 0 at the end.
    fn note(&mut self, count: io::Result<usize>, buffer: &[u8]) -> usize {
        let count = count.unwrap_or(0);
        for byte in buffer.iter().take(count) {
            match byte {
                b'\n' => self.end_line(),
                byte if self.open.len() < TAIL_LINE_BYTES => self.open.push(*byte),
                _ => {}
            }
        }
        count
    }

    async fn read_to_end(&mut self, stderr: &mut ChildStderr) {
        let mut buffer = vec![0; 4096];
        loop {
            let count = stderr.read(&mut buffer).await;
            if self.note(count, &buffer) == 0 {
                return;
            }
        }
    }

    fn lines(mut self) -> Vec<String> {
        if !self.open.is_empty() {
            self.end_line();
        }
        self.lines.into()
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.open).into_owned();
        self.open.clear();
        tracing::debug!("engine host: {line}");
        if self.lines.len() == TAIL_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}
