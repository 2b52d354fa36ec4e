//! The lines, as JSON.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::chain::{Head, seal};
use crate::domain::access::Identity;
use crate::hex;
use crate::ports::audit::{AuditTarget, AuditedCall, AuditedEnd};
use crate::printable::printable_json;

/// Longest text in a line, in bytes; longer ones are cut off.
const LONGEST_TEXT: usize = 256;
/// Most names in a list of a line; further ones are left out.
const LONGEST_LIST: usize = 50;

/// Content of a line, before the line has its place in the chain.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) at: SystemTime,
    pub(super) kind: LineKind,
}

/// Kind of a line, with its payload.
#[derive(Debug, Clone)]
pub(super) enum LineKind {
    /// A call was received.
    Received { number: u64, call: Arc<AuditedCall> },
    /// A call has ended.
    Done { number: u64, call: Arc<AuditedCall>, end: AuditedEnd },
    /// A call was refused because of who calls. `suppressed` such calls before it were not noted.
    Refused { call: Arc<AuditedCall>, end: AuditedEnd, suppressed: u64 },
    /// A note about the log itself.
    Note(Note),
}

/// A note about the log itself.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Note {
    /// A file begins.
    File,
    /// A supervisor has begun to write.
    Opened { version: &'static str },
    /// The supervisor has ended in order.
    Closed,
    /// The end of the file was torn by a crash.
    TornLine { bytes: u64, kept_in: String },
    /// The log can be written again. Lines and changes in between were lost or refused.
    Recovered { lost: u64, refused: u64, cause: String },
}

impl Content {
    /// Renders the line behind `head`, without a line end.
    pub(super) fn render(&self, node: &str, head: &Head) -> serde_json::Result<(String, Head)> {
        let seq = head.seq + 1;
        let time = humantime::format_rfc3339_micros(self.at).to_string();
        let mut line = Object { seq, prev_sha256: &head.sha256, time, node, ..Object::default() };
        match &self.kind {
            LineKind::Received { number, call } => {
                (line.stage, line.call) = ("received", Some(*number));
                line.of(call, &[]);
            }
            LineKind::Done { number, call, end } => {
                (line.stage, line.call) = ("done", Some(*number));
                line.of(call, &end.job_ids);
                line.ended(end);
            }
            LineKind::Refused { call, end, suppressed } => {
                (line.stage, line.suppressed) = ("done", *suppressed);
                line.of(call, &end.job_ids);
                line.ended(end);
            }
            LineKind::Note(note) => (line.stage, line.note) = ("note", Some(note)),
        }
        let object = serde_json::to_string(&line)?;
        Ok(seal(seq, printable_json(&object).into_owned()))
    }
}

#[derive(Default, Serialize)]
struct Object<'a> {
    seq: u64,
    prev_sha256: &'a str,
    time: String,
    stage: &'static str,
    node: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Who<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rpc: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<Cut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<f64>,
    #[serde(skip_serializing_if = "is_zero")]
    suppressed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a Note>,
}

impl<'a> Object<'a> {
    fn of(&mut self, call: &'a AuditedCall, jobs: &'a [String]) {
        self.identity = call.identity.as_deref().map(Who::of);
        (self.peer, self.rpc) = (Some(call.peer.as_str()), Some(call.rpc));
        self.request_id = call.request_id.as_deref().map(Cut);
        self.target = Target::of(&call.target, jobs);
        self.params = call.params.map(|digest| format!("sha256:{}", hex::encode(&digest)));
    }

    fn ended(&mut self, end: &'a AuditedEnd) {
        (self.code, self.reason, self.cause) = (Some(end.code), end.reason.as_deref(), end.cause);
        self.ms = Some((end.took.as_secs_f64() * 1e6).round() / 1e3);
    }
}

#[derive(Serialize)]
struct Who<'a> {
    kind: &'static str,
    id: Cut<'a>,
    #[serde(skip_serializing_if = "Cut::is_empty")]
    name: Cut<'a>,
}

impl<'a> Who<'a> {
    fn of(identity: &'a Identity) -> Self {
        Self { kind: identity.kind.as_str(), id: Cut(&identity.id), name: Cut(&identity.name) }
    }
}

#[derive(Serialize)]
struct Target<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actor_id: Vec<Cut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    job_id: Vec<Cut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    script_type: Vec<Cut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue: Vec<Cut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    caller_id: Vec<Cut<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    all: bool,
}

impl<'a> Target<'a> {
    fn of(target: &'a AuditTarget, more_jobs: &'a [String]) -> Option<Self> {
        let cut = |names: &'a [String]| names.iter().take(LONGEST_LIST).map(|name| Cut(name)).collect();
        let jobs = if more_jobs.is_empty() { &target.job_ids } else { more_jobs };
        let is_empty = *target == AuditTarget::default() && more_jobs.is_empty();
        (!is_empty).then(|| Self {
            actor_id: cut(&target.actor_ids),
            job_id: cut(jobs),
            script_type: cut(&target.script_types),
            queue: cut(&target.queues),
            caller_id: cut(&target.caller_ids),
            all: target.all,
        })
    }
}

/// A text of a caller, cut off where it is too long.
struct Cut<'a>(&'a str);

impl Cut<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Cut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.len() <= LONGEST_TEXT {
            return serializer.serialize_str(self.0);
        }
        let end = self.0.floor_char_boundary(LONGEST_TEXT);
        serializer.collect_str(&format_args!("{}…", &self.0[..end]))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
