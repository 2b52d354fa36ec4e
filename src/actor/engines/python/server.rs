//! The Python process that forks for each job.

use std::fs;
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::prctl::set_child_subreaper;

use super::flags::{Isolation, PythonFlags};
use super::messages::{Hello, Request, Settings, Shared, Start};
use crate::actor::engines::Limits;
use crate::actor::engines::sandbox::Sandbox;
use crate::domain::model::job::JobUsage;

const BOOTSTRAP: &str = include_str!("bootstrap.py");
const HEROSCRIPT: &str = include_str!("heroscript.py");
const PARTS: [(&str, &str); 9] = [
    ("report", include_str!("report.py")),
    ("kernel", include_str!("kernel.py")),
    ("cleanup", include_str!("cleanup.py")),
    ("streams", include_str!("streams.py")),
    ("processes", include_str!("processes.py")),
    ("job", include_str!("job.py")),
    ("restore", include_str!("restore.py")),
    ("shared", include_str!("shared.py")),
    ("server", include_str!("server.py")),
];
/// Imports take tens of milliseconds; a machine under heavy load may need a moment.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    program: PathBuf,
    version: String,
    /// Processes that jobs leave behind are ended by the server.
    pub(super) adopts: bool,
    usage: Option<JobUsage>,
    /// Number of jobs that were given to it.
    jobs: u64,
    pub(super) control: UnixStream,
    pub(super) out: PipeReader,
    pub(super) err: PipeReader,
    pub(super) results: PipeReader,
}

impl Server {
    /// Starts it and waits until it can take jobs.
    pub(super) fn start(flags: &PythonFlags, limits: &Limits) -> Result<Self, String> {
        let shown = flags.python_bin.display();
        // What jobs leave behind becomes a child of this process, which finds it then.
        set_child_subreaper(true).map_err(|error| format!("cannot become a subreaper: {error}"))?;
        let mut server =
            Self::spawn(&flags.python_bin).map_err(|error| match error.kind() == ErrorKind::NotFound {
                true => format!("there is no Python: {shown} was not found; name one with --python-bin"),
                false => format!("{shown} cannot be started: {error}"),
            })?;
        match server.greet(flags, limits) {
            Ok(hello) => {
                server.version = format!("{} ({shown})", hello.version);
                server.adopts = hello.adopts;
                Ok(server)
            }
            Err(error) => Err(format!("{shown} does not work: {}", server.last_words(&error))),
        }
    }

    fn spawn(program: &Path) -> io::Result<Self> {
        let (control, theirs) = UnixStream::pair()?;
        let (out, their_out) = io::pipe()?;
        let (err, their_err) = io::pipe()?;
        let (results, their_results) = io::pipe()?;
        for pipe in [out.as_fd(), err.as_fd(), results.as_fd()] {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        fcntl(&their_results, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let child = Command::new(program)
            .args(["-I", "-B", "-c", BOOTSTRAP])
            .arg(their_results.as_raw_fd().to_string())
            .env_clear()
            .env("LANG", "C.UTF-8")
            .env("HOME", "/nonexistent")
            .stdin(OwnedFd::from(theirs))
            .stdout(their_out)
            .stderr(their_err)
            .spawn()?;
        Ok(Self {
            child,
            program: fs::canonicalize(program.parent().unwrap_or(program)).unwrap_or_default(),
            version: String::new(),
            adopts: false,
            usage: None,
            jobs: 0,
            control,
            out,
            err,
            results,
        })
    }

    fn greet(&mut self, flags: &PythonFlags, limits: &Limits) -> io::Result<Hello> {
        let settings = Settings {
            memory: limits.memory,
            file: flags.work.max_file,
            files: flags.work.max_open_files,
            result: limits.result,
            handlers: flags.handlers.iter().map(PathBuf::as_path).collect(),
            confined: flags.sandbox != Sandbox::None,
            shared: match flags.isolation {
                Isolation::Job => None,
                Isolation::Host => Some(Shared { jobs: flags.recycle_jobs, memory: flags.recycle_memory }),
            },
        };
        self.control.set_read_timeout(Some(START_LIMIT))?;
        let start = Start { heroscript: HEROSCRIPT, parts: &PARTS, settings };
        self.send(&start)?;
        let mut length = [0; 4];
        self.control.read_exact(&mut length)?;
        let mut body = vec![0; (u32::from_le_bytes(length) as usize).min(4096)];
        self.control.read_exact(&mut body)?;
        self.control.set_read_timeout(None)?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// Gives it a job.
    pub(super) fn submit(&mut self, request: &Request<'_>) -> io::Result<()> {
        self.jobs += 1;
        self.send(request)
    }

    fn send(&mut self, message: &impl serde::Serialize) -> io::Result<()> {
        let mut bytes = vec![0; 4];
        serde_json::to_writer(&mut bytes, message)?;
        let length = u32::try_from(bytes.len() - 4).map_err(io::Error::other)?;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        self.control.write_all(&bytes)
    }

    /// Reads the end of a job. Returns the wait status of its process; None for the end of an earlier job, which comes twice
    /// if a shared process is killed just after it has told it.
    pub(super) fn end(&mut self) -> io::Result<Option<i32>> {
        let (mut number, mut status, mut micros, mut peak) = ([0; 8], [0; 4], [0; 8], [0; 8]);
        for part in [&mut number[..], &mut status, &mut micros, &mut peak] {
            self.control.read_exact(part)?;
        }
        if u64::from_le_bytes(number) != self.jobs {
            return Ok(None);
        }
        let (cpu, peak) = (Duration::from_micros(u64::from_le_bytes(micros)), u64::from_le_bytes(peak));
        let peak_memory = Some(peak.saturating_mul(1024)).filter(|peak| *peak > 0);
        self.usage = Some(JobUsage { cpu, peak_memory });
        Ok(Some(i32::from_le_bytes(status)))
    }

    /// Takes what the processes of the last job have used.
    pub(super) fn take_usage(&mut self) -> Option<JobUsage> {
        self.usage.take()
    }

    /// Returns the exit status of the server; None while it runs.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Returns the pid of the server.
    pub(super) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Name, version and place.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Returns the folder of the interpreter; programs of a virtual environment are beside it.
    pub(super) fn program_folder(&self) -> &Path {
        &self.program
    }

    /// Returns the last message of a server that has ended.
    pub(super) fn last_words(&mut self, otherwise: &io::Error) -> String {
        drop(self.child.kill());
        let status = self.child.wait();
        let mut said = Vec::new();
        // The pipe does not block: what is there is read, then it says that there is no more.
        drop(self.err.read_to_end(&mut said));
        let said = String::from_utf8_lossy(&said);
        let line = said.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned);
        line.or_else(|| status.ok().map(|status| format!("{otherwise} ({status})")))
            .unwrap_or_else(|| otherwise.to_string())
    }
}
