//! Lines of the log, read from their JSON.

use std::time::Duration;

use serde::Deserialize;

use crate::ports::audit_reader::{AuditLine, AuditStage};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    seq: u64,
    time: String,
    stage: String,
    node: String,
    call: Option<u64>,
    identity: Option<Who>,
    peer: String,
    rpc: String,
    request_id: String,
    target: Target,
    code: String,
    reason: String,
    cause: String,
    ms: Option<f64>,
    suppressed: u64,
    note: Option<Note>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Who {
    kind: String,
    id: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Target {
    actor_id: Vec<String>,
    job_id: Vec<String>,
    script_type: Vec<String>,
    queue: Vec<String>,
    caller_id: Vec<String>,
    all: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Note {
    kind: String,
}

/// Reads a line; None for one that is damaged, or of a later version.
pub fn read_line(text: &str) -> Option<AuditLine> {
    let line: Object = serde_json::from_str(text).ok()?;
    let Target { actor_id, job_id, script_type, queue, caller_id, all } = line.target;
    let who = line.identity.unwrap_or_default();
    let identity = if who.kind.is_empty() { String::new() } else { format!("{}:{}", who.kind, who.id) };
    Some(AuditLine {
        number: line.seq,
        at: humantime::parse_rfc3339(&line.time).ok()?,
        stage: match line.stage.as_str() {
            "received" => AuditStage::Received,
            "done" => AuditStage::Done,
            "note" => AuditStage::Note,
            _other => return None,
        },
        node: line.node,
        call: line.call,
        identity,
        identity_name: who.name,
        peer: line.peer,
        rpc: line.rpc,
        request_id: line.request_id,
        targets: [actor_id, job_id, script_type, queue, caller_id].concat(),
        all_actors: all,
        code: line.code,
        reason: line.reason,
        cause: line.cause,
        took: line.ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok()),
        suppressed: line.suppressed,
        note: line.note.map(|note| note.kind).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_target_that_is_written_is_read() {
        let line = r#"{"seq":1,"time":"2026-01-31T12:00:00Z","stage":"received","target":{"actor_id":["a"],
            "job_id":["j"],"script_type":["osis"],"queue":["gpu"],"caller_id":["c"]}}"#;
        assert_eq!(read_line(line).unwrap().targets, ["a", "j", "osis", "gpu", "c"]);
    }
}
