//! Lines of a backup beside its records: the header and the end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::adapters::redis::{HashName, Record};

/// Format of the files that this version writes. It grows when a record changes its meaning; a new field with a default does not need
/// that. All formats from 1 on are read.
pub(super) const FORMAT: u32 = 1;
/// Longest line, in bytes: a job with the largest script, input, result and error, each byte of which is escaped.
pub(super) const LONGEST: u64 = 64 * 1024 * 1024;

/// First line of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Format of the file.
    pub(super) format: u32,
    /// Version of the program that has made it.
    #[serde(default)]
    pub(super) version: String,
    /// Id of the backup.
    #[serde(default)]
    pub(super) backup: String,
    /// Time of its begin, RFC 3339.
    #[serde(default)]
    pub(super) time: String,
    /// Redis that it is of, without a password.
    #[serde(default)]
    pub(super) source: String,
}

/// The header as a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeaderLine {
    pub(super) header: Header,
}

/// Last line of a backup before its seal.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EndLine {
    pub(super) end: Counts,
}

/// Numbers of records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    pub(super) actors: u64,
    /// Templates and settings of script types and of queues.
    pub(super) settings: u64,
    pub(super) queues: u64,
    pub(super) jobs: u64,
    /// The same by their states.
    pub(super) jobs_by_state: BTreeMap<String, u64>,
    pub(super) requests: u64,
    pub(super) objects: u64,
}

/// A number of things for people.
pub(super) fn counted(count: u64, one: &str) -> String {
    match (count, one.split_once(" or ")) {
        (1, _) => format!("1 {one}"),
        (_, Some((first, second))) => format!("{count} {first}s or {second}s"),
        (_, None) => format!("{count} {one}s"),
    }
}

impl Counts {
    /// Counts one record.
    pub(super) fn add(&mut self, record: &Record) {
        match record {
            Record::Field { hash: HashName::Actors, .. } => self.actors += 1,
            Record::Field {
                hash: HashName::Templates | HashName::Settings | HashName::QueueSettings,
                ..
            } => {
                self.settings += 1;
            }
            Record::Queue(_) => self.queues += 1,
            Record::Job(job) => {
                self.jobs += 1;
                let state = job.fields.iter().find(|(name, _)| name.0 == b"status");
                let state = state.map(|(_, state)| state.shown()).unwrap_or_default();
                *self.jobs_by_state.entry(state).or_default() += 1;
            }
            Record::Request(_) => self.requests += 1,
            Record::Object(_) => self.objects += 1,
        }
    }

    /// Says it for people.
    pub(super) fn describe(&self) -> String {
        let states = self.jobs_by_state.iter().map(|(state, count)| format!("{count} {state}"));
        let states = states.collect::<Vec<_>>().join(", ");
        let states = if states.is_empty() { states } else { format!(" ({states})") };
        let jobs = format!("{}{states}", counted(self.jobs, "job"));
        [
            counted(self.actors, "actor"),
            counted(self.settings, "setting or template"),
            counted(self.queues, "queue"),
            jobs,
            counted(self.requests, "request id"),
            counted(self.objects, "object"),
        ]
        .join(", ")
    }
}
