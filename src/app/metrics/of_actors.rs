//! Series of actors. They are rendered here, because the recorder would keep those of removed actors.

use std::fmt::{Display, Write};

use crate::domain::model::actor::ActorStatus;
use crate::domain::model::id::ActorId;
use crate::domain::model::script_type::ScriptType;
use crate::telemetry::metrics as names;

/// Renders one series for each actor in the text format of Prometheus. Names of actors need no escapes.
pub(super) struct OfActors {
    name: &'static str,
    text: String,
}

impl OfActors {
    pub(super) fn new(name: &'static str, kind: &str, help: &str) -> Self {
        Self { name, text: format!("# HELP {name} {help}\n# TYPE {name} {kind}\n") }
    }

    pub(super) fn add(&mut self, actor: &ActorId, script_type: ScriptType, value: impl Display) {
        let name = self.name;
        // Writing to a String does not fail.
        let _written =
            writeln!(self.text, "{name}{{actor_id=\"{actor}\",script_type=\"{script_type}\"}} {value}");
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Renders restarts and usage.
pub(super) fn render<'a>(actors: impl Iterator<Item = &'a ActorStatus>) -> String {
    let gauge = |name, help| OfActors::new(name, "gauge", help);
    let mut restarts = OfActors::new(names::ACTOR_RESTARTS, "counter", names::ACTOR_RESTARTS_HELP);
    let mut cpu = gauge(names::ACTOR_CPU, names::ACTOR_CPU_HELP);
    let mut memory = gauge(names::ACTOR_MEMORY, names::ACTOR_MEMORY_HELP);
    let mut files = gauge(names::ACTOR_FILES, names::ACTOR_FILES_HELP);
    let mut threads = gauge(names::ACTOR_THREADS, names::ACTOR_THREADS_HELP);
    for ActorStatus { record, usage, .. } in actors {
        let (id, script_type) = (&record.id, record.config.script_type);
        restarts.add(id, script_type, record.restart_count);
        let Some(usage) = usage else { continue };
        if let Some(millicores) = usage.cpu_millicores {
            cpu.add(id, script_type, f64::from(millicores) / 1000.0);
        }
        memory.add(id, script_type, usage.memory_bytes);
        if let Some(open) = usage.open_files {
            files.add(id, script_type, open);
        }
        threads.add(id, script_type, usage.threads);
    }
    [restarts, cpu, memory, files, threads].into_iter().map(OfActors::into_text).collect()
}
