//! One line of the log, as the command line reads it.

use std::time::SystemTime;

use serde::Deserialize;

use crate::printable::one_line;

/// One line.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    seq: u64,
    time: String,
    stage: String,
    identity: Option<Who>,
    peer: String,
    pub(super) rpc: String,
    target: Target,
    pub(super) code: String,
    reason: String,
    cause: String,
    note: Option<Note>,
}

#[derive(Debug, Default, Deserialize)]
struct Who {
    kind: String,
    id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Target {
    actor_id: Vec<String>,
    job_id: Vec<String>,
    script_type: Vec<String>,
    caller_id: Vec<String>,
    all: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Note {
    kind: String,
}

impl Entry {
    /// Returns when the line was written.
    pub(super) fn at(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(&self.time).ok()
    }

    /// Returns true if the identity is this one: its id, or its kind and id.
    pub(super) fn is_by(&self, wanted: &str) -> bool {
        self.identity.as_ref().is_some_and(|who| who.id == wanted || who.label() == wanted)
    }

    /// Returns true if the line is about an actor, a job, a script type or a caller of this name.
    pub(super) fn is_about(&self, wanted: &str) -> bool {
        self.target.names().any(|name| name == wanted)
    }

    /// Returns the cells of a table.
    pub(super) fn row(&self) -> [String; 9] {
        let who = self.identity.as_ref().map(Who::label).unwrap_or_default();
        let mut about: Vec<&str> = self.target.names().map(String::as_str).collect();
        if self.target.all {
            about.push("all actors");
        }
        let what = self.note.as_ref().map_or(self.rpc.as_str(), |note| note.kind.as_str());
        let reason = match (self.reason.as_str(), self.cause.as_str()) {
            (reason, "") => reason.to_owned(),
            (reason, cause) => format!("{reason} ({cause})"),
        };
        let cells = [self.seq.to_string(), self.time.clone(), self.stage.clone(), who, self.peer.clone()];
        let [seq, time, stage, who, peer] = cells.map(|cell| one_line(&cell).into_owned());
        let cells = [what.to_owned(), about.join(" "), self.code.clone(), reason];
        let [what, about, code, reason] = cells.map(|cell| one_line(&cell).into_owned());
        [seq, time, stage, who, peer, what, about, code, reason]
    }
}

impl Who {
    fn label(&self) -> String {
        format!("{}:{}", self.kind, self.id)
    }
}

impl Target {
    fn names(&self) -> impl Iterator<Item = &String> {
        [&self.actor_id, &self.job_id, &self.script_type, &self.caller_id].into_iter().flatten()
    }
}
