//! Queues.

use super::{count, script_type, timestamp};
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::ports::queue_admin::QueueDepth;
use crate::ports::queue_registry::QueueRecord;
use crate::proto as pb;

/// Renders the default queue of a script type.
pub(crate) fn default_queue(serves: ScriptType) -> pb::Queue {
    let queue = QueueName::default_of(serves).to_string();
    pb::Queue { queue, script_type: script_type(serves).into(), ..Default::default() }
}

/// Renders a queue that was created by name.
pub(crate) fn queue(record: &QueueRecord) -> pb::Queue {
    pb::Queue {
        queue: record.name.to_string(),
        script_type: script_type(record.script_type).into(),
        create_time: Some(timestamp(record.created_at)),
        ..Default::default()
    }
}

/// Renders the etag of settings.
pub(crate) fn etag_of(settings: &ScriptTypeSettings) -> String {
    settings.generation.to_string()
}

/// Adds the numbers of jobs and actors.
pub(crate) fn with_numbers(queue: pb::Queue, depth: QueueDepth, actors: usize) -> pb::Queue {
    pb::Queue {
        jobs_queued: count(depth.queued),
        jobs_running: count(depth.running),
        jobs_delayed: count(depth.delayed),
        actors_total: count(actors),
        ..queue
    }
}
