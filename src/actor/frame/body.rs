//! The parts of frames, byte for byte: numbers, texts, output, and how jobs end.

use std::time::Duration;

use super::Malformed;
use crate::actor::hosts::{Done, HostOutput};
use crate::domain::model::job::{JobError, JobErrorKind, JobResult, JobUsage, ResultKind};
use crate::domain::model::output::{LogStream, OutputItem};
use crate::ports::work_queue::{AttemptError, Retryability};

/// Number that stands for one that is not known.
const NOT_KNOWN: u64 = u64::MAX;

pub(super) fn put_output(out: &mut Vec<u8>, HostOutput { number, ago, item }: &HostOutput) {
    put_u64(out, *number);
    put_u64(out, micros(*ago));
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

pub(super) fn put_done(out: &mut Vec<u8>, done: &Done) {
    put_u64(out, done.seq);
    put_u64(out, done.wall_us);
    out.push(u8::from(done.retiring));
    // No time and no memory is as much as `NOT_KNOWN`.
    put_u64(out, done.usage.map_or(NOT_KNOWN, |usage| micros(usage.cpu)));
    put_u64(out, done.usage.and_then(|usage| usage.peak_memory).unwrap_or(NOT_KNOWN));
    match &done.outcome {
        Ok(result) => {
            out.push(match result.kind {
                ResultKind::None => 0,
                ResultKind::Text => 1,
                ResultKind::Json => 2,
            });
            put_text(out, &result.text);
        }
        Err(AttemptError { error, retry }) => {
            out.push(3);
            out.push(match retry {
                Retryability::Final => 0,
                Retryability::Retry => 1,
                Retryability::NotStarted => 2,
            });
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

pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_len(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// The rest of a body that is being read.
pub(super) struct Body<'a>(pub(super) &'a [u8]);

impl<'a> Body<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_le_bytes)
    }

    fn position(&mut self) -> Result<Option<u32>, Malformed> {
        Ok(u32::try_from(self.u64()?).ok().filter(|position| *position > 0))
    }

    fn code(&mut self) -> Result<Option<i32>, Malformed> {
        Ok(i32::try_from(self.take().map(i64::from_le_bytes)?).ok())
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.u32()? as usize;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        str::from_utf8(text).map_err(|_| Malformed)
    }

    pub(super) fn output(&mut self) -> Result<HostOutput, Malformed> {
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

    pub(super) fn done(&mut self) -> Result<Done, Malformed> {
        let (seq, wall_us, retiring) = (self.u64()?, self.u64()?, self.u8()? != 0);
        let usage = self.usage()?;
        let kind = match self.u8()? {
            0 => ResultKind::None,
            1 => ResultKind::Text,
            2 => ResultKind::Json,
            3 => return Ok(Done { seq, wall_us, retiring, usage, outcome: Err(self.error()?) }),
            _ => return Err(Malformed),
        };
        let text = self.text()?.to_owned();
        Ok(Done { seq, wall_us, retiring, usage, outcome: Ok(JobResult { text, kind }) })
    }

    fn usage(&mut self) -> Result<Option<JobUsage>, Malformed> {
        let (cpu, peak) = (self.u64()?, self.u64()?);
        let known = |number: u64| Some(number).filter(|number| *number != NOT_KNOWN);
        Ok(known(cpu).map(|cpu| JobUsage { cpu: Duration::from_micros(cpu), peak_memory: known(peak) }))
    }

    fn error(&mut self) -> Result<AttemptError, Malformed> {
        let retry = match self.u8()? {
            0 => Retryability::Final,
            1 => Retryability::Retry,
            2 => Retryability::NotStarted,
            _ => return Err(Malformed),
        };
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
        Ok(AttemptError { error, retry })
    }
}
