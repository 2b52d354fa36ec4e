//! The task that reads what a host says, and notices its end.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr};
use tokio::time::{Instant, timeout};

use super::sockets::{Inbound, Link};
use crate::actor::frame::{FromHost, Malformed, ToHost, decode_from_host, encode_to_host, first_frame};
use crate::actor::host_calls::CallHandler;
use crate::actor::hosts::{Death, HostEvent, Report};
use crate::actor::log_tail::{LINE_BYTES, LogTail};
use crate::actor::process_tree::signal_group;
use crate::actor::reaper::Reaper;

/// A process that somebody's script left behind may hold standard error open; nobody waits for it longer than this.
const STDERR_AFTER_DEATH: Duration = Duration::from_millis(250);
/// A killed process is gone at once, unless the kernel itself is stuck.
const REAP: Duration = Duration::from_secs(5);

/// Reads what a host says and notices its end.
pub(super) struct HostWatcher {
    pub(super) link: Arc<Link>,
    pub(super) group: Pid,
    pub(super) report: Report,
    pub(super) tail: StderrTail,
    pub(super) answers: Option<Arc<dyn CallHandler>>,
    /// The call that is being answered; a host makes one at a time.
    pub(super) asked: Option<HostCall>,
    pub(super) reaper: Reaper,
}

/// An answer on its way, with the number of its call.
pub(super) type HostCall = Pin<Box<dyn Future<Output = (u64, Vec<u8>)> + Send>>;

impl HostWatcher {
    pub(super) async fn run(mut self, mut child: Child, mut stderr: Option<ChildStderr>) {
        let ended = self.talk(&mut stderr).await;
        // A socket ends when nobody has its other side any more.
        let gone_at = ended.is_ok().then(Instant::now);
        if let Err(error) = ended {
            tracing::warn!(%error, "engine host: cannot be talked to");
        }
        // Also what the scripts of a host that ended by itself have left behind.
        signal_group(self.group, Signal::SIGKILL);
        self.link.reaped.store(true, Ordering::SeqCst);
        let status = timeout(REAP, child.wait()).await;
        self.reaper.clear(self.group).await;
        if let Some(stderr) = stderr.as_mut() {
            drop(timeout(STDERR_AFTER_DEATH, self.tail.read_to_end(stderr)).await);
        }
        let mut death = Death { log_tail: self.tail.lines(), gone_at, ..Death::default() };
        match status {
            Ok(Ok(status)) => (death.exit_code, death.signal) = (status.code(), status.signal()),
            Ok(Err(error)) => tracing::warn!(%error, "engine host: no word of how it ended"),
            Err(_) => tracing::warn!(group = %self.group, "engine host: does not end although it was killed"),
        }
        self.report.send(HostEvent::Died(death)).await;
    }

    /// Exchanges messages until the host closes a socket.
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

async fn answered(asked: &mut Option<HostCall>) -> (u64, Vec<u8>) {
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

/// The last lines of standard error.
#[derive(Default)]
pub(super) struct StderrTail {
    lines: LogTail,
    open: Vec<u8>,
}

impl StderrTail {
    /// Takes the bytes that were read. Returns their number, 0 at the end.
    fn note(&mut self, count: io::Result<usize>, buffer: &[u8]) -> usize {
        let count = count.unwrap_or(0);
        for byte in buffer.iter().take(count) {
            match byte {
                b'\n' => self.end_line(),
                byte if self.open.len() < LINE_BYTES => self.open.push(*byte),
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
        self.lines.lines()
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.open).into_owned();
        self.open.clear();
        tracing::debug!("engine host: {line}");
        self.lines.push(&line);
    }
}
