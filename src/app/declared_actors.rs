//! Applies the actors of the configuration file: creates and changes them, and removes them only with `prune`.

use std::collections::BTreeSet;
use std::fmt;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;

use crate::app::declared_queues;
use crate::app::declared_script_types::{self, AppliedSettings};
use crate::config::{FILE_LABEL, FileActor, FileQueue, FileScriptType};
use crate::domain::actors::{ActorLifecycleManager, StopOptions, Update};
use crate::domain::model::actor::{ActorStatus, Desired};
use crate::domain::model::event::{Cause, Source};
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::error::{SupervisorError, chain};
use crate::ports::store_fault::Refusal;

/// Delay between two attempts while Redis or the process manager is unreachable.
const RETRY: Duration = Duration::from_secs(1);
/// Limit of the wait for starts and restarts, which have timeouts of their own.
const WAIT: Duration = Duration::from_secs(3600);

/// The actors, queues and script types that a configuration file declares.
#[derive(Debug, Clone, Default)]
pub struct DeclaredActors {
    /// Actors that must exist.
    pub actors: Vec<FileActor>,
    /// Queues that must exist, with their settings.
    pub queues: Vec<FileQueue>,
    /// Settings of script types.
    pub script_types: Vec<FileScriptType>,
    /// Removes actors that an earlier file has declared and this one does not.
    pub prune: bool,
}

impl DeclaredActors {
    fn is_empty(&self) -> bool {
        let Self { actors, queues, script_types, prune } = self;
        actors.is_empty() && queues.is_empty() && script_types.is_empty() && !prune
    }

    /// The settings of script types, and of those queues that are there.
    fn settings<'a>(
        &'a self,
        there: &'a [QueueName],
    ) -> impl Iterator<Item = (TypedQueue, &'a FileScriptType)> {
        let of_types = self.script_types.iter().map(|settings| (settings.script_type.into(), settings));
        let of_queues = self.queues.iter().filter(|queue| there.contains(&queue.name));
        of_types.chain(of_queues.map(|queue| (queue.queue(), &queue.settings)))
    }
}

/// The outcome, by actor.
#[derive(Debug, Default)]
pub(super) struct Applied {
    created: Vec<ActorId>,
    changed: Vec<ActorId>,
    unchanged: Vec<ActorId>,
    removed: Vec<ActorId>,
    failed: Vec<(String, SupervisorError)>,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (&self.created, "created"),
            (&self.changed, "changed"),
            (&self.unchanged, "unchanged"),
            (&self.removed, "removed"),
        ];
        for (ids, what) in counts {
            write!(f, "{} {what}, ", ids.len())?;
        }
        write!(f, "{} failed", self.failed.len())
    }
}

/// Applies the declaration once Redis and the process manager answer, and logs the outcome.
pub(super) async fn apply(lifecycle: ActorLifecycleManager, declared: DeclaredActors) {
    if declared.is_empty() {
        return;
    }
    let reason = "the configuration file says so".to_owned();
    let lifecycle = lifecycle.on_behalf_of(Cause { reason, ..Cause::from(Source::Supervisor) });
    let (mut total, mut settings) = (Applied::default(), AppliedSettings::default());
    let mut waits = Waits::default();
    let created = loop {
        let created = declared_queues::create(&lifecycle, &declared.queues).await;
        let mut applied = define(&lifecycle, &declared).await;
        // Settings may demand a number of actors, to which the declared actors count.
        let mut round = declared_script_types::apply(&lifecycle, declared.settings(&created.there)).await;
        let failed = created.failed.iter().chain(&applied.failed).chain(&round.failed);
        let away = failed.clone().find(|(_, error)| error.is_unavailable());
        if let Some((name, error)) = away
            && waits.is_new(error)
        {
            let why = chain(error);
            tracing::warn!(error = %why, "configuration file: waiting ({name}: {why})");
        }
        let again = away.is_some();
        settings.changed.append(&mut round.changed);
        (settings.unchanged, settings.failed) = (round.unchanged, round.failed);
        total.created.append(&mut applied.created);
        total.changed.append(&mut applied.changed);
        total.removed.append(&mut applied.removed);
        (total.unchanged, total.failed) = (applied.unchanged, applied.failed);
        if !again {
            break created;
        }
        sleep(RETRY).await;
    };
    if !declared.queues.is_empty() {
        declared_queues::report(&created);
    }
    if !declared.script_types.is_empty() || !declared.queues.is_empty() {
        report(&mut settings);
    }
    if declared.actors.is_empty() && !declared.prune {
        return;
    }
    total.unchanged.retain(|id| !total.created.contains(id) && !total.changed.contains(id));
    bring_up(&lifecycle, &declared, &mut total).await;
    for (name, error) in &total.failed {
        tracing::warn!(actor.id = %name, error = %chain(error), "configuration file: actor {name} failed ({})", chain(error));
    }
    tracing::info!("configuration file: actors: {total}");
}

/// Kinds of errors for which the declaration is not applied yet, each of which is logged once: their texts differ from try to try.
#[derive(Debug, Default)]
struct Waits(Vec<(Discriminant<SupervisorError>, Option<Refusal>)>);

impl Waits {
    /// Returns true for an error of a kind that there was not before.
    fn is_new(&mut self, error: &SupervisorError) -> bool {
        let refusal =
            if let SupervisorError::QueueRefused { refusal, .. } = error { Some(*refusal) } else { None };
        let kind = (discriminant(error), refusal);
        let is_new = !self.0.contains(&kind);
        if is_new {
            self.0.push(kind);
        }
        is_new
    }
}

fn report(settings: &mut AppliedSettings) {
    settings.unchanged.retain(|queue| !settings.changed.contains(queue));
    for (name, error) in &settings.failed {
        tracing::warn!(queue = %name, error = %chain(error), "configuration file: settings of {name} failed ({})", chain(error));
    }
    tracing::info!("configuration file: settings: {settings}");
}

/// Stores the definitions. Nothing is started yet, because a dependency may come later in the list.
async fn define(lifecycle: &ActorLifecycleManager, declared: &DeclaredActors) -> Applied {
    let mut applied = Applied::default();
    let there = match lifecycle.actors().await {
        Ok(there) => there,
        Err(error) => {
            applied.failed.push(("all".to_owned(), error));
            return applied;
        }
    };
    for FileActor { config, .. } in &declared.actors {
        let existing = there.iter().find(|actor| actor.record.config.name == config.name);
        let done = match existing {
            None => {
                let made = lifecycle.create(config.clone(), false, Duration::ZERO).await;
                made.map(|made| (made.status.record.id, true))
            }
            Some(actor) => {
                let id = &actor.record.id;
                let define = |_old: &_| Ok(config.clone());
                let updated = lifecycle.update(id, Update::default(), define, Duration::ZERO).await;
                updated.map(|updated| (id.clone(), updated.changed))
            }
        };
        match (done, existing) {
            (Ok((id, true)), None) => applied.created.push(id),
            (Ok((id, true)), Some(_)) => applied.changed.push(id),
            (Ok((id, false)), _) => applied.unchanged.push(id),
            (Err(error), _) => applied.failed.push((config.name.clone(), error)),
        }
    }
    if declared.prune {
        let wanted: BTreeSet<&str> = declared.actors.iter().map(|actor| actor.config.name.as_str()).collect();
        let gone = |actor: &&ActorStatus| {
            let config = &actor.record.config;
            let by_file = config.labels.get(FILE_LABEL.0).is_some_and(|value| value == FILE_LABEL.1);
            by_file && actor.record.node == *lifecycle.node() && !wanted.contains(config.name.as_str())
        };
        let gone: Vec<&ActorId> = there.iter().filter(gone).map(|actor| &actor.record.id).collect();
        let deletes = gone.iter().map(|id| lifecycle.delete(id, StopOptions::default(), true));
        for (id, deleted) in gone.iter().zip(join_all(deletes).await) {
            match deleted {
                Ok(_) => applied.removed.push((*id).clone()),
                Err(error) => applied.failed.push((id.to_string(), error)),
            }
        }
    }
    applied
}

/// Starts the created actors, and restarts the changed ones whose desired state is up.
async fn bring_up(lifecycle: &ActorLifecycleManager, declared: &DeclaredActors, applied: &mut Applied) {
    let wanted =
        |id: &&ActorId| declared.actors.iter().any(|actor| actor.start && actor.config.name == id.as_str());
    let starts = applied
        .created
        .iter()
        .filter(wanted)
        .map(|id| async move { (id.to_string(), lifecycle.start(id, WAIT).await) });
    let restarts = applied.changed.iter().map(|id| async move {
        let is_up = lifecycle.actor(id).await.map(|actor| actor.record.desired == Desired::Up);
        let restarted = match is_up {
            Ok(true) => Some(lifecycle.restart(id, StopOptions::default(), WAIT).await),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        };
        (id.to_string(), restarted)
    });
    let (started, restarted) = tokio::join!(join_all(starts), join_all(restarts));
    let restarted = restarted.into_iter().filter_map(|(id, restarted)| Some((id, restarted?)));
    for (id, brought_up) in started.into_iter().chain(restarted) {
        if let Err(error) = brought_up {
            applied.failed.push((id, error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_it_waits_is_told_once_for_each_kind_of_error() {
        let away = |why: &str| SupervisorError::QueueUnavailable(why.into());
        let refused = |refusal| SupervisorError::QueueRefused { refusal, reason: "no".to_owned() };
        let mut waits = Waits::default();
        let told = [
            away("connection refused"),
            away("no such file"),
            refused(Refusal::Busy),
            away("connection refused"),
            refused(Refusal::Busy),
            refused(Refusal::AccessDenied),
            SupervisorError::ProcessManagerUnavailable("no answer".into()),
        ]
        .map(|error| waits.is_new(&error));
        assert_eq!(told, [true, false, true, false, false, true, true]);
    }
}
