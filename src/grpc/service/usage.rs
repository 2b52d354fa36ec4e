//! The usage of actors, as a watch of events has it in between.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch::Receiver;

use crate::domain::access::{Permit, Target};
use crate::domain::model::event::Topic;
use crate::domain::model::event::filter::EventFilter;
use crate::domain::model::usage::ActorUsage;
use crate::domain::usage::{UsageRound, UsageTracker};
use crate::grpc::render;
use crate::proto as pb;

/// The rounds of samples that one watch sees.
pub(super) struct FollowedUsage {
    filter: EventFilter,
    /// None for a watch that did not ask, or may not see actors.
    rounds: Option<Receiver<Arc<UsageRound>>>,
}

impl FollowedUsage {
    /// Follows what a filter lets through, if it is asked for and the caller sees more than its own jobs.
    pub(super) fn new(asked: bool, usage: &UsageTracker, filter: &EventFilter, permit: &Permit) -> Self {
        let sees_actors = permit.decide(Target::Call).is_ok_and(|allowed| !allowed.own_only);
        let is_about_actors = (filter.topics.is_empty() || filter.topics.contains(&Topic::Actor))
            && filter.job_ids.is_empty()
            && filter.caller_id.is_none();
        let rounds = (asked && sees_actors && is_about_actors).then(|| {
            let mut rounds = usage.subscribe();
            // The latest one is news to this watch.
            rounds.mark_changed();
            rounds
        });
        Self { filter: filter.clone(), rounds }
    }

    /// Waits for the next round. Cancel-safe.
    pub(super) async fn next(&mut self) -> pb::UsageUpdate {
        let Some(rounds) = &mut self.rounds else { return pending().await };
        if rounds.changed().await.is_err() {
            // The manager is gone; the watch ends by itself.
            return pending().await;
        }
        let round = Arc::clone(&rounds.borrow_and_update());
        let wanted = round.here.iter().chain(&round.elsewhere).filter(|actor| self.wants(actor));
        let actors = wanted.map(|actor| (actor.actor_id.to_string(), render::usage(&actor.usage)));
        pb::UsageUpdate { actors: actors.collect() }
    }

    fn wants(&self, actor: &ActorUsage) -> bool {
        let EventFilter { script_types, actor_ids, .. } = &self.filter;
        (script_types.is_empty() || script_types.contains(&actor.script_type))
            && (actor_ids.is_empty() || actor_ids.contains(&actor.actor_id))
    }
}
