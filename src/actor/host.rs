//! The engine host: the process in which scripts run.
//!
//! A host is the actor's own program, started again with `--host` and an empty environment, and kept running for many
//! jobs. Standard input is the job socket, standard output the control socket (see `frame.rs`), standard error goes to
//! the actor's log. A host talks to nothing else and knows no address of anything, except that of a Redis which is
//! given to scripts by name.
//!
//! One thread with a large stack reads a job, runs it, answers and reads the next. A second thread waits on the control
//! socket, so that the actor can call back jobs that are already in the socket while a script runs. A third one sends
//! what a script has said when it says nothing more for a while (see `output_writer.rs`). The host never
//! decides to kill a script that its engine cannot stop: the actor kills the host.

use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{dup2_stdin, dup2_stdout};
use tokio::time::Instant;

use crate::actor::engines::work;
use crate::actor::engines::{BYTE_ORDER_MARK, Engine, Limits, Script, Sink};
use crate::actor::frame::{FromHost, Run, ToHost, body_length, decode_run, decode_to_host, uptime_us};
use crate::actor::host_calls::{Caller, ControlSocket, ReplySender};
use crate::actor::hosts::{Done, Reply};
use crate::actor::meter::HostMeter;
use crate::actor::orphans::PARENT_MARK;
use crate::actor::output_writer::OutputWriter;
use crate::actor::process_tree;
use crate::actor::start_gate::{Start, StartGate};

/// Stack of the thread that runs scripts: deep data and closures overflow the usual 2 MB.
const STACK: usize = 64 << 20;
/// Jobs shorter than this cannot have grown the heap by much; the others are worth a look at it.
const LOOK_AT_MEMORY_AFTER: Duration = Duration::from_millis(10);

/// Runs jobs until the actor is gone. `load` makes the engine, on the thread that will use it.
pub fn serve<E: Engine>(
    load: impl FnOnce(Limits) -> E + Send + 'static,
    limits: Limits,
    actor_id: &str,
) -> ExitCode {
    let actor_id = actor_id.to_owned();
    // While the actor surely lives.
    LazyLock::force(&PARENT_MARK);
    match join(load, limits, actor_id) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is read by the actor, which puts it into its log.
            drop(writeln!(io::stderr(), "the engine host ends: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn join<E: Engine>(
    load: impl FnOnce(Limits) -> E + Send + 'static,
    limits: Limits,
    actor_id: String,
) -> io::Result<()> {
    // A host with children is told by its socket that the actor is gone, and takes them with it.
    if !E::STARTS_PROCESSES {
        set_pdeathsig(Signal::SIGKILL)?;
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    if E::STOPS_SCRIPTS {
        // In this thread before there are others, so that it holds for all.
        SigSet::from_iter([Signal::SIGTERM]).thread_block()?;
    }
    // If memory runs out, the kernel should take this process rather than the actor. Not allowed everywhere.
    drop(fs::write("/proc/self/oom_score_adj", "1000"));
    let (jobs, control) = sockets()?;
    let words = ControlSocket::new(control.try_clone()?);
    let (caller, answered) = Caller::new(words.clone());
    let gate = Arc::new(StartGate::default());
    let scripts_gate = Arc::clone(&gate);
    let scripts = move || {
        let ended =
            Scripts { actor_id: &actor_id, gate: &scripts_gate, limits, base: 0, caller }.run(load, jobs);
        if let Err(error) = &ended {
            drop(writeln!(io::stderr(), "the engine host ends: {error}"));
        }
        // The other thread waits for the actor; there is nothing left to do.
        if E::STARTS_PROCESSES {
            process_tree::sweep(|_all| true);
        }
        work::remove_own();
        std::process::exit(i32::from(ended.is_err()));
    };
    std::thread::Builder::new().name("scripts".to_owned()).stack_size(STACK).spawn(scripts)?;
    let ended = listen(control, &words, &gate, &answered);
    // The scripts thread may have more jobs in hand; none of them starts behind the sweep.
    gate.call_back(u64::MAX);
    if E::STARTS_PROCESSES {
        process_tree::sweep(|_all| true);
    }
    work::remove_own();
    ended
}

/// Takes the two sockets from where scripts could reach them.
fn sockets() -> io::Result<(UnixStream, UnixStream)> {
    let jobs: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let control: OwnedFd = io::stdout().as_fd().try_clone_to_owned()?;
    let nothing = fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    Ok((jobs.into(), control.into()))
}

/// Reads the actor's messages on the control socket until the actor is gone.
fn listen(
    mut control: UnixStream,
    words: &ControlSocket,
    gate: &StartGate,
    answered: &ReplySender,
) -> io::Result<()> {
    let mut body = Vec::new();
    while read_frame(&mut control, &mut body)? {
        match decode_to_host(&body).map_err(io::Error::other)? {
            ToHost::CallBack { upto } => {
                words.say(&FromHost::CalledBack { current: gate.call_back(upto) })?
            }
            ToHost::Answer { call, body } => answered.take(call, body),
        }
        shrink(&mut body);
    }
    Ok(())
}

/// The thread that runs scripts.
struct Scripts<'a> {
    actor_id: &'a str,
    gate: &'a StartGate,
    limits: Limits,
    /// Address space of the idle engine, in bytes.
    base: u64,
    /// Channel by which scripts call the actor.
    caller: Caller,
}

impl Scripts<'_> {
    fn run<E: Engine>(mut self, load: impl FnOnce(Limits) -> E, jobs: UnixStream) -> io::Result<()> {
        let mut engine = load(self.limits);
        engine.connect(self.caller.clone());
        let output_writer = OutputWriter::start(jobs.try_clone()?, self.limits.output)?;
        let sink: Arc<dyn Sink> = output_writer.clone();
        let mut jobs = BufReader::with_capacity(64 * 1024, jobs);
        let ready = match engine.probe() {
            Ok(version) => Reply::Ready { version },
            Err(reason) => Reply::Unavailable { reason },
        };
        self.base = address_space()?;
        if !E::LIMITS_MEMORY {
            self.limit_memory()?;
        }
        output_writer.reply(&ready)?;
        let mut meter = HostMeter::new();
        let mut body = Vec::new();
        while read_frame(&mut jobs, &mut body)? {
            let run = decode_run(&body).map_err(io::Error::other)?;
            // Of what was called back nothing is said: the answer to the call has said it all.
            match self.gate.start(run.seq, uptime_us() >= run.start_by_us) {
                Start::Go => {
                    output_writer.begin(run.seq);
                    let done = self.attempt(&mut engine, &run, &sink, &mut meter);
                    let retiring = done.retiring;
                    output_writer.reply(&Reply::Done(done))?;
                    if retiring {
                        break;
                    }
                }
                Start::Stale => output_writer.reply(&Reply::Stale { seq: run.seq })?,
                Start::CalledBack => {}
            }
            shrink(&mut body);
        }
        Ok(())
    }

    fn attempt<E: Engine>(
        &self,
        engine: &mut E,
        run: &Run<'_>,
        sink: &Arc<dyn Sink>,
        meter: &mut HostMeter,
    ) -> Done {
        self.caller.begin(run.seq);
        let begin = Instant::now();
        meter.begin();
        let script = Script {
            kind: run.kind,
            job_id: run.job_id,
            text: run.script.strip_prefix(BYTE_ORDER_MARK).unwrap_or(run.script),
            input: run.input,
            caller_id: run.caller_id,
            context_id: run.context_id,
            actor_id: self.actor_id,
            env: &run.env,
            timeout: Duration::from_micros(run.timeout_us),
        };
        let outcome = engine.run(&script, sink);
        let wall = begin.elapsed();
        let wall_us = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
        let (own, started) = ((!E::SCRIPTS_ARE_PROCESSES).then(|| meter.end(wall)), engine.take_usage());
        let usage = match (own, started) {
            (Some(own), Some(started)) => Some(own.and(started)),
            (own, started) => own.or(started),
        };
        let retiring = wall >= LOOK_AT_MEMORY_AFTER && self.has_grown();
        Done { seq: run.seq, wall_us, retiring, usage, outcome }
    }

    /// Whatever a script does, it gets only so much memory; then the allocator ends this process.
    fn limit_memory(&self) -> io::Result<()> {
        let limit = self.base.saturating_add(self.limits.memory);
        Ok(setrlimit(Resource::RLIMIT_AS, limit, limit)?)
    }

    /// True when earlier jobs have left so much in the heap that later ones would have too little.
    fn has_grown(&self) -> bool {
        address_space().is_ok_and(|now| now.saturating_sub(self.base) > self.limits.memory / 2)
    }
}

/// Address space of this process, in bytes.
fn address_space() -> io::Result<u64> {
    const PAGE: u64 = 4096;
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    pages.map(|pages| pages * PAGE).ok_or_else(|| io::Error::other("/proc/self/statm could not be read"))
}

/// Reads one body; false at the end of the stream.
fn read_frame(jobs: &mut impl Read, body: &mut Vec<u8>) -> io::Result<bool> {
    let mut header = [0; 4];
    match jobs.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    }
    body.resize(body_length(header).map_err(io::Error::other)?, 0);
    jobs.read_exact(body)?;
    Ok(true)
}

/// Gives the room for one large job back.
fn shrink(buffer: &mut Vec<u8>) {
    const KEPT: usize = 256 * 1024;
    if buffer.capacity() > KEPT {
        buffer.clear();
        buffer.shrink_to(KEPT);
    }
}

#[cfg(test)]
mod tests;
