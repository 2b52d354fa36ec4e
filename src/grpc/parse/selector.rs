//! Selectors of actors.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::actors::ActorSelector;
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::job::MAX_PAIRS;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::violation::Violations;
use crate::grpc::parse::value::{duration, each, optional, script_type};
use crate::grpc::status::Failure;
use crate::proto as pb;

/// Most queues in one filter. A list of jobs reads each of them for itself.
const MAX_QUEUES: usize = 100;
/// Most queues in one filter of events. Every message of a watch has a cursor that names each of them.
const MAX_EVENT_QUEUES: usize = 20;

/// Parses a selector and the longest wait.
pub(crate) fn selector(
    selector: Option<pb::ActorSelector>,
    max_wait: Option<prost_types::Duration>,
) -> Result<(ActorSelector, Option<Duration>), Failure> {
    let pb::ActorSelector { actor_ids, script_types, labels, all, queues } = selector.unwrap_or_default();
    let is_empty = actor_ids.is_empty() && script_types.is_empty() && labels.is_empty() && queues.is_empty();
    if is_empty && !all {
        return Err(Failure::selector_required());
    }
    let mut violations = Violations::new();
    let v = &mut violations;
    let chosen = ActorSelector {
        ids: each(v, "selector.actor_ids", actor_ids, |raw| ActorId::parse(&raw)),
        script_types: each(v, "selector.script_types", script_types, script_type),
        queues: self::queues(v, "selector.queues", queues),
        labels: self::labels(v, "selector.labels", labels),
    };
    let max_wait = optional(v, "max_wait", max_wait, duration);
    violations.into_result()?;
    Ok((chosen, max_wait))
}

/// Parses the node that a call is for; None for that of the called supervisor.
pub(crate) fn node(raw: &str) -> Result<Option<NodeName>, Violations> {
    match raw {
        "" => Ok(None),
        name => NodeName::parse(name).map(Some).map_err(|what| Violations::one("node", what)),
    }
}

/// Parses the queues of a filter.
pub(super) fn queues(violations: &mut Violations, field: &str, queues: Vec<String>) -> Vec<QueueName> {
    at_most(MAX_QUEUES, violations, field, queues)
}

/// Parses the queues of a filter of events.
pub(super) fn event_queues(violations: &mut Violations, queues: Vec<String>) -> Vec<QueueName> {
    at_most(MAX_EVENT_QUEUES, violations, "queues", queues)
}

fn at_most(limit: usize, violations: &mut Violations, field: &str, queues: Vec<String>) -> Vec<QueueName> {
    if queues.len() > limit {
        violations.add(field, format!("has {} names: use at most {limit}", queues.len()));
        return Vec::new();
    }
    each(violations, field, queues, |raw| QueueName::parse(&raw))
}

/// Parses the labels of a filter.
pub(super) fn labels(
    violations: &mut Violations,
    field: &str,
    labels: BTreeMap<String, String>,
) -> Vec<(String, String)> {
    if labels.len() > MAX_PAIRS {
        violations.add(field, format!("has {} entries, more than {MAX_PAIRS}", labels.len()));
        return Vec::new();
    }
    labels.into_iter().collect()
}
