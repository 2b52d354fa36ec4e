//! `[[queue]]` of the configuration file: declared queues by name, with their settings.
//!
//! The keys are `name`, `script_type`, and those of `[script_type.TYPE]`. A part that the file has replaces the whole stored part.

use std::path::Path;

use figment::value::{Dict, Value};

use super::actors::FileActor;
use super::script_types::{self, FileScriptType};
use super::table::Table;
use super::{Problem, actors};
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::Violations;

/// The key of the tables.
pub(super) const KEY: &str = "queue";

/// A queue that a file declares.
#[derive(Debug, Clone, PartialEq)]
pub struct FileQueue {
    /// Path of its table: `queue[0]`.
    pub table: String,
    /// Name of the queue; never that of a default queue.
    pub name: QueueName,
    /// Script type and settings.
    pub settings: FileScriptType,
}

impl FileQueue {
    /// Returns the queue with its script type.
    pub fn queue(&self) -> TypedQueue {
        TypedQueue { name: self.name, script_type: self.settings.script_type }
    }
}

/// The queues of a file, and its violations.
#[derive(Debug, Default)]
pub(super) struct FileQueues {
    pub(super) queues: Vec<FileQueue>,
    /// The tables as they were written.
    pub(super) raw: Vec<Dict>,
    pub(super) problems: Vec<Problem>,
}

/// Reads the `[[queue]]` tables of a file. `actors` are those of the same file.
pub(super) fn read(value: Option<&Value>, actors: &[FileActor], file: &Path) -> FileQueues {
    let mut violations = Violations::new();
    let raw: Vec<Dict> = match value.map(Value::deserialize::<Vec<Dict>>) {
        None => Vec::new(),
        Some(Ok(tables)) => tables,
        Some(Err(_not_tables)) => {
            violations.add(KEY, "is not a list of tables: write each queue as [[queue]]");
            Vec::new()
        }
    };
    let mut queues: Vec<FileQueue> = Vec::with_capacity(raw.len());
    for (index, table) in raw.iter().enumerate() {
        let (path, mut part) = (format!("{KEY}[{index}]"), Violations::new());
        if let Some(queue) = one(table, &path, &mut part) {
            if queues.iter().any(|other| other.name == queue.name) {
                part.add("name", format!("is {:?}, and so is another one's", queue.name.as_str()));
            }
            queues.push(queue);
        }
        violations.nest(&path, part);
    }
    check_actors(&queues, actors, &mut violations);
    FileQueues { queues, raw, problems: actors::problems(&violations, file) }
}

/// Reads one table; None for one without a usable name or script type.
fn one(table: &Dict, path: &str, violations: &mut Violations) -> Option<FileQueue> {
    let mut table = Table::new(table, violations);
    let (name, script_type): (String, String) = (table.required("name"), table.required("script_type"));
    // A missing key has a violation already.
    let name = table.has("name").then(|| table.keep("name", named(&name))).flatten();
    let script_type = table
        .has("script_type")
        .then(|| table.keep("script_type", ScriptType::parse(&script_type)))
        .flatten();
    let known = TypedQueue {
        name: name.unwrap_or_else(|| ScriptType::OSIS.into()),
        script_type: script_type.unwrap_or(ScriptType::OSIS),
    };
    let settings = script_types::settings(known, &mut table);
    table.refuse_unknown();
    Some(FileQueue {
        table: path.to_owned(),
        name: name?,
        settings: FileScriptType { script_type: script_type?, ..settings },
    })
}

fn named(raw: &str) -> Result<QueueName, String> {
    let name = QueueName::parse(raw)?;
    match name.default_type() {
        None => Ok(name),
        Some(_) => Err(format!(
            "is {raw}, the default queue of its script type, which is always there: write its settings as [{}.{raw}]",
            script_types::KEY
        )),
    }
}

/// Checks that actors of the file run what the queues of the file take.
fn check_actors(queues: &[FileQueue], actors: &[FileActor], violations: &mut Violations) {
    for FileQueue { table, name, settings } in queues {
        let takes = settings.script_type;
        let wrong = actors
            .iter()
            .filter(|actor| actor.config.queue == Some(*name) && actor.config.script_type != takes)
            .map(|actor| actor.config.name.as_str());
        for actor in wrong {
            let what = format!(
                "is {takes}, and the actor {actor:?} of this file, which is for the queue {name}, runs another type"
            );
            violations.add(format!("{table}.script_type"), what);
        }
    }
}

#[cfg(test)]
mod tests;
