//! Queues that were created by name.

use super::State;
use crate::domain::model::id::JobId;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::ports::clock::Clock;
use crate::ports::queue_registry::{QueueCreated, QueueDeleted, QueueRecord};

impl State {
    /// Returns the script type whose jobs a queue takes; None when there is no such queue.
    pub(in crate::adapters::memory) fn type_of(&self, name: QueueName) -> Option<ScriptType> {
        name.default_type().or_else(|| self.registry.get(&name).map(|record| record.script_type))
    }

    pub(in crate::adapters::memory) fn create_queue(
        &mut self,
        name: QueueName,
        script_type: ScriptType,
        limit: u64,
    ) -> QueueCreated {
        if let Some(record) = self.registry.get(&name) {
            return QueueCreated::Exists(record.clone());
        }
        if self.registry.len() as u64 >= limit {
            return QueueCreated::TooMany { limit };
        }
        let record = QueueRecord { name, script_type, created_at: self.clock.now() };
        self.registry.insert(name, record.clone());
        QueueCreated::New(record)
    }

    /// Returns queues with jobs or actors, at most so many; first those in which anything is unfinished, or at which an actor is.
    pub(in crate::adapters::memory) fn used_queues(&self, most: usize) -> Vec<QueueRecord> {
        let mut used: Vec<(bool, &QueueRecord)> = Vec::new();
        for (name, record) in &self.registry {
            let states: Vec<bool> = self
                .jobs
                .values()
                .filter(|job| job.spec.queue() == *name)
                .map(|job| job.state.is_terminal())
                .collect();
            let has_actors = self.queues.get(name).is_some_and(|queue| !queue.presences.is_empty());
            let is_idle = !has_actors && states.iter().all(|is_terminal| *is_terminal);
            if has_actors || !states.is_empty() {
                used.push((is_idle, record));
            }
        }
        used.sort_by_key(|(is_idle, record)| (*is_idle, record.name));
        used.into_iter().take(most).map(|(_is_idle, record)| record.clone()).collect()
    }

    pub(in crate::adapters::memory) fn delete_queue(&mut self, name: QueueName) -> QueueDeleted {
        if !self.registry.contains_key(&name) {
            return QueueDeleted::Unknown;
        }
        let of_queue = |job: &&crate::domain::model::job::Job| job.spec.queue() == name;
        let jobs = self.jobs.values().filter(of_queue).filter(|job| !job.state.is_terminal()).count() as u64;
        let actors = self.look_at(name).presences.len() as u64;
        if jobs > 0 || actors > 0 {
            return QueueDeleted::InUse { jobs, actors };
        }
        let ended: Vec<JobId> = self.jobs.values().filter(of_queue).map(|job| job.id.clone()).collect();
        for id in ended {
            self.delete(&id);
        }
        self.queues.remove(&name);
        self.events.forget(name);
        self.registry.remove(&name);
        QueueDeleted::Gone
    }
}
