//! Series of queues that were created by name. They are rendered here, because the recorder would keep those of deleted queues.
//!
//! The series have names of their own, so that sums over those of script types stay what they are.

use std::fmt::{Display, Write};

use futures::stream::{StreamExt, iter};

use super::of_actors::OfActors;
use super::{held, is_damage};
use crate::domain::jobs::Supervisor;
use crate::domain::model::job::JobErrorKind;
use crate::error::SupervisorError;
use crate::ports::actor_presence::Presence;
use crate::ports::queue_admin::{EndCount, QueueState};
use crate::ports::queue_registry::QueueRecord;
use crate::telemetry::metrics as names;

/// Most queues in one scrape: the busy ones first.
const MOST_QUEUES: usize = 100;
/// Queues that are read at a time.
const AT_ONCE: usize = 8;

/// One queue as it is now.
struct Reading {
    queue: QueueRecord,
    state: QueueState,
    ends: Vec<EndCount>,
    present: Vec<Presence>,
    held: [(&'static str, u64); 3],
}

/// Reads the queues that are used. Those that are damaged or were deleted meanwhile are left out.
async fn read(supervisor: &Supervisor) -> Result<Vec<Reading>, SupervisorError> {
    let used = supervisor.queue().used_queues(MOST_QUEUES).await?;
    let each = iter(used).map(|queue| async move {
        let name = queue.name;
        let parts = futures::try_join!(
            supervisor.queue().state(name),
            supervisor.queue().ends(name),
            supervisor.queue().presences(name)
        );
        let held = held(supervisor.queue().flow_held(name).await);
        parts.map(|(state, ends, present)| Reading { queue, state, ends, present, held })
    });
    let mut readings = Vec::new();
    let mut each = each.buffered(AT_ONCE);
    while let Some(read) = each.next().await {
        match read {
            Err(error) if is_damage(&error) => {}
            read => readings.push(read?),
        }
    }
    Ok(readings)
}

/// Renders all series of named queues, and adds those of their actors.
pub(super) async fn render(
    supervisor: &Supervisor,
    pending: &mut OfActors,
    refused: &mut OfActors,
) -> Result<String, SupervisorError> {
    let mut jobs = Family::new(names::NAMED_QUEUE_JOBS, "gauge", names::NAMED_QUEUE_JOBS_HELP);
    let mut age = Family::new(names::NAMED_QUEUE_AGE, "gauge", names::NAMED_QUEUE_AGE_HELP);
    let mut held_jobs = Family::new(names::NAMED_FLOW_HELD, "gauge", names::NAMED_FLOW_HELD_HELP);
    let mut actors = Family::new(names::NAMED_QUEUE_ACTORS, "gauge", names::NAMED_QUEUE_ACTORS_HELP);
    let mut ended = Family::new(names::NAMED_QUEUE_ENDS, "counter", names::NAMED_QUEUE_ENDS_HELP);
    for Reading { queue, state, ends, present, held } in read(supervisor).await? {
        let depth = state.depth;
        for (word, count) in
            [("queued", depth.queued), ("running", depth.running), ("delayed", depth.delayed)]
        {
            jobs.add(&queue, &[("state", word)], count);
        }
        for (reason, count) in held {
            held_jobs.add(&queue, &[("reason", reason)], count);
        }
        age.add(&queue, &[], names::seconds(state.oldest_age.unwrap_or_default()));
        actors.add(&queue, &[], present.len());
        for end in ends {
            let kind = end.error_kind.map_or("", JobErrorKind::as_str);
            ended.add(&queue, &[("state", end.state.as_str()), ("error_kind", kind)], end.jobs);
        }
        for actor in present {
            pending.add(&actor.actor_id, queue.script_type, actor.pending_ends);
            refused.add(&actor.actor_id, queue.script_type, actor.refused_ends);
        }
    }
    Ok([jobs, held_jobs, age, actors, ended].into_iter().map(|family| family.text).collect())
}

/// The series of one name in the text format of Prometheus. Names of queues need no escapes.
struct Family {
    name: &'static str,
    text: String,
}

impl Family {
    fn new(name: &'static str, kind: &str, help: &str) -> Self {
        Self { name, text: format!("# HELP {name} {help}\n# TYPE {name} {kind}\n") }
    }

    fn add(&mut self, queue: &QueueRecord, labels: &[(&str, &str)], value: impl Display) {
        let Self { name, text } = self;
        let QueueRecord { name: queue, script_type, .. } = queue;
        let more: String = labels.iter().map(|(label, value)| format!(",{label}=\"{value}\"")).collect();
        // Writing to a String does not fail.
        let _written =
            writeln!(text, "{name}{{queue=\"{queue}\",script_type=\"{script_type}\"{more}}} {value}");
    }
}
