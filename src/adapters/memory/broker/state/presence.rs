//! Actors as the broker knows them: announcements, messages, and what happens to their jobs when they go.

use super::{Holder, InFlight, Lane, State};
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{JobError, JobErrorKind};
use crate::domain::model::queue_name::QueueName;
use crate::ports::actor_presence::{Presence, Reclaimed};
use crate::ports::work_queue::Work;

impl State {
    pub(in crate::adapters::memory) fn reclaim(
        &mut self,
        name: QueueName,
        holder: &Holder,
        error: &JobError,
    ) -> Reclaimed {
        let queue = self.queue(name);
        let lost: Vec<u64> =
            queue.held.iter().filter(|(_, held)| held.holder == *holder).map(|(entry, _)| *entry).collect();
        let mut reclaimed = Reclaimed::default();
        for entry in lost {
            self.reclaim_entry(name, entry, error, &mut reclaimed);
        }
        let queue = self.queue(name);
        queue.messages.remove(holder);
        if queue.presences.get(&holder.actor_id).is_some_and(|presence| presence.pid == holder.pid) {
            queue.presences.remove(&holder.actor_id);
        }
        reclaimed
    }

    pub(in crate::adapters::memory) fn presences(&self, name: QueueName) -> Vec<Presence> {
        let queue = self.look_at(name);
        let counted = |presence: &Presence| {
            let of_it = |held: &&InFlight| {
                held.counted && held.holder.actor_id == presence.actor_id && held.holder.pid == presence.pid
            };
            let held = queue.held.values().filter(of_it);
            Presence { in_flight: u32::try_from(held.count()).unwrap_or(u32::MAX), ..presence.clone() }
        };
        queue.presences.values().map(counted).collect()
    }

    pub(in crate::adapters::memory) fn forget_actor(&mut self, name: QueueName, actor: &ActorId) {
        let queue = self.queue(name);
        queue.presences.remove(actor);
        queue.messages.retain(|holder, _hints| holder.actor_id != *actor);
        let pinned = |lane: &Lane| matches!(lane, Lane::Inbox(of) if of == actor);
        let mut lost: Vec<JobId> = Vec::new();
        queue.waiting.retain(|(lane, _order, _entry), waiting| {
            if pinned(lane) {
                lost.push(waiting.job_id.clone());
            }
            !pinned(lane)
        });
        queue.delayed.retain(|id, (_at, lane)| {
            if pinned(lane) {
                lost.push(id.clone());
            }
            !pinned(lane)
        });
        let error = JobError::new(
            JobErrorKind::ActorLost,
            format!("the job was meant for actor {actor} alone, which was deleted"),
        );
        for id in lost {
            self.fail_job(&id, error.clone());
        }
    }

    pub(in crate::adapters::memory) fn message(&mut self, name: QueueName, actor: &ActorId, message: Work) {
        // A message is for the process that is there now; the next one of this name has nothing to do with it.
        let queue = self.queue(name);
        let Some(presence) = queue.presences.get(actor) else { return };
        let holder = Holder { actor_id: actor.clone(), pid: presence.pid };
        queue.messages.entry(holder).or_default().push_back(message);
    }
}
