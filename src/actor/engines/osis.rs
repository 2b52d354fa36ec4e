//! OSIS scripts: Rhai or HeroScript, with objects that outlive them.
//!
//! Objects are maps with an id, kept by type in the context of the job: `osis_set("note", #{title: "x"})` in Rhai is
//! `!!osis.set type:note title:x` in HeroScript. Names follow what other OSIS programs call these functions.

mod actions;
mod functions;
mod objects;

use std::sync::Arc;

use crate::actor::engines::heroscript::run::{Playbooks, run};
use crate::actor::engines::rhai::Rhai;
use crate::actor::engines::{Engine, Limits, Script, Sink, is_heroscript};
use crate::actor::host_calls::Caller;
use crate::domain::model::job::{JobKind, JobResult};
use crate::ports::work_queue::AttemptError;
use objects::Objects;

/// Runs OSIS scripts.
pub struct Osis {
    rhai: Rhai,
    playbooks: Playbooks,
    objects: Arc<Objects>,
    limits: Limits,
}

impl Osis {
    /// Loads functions and actions.
    pub fn new(limits: Limits) -> Self {
        let objects = Arc::new(Objects::default());
        let (rhai, ()) = Rhai::with(limits, |session| (functions::module(&objects, session), ()));
        Self { rhai, playbooks: actions::playbooks(&objects), objects, limits }
    }
}

impl Engine for Osis {
    fn connect(&mut self, actor: Caller) {
        self.objects.connect(actor);
    }

    fn probe(&mut self) -> Result<String, String> {
        self.rhai.probe()
    }

    fn run(&mut self, script: &Script<'_>, sink: &Arc<dyn Sink>) -> Result<JobResult, AttemptError> {
        if script.kind == JobKind::Script && is_heroscript(script.text) {
            return run(&self.playbooks, self.rhai.session(), script, sink, &self.limits);
        }
        self.rhai.run(script, sink)
    }
}

#[cfg(test)]
mod tests;
