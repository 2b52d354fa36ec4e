//! The messages between an actor and its engine host, byte for byte.
//!
//! Two sockets join them. On the *job socket* the actor writes [`Run`] frames. The host answers each, in order, with frames
//! of output and one [`Reply`] frame. A job that was called back gets no answer. On the *control socket* the actor writes
//! [`ToHost`] frames and the host [`FromHost`] frames. A frame is a `u32` length (little endian) and a body. Both ends are
//! the same binary, so there are no versions.

mod body;

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::actor::hosts::Reply;
use crate::domain::model::job::JobKind;
use crate::ports::work_queue::TakenJob;
use crate::telemetry::traces::TRACEPARENT_VARIABLE;
use body::{Body, micros, put_done, put_len, put_output, put_text, put_u64};

/// Longest frame that is accepted; a script, its environment and all its strings stay well below.
pub(crate) const MAX_FRAME: usize = 16 * 1024 * 1024;

/// Bytes of the length in front of each body.
const HEADER: usize = 4;

/// A job on its way to the host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run<'a> {
    /// Counts up by one with each job that is written to this host.
    pub(crate) seq: u64,
    /// Limit of the attempt, in microseconds.
    pub(crate) timeout_us: u64,
    /// Latest start, in microseconds of [`uptime_us`]: later, the lease may belong to another actor.
    pub(crate) start_by_us: u64,
    /// Script or ping.
    pub(crate) kind: JobKind,
    /// The job's id.
    pub(crate) job_id: &'a str,
    /// The text to run.
    pub(crate) script: &'a str,
    /// JSON text for the script, if there is one.
    pub(crate) input: Option<&'a str>,
    /// Caller of the job.
    pub(crate) caller_id: &'a str,
    /// Context of the job.
    pub(crate) context_id: &'a str,
    /// Environment of the script.
    pub(crate) env: Vec<(&'a str, &'a str)>,
}

/// A body that does not follow the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame between actor and engine host is malformed")]
pub(crate) struct Malformed;

/// Time since the machine started, in microseconds. The clock is the same in all processes and goes on while the machine
/// sleeps.
pub(crate) fn uptime_us() -> u64 {
    let uptime = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default();
    micros(uptime)
}

/// Appends the frame of a job to `out`. The job must start before `start_by`.
pub(crate) fn encode_job(out: &mut Vec<u8>, seq: u64, job: &TakenJob, start_by: Instant) {
    let spec = &job.spec;
    let budget = start_by.saturating_duration_since(Instant::now());
    framed(out, |out| {
        put_u64(out, seq);
        put_u64(out, micros(spec.run_timeout));
        put_u64(out, uptime_us().saturating_add(micros(budget)));
        out.push(match spec.kind {
            JobKind::Script => 0,
            JobKind::Ping => 1,
        });
        put_text(out, job.lease.job_id.as_str());
        put_text(out, &spec.script);
        out.push(spec.input.is_some().into());
        spec.input.iter().for_each(|input| put_text(out, input));
        put_text(out, &spec.caller_id);
        put_text(out, &spec.context_id);
        // A script's own word on its trace counts more than its caller's.
        let traceparent =
            spec.traceparent.as_deref().filter(|_| !spec.env.contains_key(TRACEPARENT_VARIABLE));
        let traced = traceparent.map(|value| (TRACEPARENT_VARIABLE, value));
        put_len(out, spec.env.len() + usize::from(traced.is_some()));
        let env = spec.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in env.chain(traced) {
            put_text(out, name);
            put_text(out, value);
        }
    });
}

/// Reads the body of a job's frame.
pub(crate) fn decode_run(body: &[u8]) -> Result<Run<'_>, Malformed> {
    let mut body = Body(body);
    Ok(Run {
        seq: body.u64()?,
        timeout_us: body.u64()?,
        start_by_us: body.u64()?,
        kind: match body.u8()? {
            0 => JobKind::Script,
            1 => JobKind::Ping,
            _ => return Err(Malformed),
        },
        job_id: body.text()?,
        script: body.text()?,
        input: match body.u8()? {
            0 => None,
            1 => Some(body.text()?),
            _ => return Err(Malformed),
        },
        caller_id: body.text()?,
        context_id: body.text()?,
        env: {
            let count = body.u32()?;
            (0..count).map(|_| Ok((body.text()?, body.text()?))).collect::<Result<_, Malformed>>()?
        },
    })
}

/// Appends the frame of a reply to `out`.
pub(crate) fn encode_reply(out: &mut Vec<u8>, reply: &Reply) {
    framed(out, |out| match reply {
        Reply::Ready { version } => {
            out.push(0);
            put_text(out, version);
        }
        Reply::Unavailable { reason } => {
            out.push(1);
            put_text(out, reason);
        }
        Reply::Done(done) => {
            out.push(2);
            put_done(out, done);
        }
        Reply::Output { seq, output } => {
            out.push(3);
            put_u64(out, *seq);
            put_len(out, output.len());
            output.iter().for_each(|output| put_output(out, output));
        }
        Reply::Stale { seq } => {
            out.push(4);
            put_u64(out, *seq);
        }
    });
}

/// Reads the body of a reply's frame.
pub(crate) fn decode_reply(body: &[u8]) -> Result<Reply, Malformed> {
    let mut body = Body(body);
    match body.u8()? {
        0 => Ok(Reply::Ready { version: body.text()?.to_owned() }),
        1 => Ok(Reply::Unavailable { reason: body.text()?.to_owned() }),
        2 => Ok(Reply::Done(body.done()?)),
        3 => {
            let seq = body.u64()?;
            let count = body.u32()?;
            let output = (0..count).map(|_| body.output()).collect::<Result<_, Malformed>>()?;
            Ok(Reply::Output { seq, output })
        }
        4 => Ok(Reply::Stale { seq: body.u64()? }),
        _ => Err(Malformed),
    }
}

/// The body of the first whole frame in `bytes` and the length of that frame, or None when more bytes are needed.
pub(crate) fn first_frame(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Malformed> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let length = body_length(*header)?;
    Ok(rest.get(..length).map(|body| (body, HEADER + length)))
}

/// The length of the body that follows this header.
pub(crate) fn body_length(header: [u8; HEADER]) -> Result<usize, Malformed> {
    let length = u32::from_le_bytes(header) as usize;
    if length > MAX_FRAME { Err(Malformed) } else { Ok(length) }
}

/// A message of the actor on the control socket.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ToHost<'a> {
    /// No job up to this one may start any more.
    CallBack { upto: u64 },
    /// Answer to a call of the script.
    Answer { call: u64, body: &'a [u8] },
}

/// A message of the host on the control socket.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FromHost<'a> {
    /// Answer to a call back: the job that was started last. Nothing behind it will be started.
    CalledBack { current: u64 },
    /// The script of the job `seq` asks for something.
    Call { call: u64, seq: u64, body: &'a [u8] },
}

/// Appends a frame for the control socket to `out`.
pub(crate) fn encode_to_host(out: &mut Vec<u8>, frame: &ToHost<'_>) {
    framed(out, |out| match frame {
        ToHost::CallBack { upto } => {
            out.push(0);
            put_u64(out, *upto);
        }
        ToHost::Answer { call, body } => {
            out.push(1);
            put_u64(out, *call);
            out.extend_from_slice(body);
        }
    });
}

/// Reads the body of such a frame.
pub(crate) fn decode_to_host(body: &[u8]) -> Result<ToHost<'_>, Malformed> {
    let mut body = Body(body);
    match body.u8()? {
        0 => Ok(ToHost::CallBack { upto: body.u64()? }),
        1 => Ok(ToHost::Answer { call: body.u64()?, body: body.0 }),
        _ => Err(Malformed),
    }
}

/// Appends a frame from the host's end of the control socket to `out`.
pub(crate) fn encode_from_host(out: &mut Vec<u8>, frame: &FromHost<'_>) {
    framed(out, |out| match frame {
        FromHost::CalledBack { current } => {
            out.push(0);
            put_u64(out, *current);
        }
        FromHost::Call { call, seq, body } => {
            out.push(1);
            put_u64(out, *call);
            put_u64(out, *seq);
            out.extend_from_slice(body);
        }
    });
}

/// Reads the body of such a frame.
pub(crate) fn decode_from_host(body: &[u8]) -> Result<FromHost<'_>, Malformed> {
    let mut body = Body(body);
    match body.u8()? {
        0 => Ok(FromHost::CalledBack { current: body.u64()? }),
        1 => Ok(FromHost::Call { call: body.u64()?, seq: body.u64()?, body: body.0 }),
        _ => Err(Malformed),
    }
}

fn framed(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    write(out);
    let length = u32::try_from(out.len() - start - HEADER).unwrap_or(u32::MAX);
    if let Some(header) = out.get_mut(start..start + HEADER) {
        header.copy_from_slice(&length.to_le_bytes());
    }
}

#[cfg(test)]
mod tests;
