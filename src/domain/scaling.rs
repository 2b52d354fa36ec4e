//! Scaling: how many actors there are to be and which ([`plan`] and `decide`, both pure), and the loop that applies it.

pub mod decide;
pub mod queue_stats;
pub(crate) mod run;
pub mod spread;
pub mod trigger;

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::domain::model::actor::{ActorConfig, ActorState, ActorStatus, Desired};
use crate::domain::model::id::ActorId;
use crate::domain::model::text::replace_word;
use crate::domain::model::violation::Violations;

/// Steps from the actors that are there to the number that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScalePlan {
    /// Stopped ones to start.
    pub start: Vec<ActorId>,
    /// New ones to make from the template.
    pub create: Vec<ActorId>,
    /// Running actors to drain and remove, in this order.
    pub remove: Vec<ActorId>,
}

/// Plans for `replicas` actors. `actors` are those of the type on this node, `taken` all names that are in use anywhere.
///
/// More: stopped ones first, by name; then new ones with the lowest free numbers. Fewer: broken ones first, then idle
/// before busy, then those longest without a job, then the youngest.
pub fn plan(
    replicas: u32,
    actors: &[ActorStatus],
    template: &ActorConfig,
    taken: &BTreeSet<ActorId>,
) -> Result<ScalePlan, Violations> {
    let (up, down): (Vec<&ActorStatus>, Vec<&ActorStatus>) =
        actors.iter().partition(|actor| actor.record.desired == Desired::Up);
    let wanted = replicas as usize;
    if up.len() >= wanted {
        let mut victims = up;
        victims.sort_by_key(|actor| victim_rank(actor));
        let count = victims.len() - wanted;
        let remove = victims.into_iter().take(count).map(|actor| actor.record.id.clone()).collect();
        return Ok(ScalePlan { remove, ..ScalePlan::default() });
    }
    let missing = wanted - up.len();
    let mut start: Vec<ActorId> = down.iter().map(|actor| actor.record.id.clone()).collect();
    start.sort_by_key(natural);
    start.truncate(missing);
    let create = free_names(template, missing - start.len(), taken)?;
    Ok(ScalePlan { start, create, remove: Vec::new() })
}

/// Returns the rank for scaling in: the smallest goes first.
fn victim_rank(actor: &ActorStatus) -> (bool, u32, Option<SystemTime>, std::cmp::Reverse<(String, u64)>) {
    let healthy = actor.state == ActorState::Running;
    (healthy, actor.in_flight, actor.last_job_at, std::cmp::Reverse(natural(&actor.record.id)))
}

/// A name as its stem and number, so that `_10` comes after `_9`.
fn natural(id: &ActorId) -> (String, u64) {
    let (stem, number) = split(id.as_str());
    (stem.to_owned(), number.unwrap_or(0))
}

/// `osis_actor_3` is `osis_actor_` and 3.
fn split(name: &str) -> (&str, Option<u64>) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem, name[stem.len()..].parse().ok())
}

impl ScalePlan {
    /// Gives new actors these names, as far as they are free.
    pub(crate) fn prefer(&mut self, names: &[ActorId], taken: &BTreeSet<ActorId>) {
        let mut chosen: Vec<ActorId> =
            names.iter().filter(|name| !taken.contains(name)).take(self.create.len()).cloned().collect();
        let more = self.create.iter().filter(|name| !chosen.contains(name));
        let missing = self.create.len() - chosen.len();
        let more: Vec<ActorId> = more.take(missing).cloned().collect();
        chosen.extend(more);
        self.create = chosen;
    }
}

/// The lowest free numbers behind the template's stem.
pub(crate) fn free_names(
    template: &ActorConfig,
    count: usize,
    taken: &BTreeSet<ActorId>,
) -> Result<Vec<ActorId>, Violations> {
    let stem = match split(&template.name) {
        (stem, Some(_number)) => stem.to_owned(),
        (stem, None) => format!("{stem}_"),
    };
    let mut names = Vec::with_capacity(count);
    let mut number = 0_u64;
    while names.len() < count {
        let name = ActorId::parse(&format!("{stem}{number}"))
            .map_err(|description| Violations::one("template.actor_id", description))?;
        if !taken.contains(&name) {
            names.push(name);
        }
        number += 1;
    }
    Ok(names)
}

/// The template under another name: the name is replaced in arguments, environment and health check, too, wherever it
/// stands as a word of its own.
pub fn instance(template: &ActorConfig, id: &ActorId) -> ActorConfig {
    let rename = |text: &String| replace_word(text, &template.name, id.as_str());
    ActorConfig {
        name: id.as_str().to_owned(),
        args: template.args.iter().map(rename).collect(),
        env: template.env.iter().map(|(name, value)| (name.clone(), rename(value))).collect(),
        health_check: template.health_check.as_ref().map(rename),
        ..template.clone()
    }
}

#[cfg(test)]
mod tests;
