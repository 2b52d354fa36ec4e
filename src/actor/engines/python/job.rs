//! One job, from the moment it is given to the server until nothing of it is left.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use super::messages::{Message, Request, first};
use super::server::Server;
use crate::actor::engines::kill_ladder::{KillLadder, StopReason, killed};
use crate::actor::engines::output::Output;
use crate::actor::engines::work::WorkFlags;
use crate::actor::engines::{Limits, Sink, failed};
use crate::actor::process_tree::{children_of, signal_group, sweep};
use crate::domain::model::job::{JobError, JobErrorKind, JobResult};
use crate::domain::model::output::LogStream;
use crate::ports::work_queue::AttemptError;

/// Bytes read from the pipe of results before the deadline and the other pipes have a turn.
const AT_ONCE: usize = 256 * 1024;

/// Exit code of a job's process that cannot say anything about itself.
const UNSAID: i32 = 70;

/// An attempt under way.
pub(super) struct Attempt<'a> {
    server: &'a mut Server,
    limits: &'a Limits,
    sink: &'a Arc<dyn Sink>,
    output: Output<'a>,
    ladder: KillLadder,
    timeout: Duration,
    /// Bytes of the result pipe that are not decoded yet.
    results: Vec<u8>,
    said: Option<Result<JobResult, JobError>>,
    rubbish: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        server: &'a mut Server,
        work: &WorkFlags,
        limits: &'a Limits,
        timeout: Duration,
        sink: &'a Arc<dyn Sink>,
    ) -> Self {
        Self {
            server,
            limits,
            sink,
            output: Output::new(limits, sink),
            ladder: KillLadder::new(timeout, usize::from(work.max_processes)),
            timeout,
            results: Vec::new(),
            said: None,
            rubbish: false,
        }
    }

    pub(super) fn run(mut self, request: &Request<'_>) -> Result<JobResult, AttemptError> {
        match self.until_the_end(request) {
            Ok(status) => self.judge(status),
            Err(error) => {
                // Without a server this host is of no use; the actor replaces it, and this job is the one that pays.
                let words = self.server.last_words(&error);
                super::leave(&format!("the Python server is gone: {words}"))
            }
        }
    }

    fn until_the_end(&mut self, request: &Request<'_>) -> io::Result<i32> {
        self.server.submit(request)?;
        loop {
            let mut ready = [
                PollFd::new(self.server.out.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.server.err.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.server.results.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.server.control.as_fd(), PollFlags::POLLIN),
            ];
            let wait = PollTimeout::try_from(self.ladder.wait()).unwrap_or(PollTimeout::ZERO);
            match poll(&mut ready, wait) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [out, err, results, control] = ready.map(|fd| fd.any().unwrap_or(false));
            self.read(out, err, results)?;
            if control && let Some(end) = self.server.end()? {
                self.clean_up()?;
                return Ok(end);
            }
            self.climb();
        }
    }

    /// Ends what is left of the job, and reads the rest of its output.
    fn clean_up(&mut self) -> io::Result<()> {
        let server = self.server.pid();
        if !self.server.adopts && !sweep(|pid| pid != server) {
            return Err(io::Error::other("processes of a job do not end"));
        }
        // A job can have made its pipes larger than what is read at once.
        let open = self.output.drain(LogStream::Stdout, &mut self.server.out)?
            && self.output.drain(LogStream::Stderr, &mut self.server.err)?;
        while self.read_results()? == AT_ONCE {}
        if open { Ok(()) } else { Err(gone()) }
    }

    fn read(&mut self, out: bool, err: bool, results: bool) -> io::Result<()> {
        if out && !self.output.read(LogStream::Stdout, &mut self.server.out)? {
            return Err(gone());
        }
        if err && !self.output.read(LogStream::Stderr, &mut self.server.err)? {
            return Err(gone());
        }
        if results {
            self.read_results()?;
        }
        Ok(())
    }

    /// Takes at most [`AT_ONCE`] bytes of the job's report. Returns their number.
    fn read_results(&mut self) -> io::Result<usize> {
        let before = self.results.len();
        match (&mut self.server.results).take(AT_ONCE as u64).read_to_end(&mut self.results) {
            Ok(count) if count < AT_ONCE => return Err(gone()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let count = self.results.len() - before;
        self.understand();
        Ok(count)
    }

    /// Understands what the job says about itself. Behind rubbish nothing can be understood any more.
    fn understand(&mut self) {
        let mut used = 0;
        while !self.rubbish {
            match first(self.results.get(used..).unwrap_or_default(), self.limits.result) {
                Ok(None) => break,
                Ok(Some((message, length))) => {
                    used += length;
                    match message {
                        Message::Progress { percent, message } => self.sink.progress(percent, &message),
                        Message::Result(result) => self.said = Some(Ok(result)),
                        Message::Error(error) => self.said = Some(Err(error)),
                    }
                }
                Err(_) => self.rubbish = true,
            }
        }
        if self.rubbish {
            used = self.results.len();
        }
        self.results.drain(..used);
    }

    /// The next step against a job that has to end.
    fn climb(&mut self) {
        let server = self.server.pid();
        let own = Pid::this().as_raw();
        let family = || {
            let orphans = children_of(own).into_iter().filter(|pid| *pid != server);
            children_of(server).into_iter().chain(orphans).collect()
        };
        let Some(signal) = self.ladder.step(family) else { return };
        for leader in children_of(server) {
            let leader = Pid::from_raw(leader);
            // The job may not have made its group yet.
            if let Err(error) = kill(leader, signal) {
                tracing::debug!(%leader, %error, "python: the job has just ended");
            }
            signal_group(leader, signal);
        }
        if signal == Signal::SIGKILL {
            sweep(|pid| pid != server);
        }
    }

    fn judge(mut self, status: i32) -> Result<JobResult, AttemptError> {
        self.output.finish();
        let (exit_code, signal) = match WaitStatus::from_raw(Pid::from_raw(1), status) {
            Ok(WaitStatus::Exited(_, code)) => (code, None),
            Ok(WaitStatus::Signaled(_, signal, _)) => (0, Some(signal)),
            Ok(_) | Err(_) => (0, None),
        };
        let error = match (self.ladder.stop_reason(), self.said.take(), signal) {
            (StopReason::Overran, ..) => JobError {
                signal: signal.map(|signal| signal as i32),
                ..crate::actor::engines::timed_out(self.timeout).error
            },
            (StopReason::TooMany(most), ..) => JobError::new(
                JobErrorKind::LimitExceeded,
                format!("the script had more than the {most} processes that are allowed"),
            ),
            (StopReason::None, Some(Err(error)), _) => error,
            (StopReason::None, _, Some(signal)) => killed(signal),
            (StopReason::None, None, None) if self.rubbish => JobError::new(
                JobErrorKind::ScriptError,
                "the script wrote something else into the pipe of its result",
            ),
            (StopReason::None, said, None) if exit_code == 0 => {
                let result = match said {
                    Some(Ok(result)) => result,
                    Some(Err(_)) | None => JobResult::default(),
                };
                return Ok(self.or_printed(result));
            }
            (StopReason::None, ..) => {
                let message = match exit_code {
                    UNSAID => {
                        "the script exited with code 70 and said nothing: it has closed the pipe of its result, or left \
                         by os._exit"
                            .to_owned()
                    }
                    _ => format!("the script exited with code {exit_code}"),
                };
                let error = JobError::new(JobErrorKind::ScriptError, message);
                JobError { exit_code: Some(exit_code), ..error }
            }
        };
        Err(failed(JobError { log_tail: self.output.tail(), ..error }))
    }

    /// Returns the printed text for a result without a value.
    fn or_printed(&self, result: JobResult) -> JobResult {
        use crate::domain::model::job::ResultKind;
        match result.kind {
            ResultKind::None => JobResult { text: self.output.printed(), kind: ResultKind::None },
            ResultKind::Text | ResultKind::Json => result,
        }
    }
}

/// The other side of a pipe has ended, which only the server's own end can do.
fn gone() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
