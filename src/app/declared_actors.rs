//! Makes the actors be as the configuration file says: made, changed or left alone; removed only if that is said.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;

use crate::app::declared_script_types::{self, AppliedSettings};
use crate::config::{FILE_LABEL, FileActor, FileScriptType};
use crate::domain::actors::{ActorLifecycleManager, StopOptions, Update};
use crate::domain::model::actor::{ActorStatus, Desired};
use crate::domain::model::event::{Cause, Source};
use crate::domain::model::id::ActorId;
use crate::error::{SupervisorError, chain};

/// Between two tries while Redis or the process manager is away.
const RETRY: Duration = Duration::from_secs(1);
/// Starts and restarts end by time-outs of their own; this bounds the wait for the report only.
const WAIT: Duration = Duration::from_secs(3600);

/// What a configuration file wants of actors.
#[derive(Debug, Clone, Default)]
pub struct DeclaredActors {
    /// These are to be there.
    pub actors: Vec<FileActor>,
    /// The rules for script types are to be these.
    pub script_types: Vec<FileScriptType>,
    /// Those that an earlier file has made and that are not among them are to go.
    pub prune: bool,
}

/// What was done about it.
#[derive(Debug, Default)]
pub(super) struct Applied {
    created: Vec<ActorId>,
    changed: Vec<ActorId>,
    left_alone: Vec<ActorId>,
    removed: Vec<ActorId>,
    failed: Vec<(String, SupervisorError)>,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (&self.created, "made"),
            (&self.changed, "changed"),
            (&self.left_alone, "left alone"),
            (&self.removed, "removed"),
        ];
        for (ids, what) in counts {
            write!(f, "{} {what}, ", ids.len())?;
        }
        write!(f, "{} failed", self.failed.len())
    }
}

/// Applies the declared, as soon as Redis and the process manager let us, and reports in the log.
pub(super) async fn apply(lifecycle: ActorLifecycleManager, declared: DeclaredActors) {
    if declared.actors.is_empty() && declared.script_types.is_empty() && !declared.prune {
        return;
    }
    let reason = "the configuration file says so".to_owned();
    let lifecycle = lifecycle.on_behalf_of(Cause { reason, ..Cause::from(Source::Supervisor) });
    let (mut total, mut rules) = (Applied::default(), AppliedSettings::default());
    loop {
        let mut applied = define(&lifecycle, &declared).await;
        // Rules may ask for a number of actors, and that begins with those that the file names.
        let mut ruled = declared_script_types::apply(&lifecycle, &declared.script_types).await;
        let away = applied.failed.iter().chain(&ruled.failed).find(|(_, error)| error.is_unavailable());
        if let Some((name, error)) = away {
            tracing::warn!(actor.id = %name, error = %chain(error), "the configuration file waits");
        }
        let again = away.is_some();
        rules.changed.append(&mut ruled.changed);
        (rules.left_alone, rules.failed) = (ruled.left_alone, ruled.failed);
        total.created.append(&mut applied.created);
        total.changed.append(&mut applied.changed);
        total.removed.append(&mut applied.removed);
        (total.left_alone, total.failed) = (applied.left_alone, applied.failed);
        if !again {
            break;
        }
        sleep(RETRY).await;
    }
    if !declared.script_types.is_empty() {
        report(&mut rules);
    }
    if declared.actors.is_empty() && !declared.prune {
        return;
    }
    total.left_alone.retain(|id| !total.created.contains(id) && !total.changed.contains(id));
    bring_up(&lifecycle, &declared, &mut total).await;
    for (name, error) in &total.failed {
        tracing::warn!(actor.id = %name, error = %chain(error), "actor {name} of the configuration file: {}", chain(error));
    }
    tracing::info!("actors of the configuration file: {total}");
}

fn report(rules: &mut AppliedSettings) {
    rules.left_alone.retain(|script_type| !rules.changed.contains(script_type));
    for (name, error) in &rules.failed {
        tracing::warn!(script_type = %name, error = %chain(error), "the rules of the configuration file for {name}: {}", chain(error));
    }
    tracing::info!("rules of the configuration file: {rules}");
}

/// Writes what is wanted; starts nothing yet, because what is depended on may come later in the list.
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
            (Ok((id, false)), _) => applied.left_alone.push(id),
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

/// Starts what was made, and restarts what was changed and is meant to run.
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
