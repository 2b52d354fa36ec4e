//! What an actor and its engine host say to each other, byte for byte.
//!
//! Two sockets join them. On the *job socket* the actor writes [`Run`] frames and the host answers each with one
//! [`Reply`] frame, in order, before which come those with what the script said; one that was called back is answered by
//! nothing. A frame is a `u32` length (little endian) and a body. On the *control socket* the actor writes [`ToHost`] frames and the host [`FromHost`] frames. Both
//! ends are the same binary, so there are no versions.

use std::time::Duration;

use crate::actor::hosts::{Done, HostOutput, Reply};
use crate::domain::model::job::{JobError, JobErrorKind, JobKind, JobResult, ResultKind};
use crate::domain::model::output::LogStream;
use crate::domain::model::output::OutputItem;
use crate::ports::work_queue::{AttemptError, TakenJob};
use crate::telemetry::traces::TRACEPARENT_VARIABLE;

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
    /// Script or ping.
    pub(crate) kind: JobKind,
    /// The job's id.
    pub(crate) job_id: &'a str,
    /// The text to run.
    pub(crate) script: &'a str,
    /// Who asks.
    pub(crate) caller_id: &'a str,
    /// For which context.
    pub(crate) context_id: &'a str,
    /// Environment of the script.
    pub(crate) env: Vec<(&'a str, &'a str)>,
}

/// A body that does not follow the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame between actor and engine host is malformed")]
pub(crate) struct Malformed;

/// Appends the frame of a job to `out`.
pub(crate) fn encode_job(out: &mut Vec<u8>, seq: u64, job: &TakenJob) {
    let spec = &job.spec;
    framed(out, |out| {
        put_u64(out, seq);
        put_u64(out, u64::try_from(spec.run_timeout.as_micros()).unwrap_or(u64::MAX));
        out.push(match spec.kind {
            JobKind::Script => 0,
            JobKind::Ping => 1,
        });
        put_text(out, job.lease.job_id.as_str());
        put_text(out, &spec.script);
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
        kind: match body.u8()? {
            0 => JobKind::Script,
            1 => JobKind::Ping,
            _ => return Err(Malformed),
        },
        job_id: body.text()?,
        script: body.text()?,
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

/// What the actor says on the control socket.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ToHost<'a> {
    /// No job up to this one may start any more.
    CallBack { upto: u64 },
    /// What was asked for.
    Answer { call: u64, body: &'a [u8] },
}

/// What the host says on the control socket.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FromHost<'a> {
    /// This is the job that was started last; no other one that was called back will be.
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

fn put_output(out: &mut Vec<u8>, HostOutput { number, ago, item }: &HostOutput) {
    put_u64(out, *number);
    put_u64(out, u64::try_from(ago.as_micros()).unwrap_or(u64::MAX));
    match item {
        OutputItem::Line { stream, text } => {
            out.push(match stream {
                LogStream::Stdout => 0,
                LogStream::Stderr => 1,
            });
            put_text(out, text);
        }
        OutputItem::Progress { percent, message } => {
            out.push(2);
            // Not a number stands for "unknown".
            put_u64(out, percent.unwrap_or(f64::NAN).to_bits());
            put_text(out, message);
        }
    }
}

fn put_done(out: &mut Vec<u8>, done: &Done) {
    put_u64(out, done.seq);
    put_u64(out, done.wall_us);
    out.push(u8::from(done.retiring));
    match &done.outcome {
        Ok(result) => {
            out.push(match result.kind {
                ResultKind::None => 0,
                ResultKind::Text => 1,
                ResultKind::Json => 2,
            });
            put_text(out, &result.text);
        }
        Err(AttemptError { error, retryable, counts }) => {
            out.push(3);
            out.push(u8::from(*retryable));
            out.push(u8::from(*counts));
            put_text(out, error.kind.as_str());
            put_text(out, &error.message);
            // Position 0 and exit code `i64::MIN` stand for "none": neither exists.
            put_u64(out, u64::from(error.line.unwrap_or(0)));
            put_u64(out, u64::from(error.column.unwrap_or(0)));
            put_i64(out, error.exit_code.map_or(i64::MIN, i64::from));
            put_i64(out, error.signal.map_or(i64::MIN, i64::from));
            put_len(out, error.log_tail.len());
            for line in &error.log_tail {
                put_text(out, line);
            }
        }
    }
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_len(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// What is left to read of a body.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_le_bytes)
    }

    fn position(&mut self) -> Result<Option<u32>, Malformed> {
        Ok(u32::try_from(self.u64()?).ok().filter(|position| *position > 0))
    }

    fn code(&mut self) -> Result<Option<i32>, Malformed> {
        Ok(i32::try_from(self.take().map(i64::from_le_bytes)?).ok())
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.u32()? as usize;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        str::from_utf8(text).map_err(|_| Malformed)
    }

    fn output(&mut self) -> Result<HostOutput, Malformed> {
        let number = self.u64()?;
        let ago = Duration::from_micros(self.u64()?);
        let line = |stream, text: &str| OutputItem::Line { stream, text: text.to_owned() };
        let item = match self.u8()? {
            0 => line(LogStream::Stdout, self.text()?),
            1 => line(LogStream::Stderr, self.text()?),
            2 => {
                let percent = Some(f64::from_bits(self.u64()?)).filter(|percent| percent.is_finite());
                OutputItem::Progress { percent, message: self.text()?.to_owned() }
            }
            _ => return Err(Malformed),
        };
        Ok(HostOutput { number, ago, item })
    }

    fn done(&mut self) -> Result<Done, Malformed> {
        let (seq, wall_us, retiring) = (self.u64()?, self.u64()?, self.u8()? != 0);
        let kind = match self.u8()? {
            0 => ResultKind::None,
            1 => ResultKind::Text,
            2 => ResultKind::Json,
            3 => return Ok(Done { seq, wall_us, retiring, outcome: Err(self.error()?) }),
            _ => return Err(Malformed),
        };
        let text = self.text()?.to_owned();
        Ok(Done { seq, wall_us, retiring, outcome: Ok(JobResult { text, kind }) })
    }

    fn error(&mut self) -> Result<AttemptError, Malformed> {
        let (retryable, counts) = (self.u8()? != 0, self.u8()? != 0);
        let kind = JobErrorKind::parse(self.text()?).ok_or(Malformed)?;
        let error = JobError {
            kind,
            message: self.text()?.to_owned(),
            line: self.position()?,
            column: self.position()?,
            exit_code: self.code()?,
            signal: self.code()?,
            log_tail: {
                let count = self.u32()?;
                (0..count).map(|_| self.text().map(str::to_owned)).collect::<Result<_, _>>()?
            },
        };
        Ok(AttemptError { error, retryable, counts })
    }
}

#[cfg(test)]
mod tests;
