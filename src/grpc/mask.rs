//! Field masks: which parts of a change are meant.

use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, ReflectMessage, Value};

use crate::domain::model::text::quoted;
use crate::domain::model::violation::Violations;
use crate::proto::FILE_DESCRIPTOR_SET;

/// Most paths of a mask; there are fewer fields.
const MAX_PATHS: usize = 100;

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).ok());

/// `current` with those fields of `changes` that `paths` name; a named one that is not set there is cleared. Without
/// paths, with all that are set.
pub(crate) fn apply<M: Message + Name + Default>(
    current: &M,
    changes: &M,
    paths: &[String],
) -> Result<M, Violations> {
    if paths.len() > MAX_PATHS {
        let description = format!("has {} items, more than {MAX_PATHS}", paths.len());
        return Err(Violations::one("update_mask.paths", description));
    }
    let mut merged = dynamic(current)?;
    let changes = dynamic(changes)?;
    let mut violations = Violations::new();
    for (index, path) in paths.iter().enumerate() {
        if let Err(what) = take_over(&mut merged, Some(&changes), path) {
            violations.add(format!("update_mask.paths[{index}]"), what);
        }
    }
    violations.into_result()?;
    if paths.is_empty() {
        merge(&mut merged, &changes);
    }
    merged.transcode_to().map_err(|error| broken(&error.to_string()))
}

fn dynamic<M: Message + Name>(message: &M) -> Result<DynamicMessage, Violations> {
    let pool = POOL.as_ref().ok_or_else(|| broken("the descriptor set does not decode"))?;
    let descriptor =
        pool.get_message_by_name(&M::full_name()).ok_or_else(|| broken("it is not described"))?;
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())
        .map_err(|error| broken(&error.to_string()))
}

fn broken(why: &str) -> Violations {
    Violations::one("update_mask", format!("cannot be applied: {why}"))
}

/// Takes over one path.
fn take_over(
    target: &mut DynamicMessage,
    changes: Option<&DynamicMessage>,
    path: &str,
) -> Result<(), String> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let descriptor = target.descriptor();
    let field = descriptor
        .get_field_by_name(name)
        .ok_or_else(|| format!("{} is not a field of {}", quoted(name), descriptor.name()))?;
    let given = changes.filter(|changes| changes.has_field(&field));
    let Some(rest) = rest else {
        match given {
            Some(changes) => target.set_field(&field, changes.get_field(&field).into_owned()),
            None => target.clear_field(&field),
        }
        return Ok(());
    };
    if !is_part(&field) {
        return Err(format!("{name:?} has no fields that could be named"));
    }
    let part = given.map(|changes| changes.get_field(&field));
    let part = part.as_ref().and_then(|value| value.as_message());
    if let Value::Message(inner) = target.get_field_mut(&field) {
        return take_over(inner, part, rest);
    }
    Err(format!("{name:?} has no fields that could be named"))
}

/// Takes over all that is set.
fn merge(target: &mut DynamicMessage, changes: &DynamicMessage) {
    for (field, value) in changes.fields() {
        match (is_part(&field) && target.has_field(&field), value) {
            (true, Value::Message(part)) => {
                if let Value::Message(inner) = target.get_field_mut(&field) {
                    merge(inner, part);
                }
            }
            (_, value) => target.set_field(&field, value.clone()),
        }
    }
}

/// A message of ours; times and durations are values.
fn is_part(field: &FieldDescriptor) -> bool {
    let kind = field.kind();
    let ours = kind.as_message().is_some_and(|message| !message.full_name().starts_with("google."));
    ours && !field.is_list() && !field.is_map()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto as pb;

    fn seconds(seconds: i64) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos: 0 })
    }

    fn current() -> pb::ScriptTypeSettings {
        pb::ScriptTypeSettings {
            scaling_policy: Some(pb::ScalingPolicy {
                max_replicas: Some(5),
                scale_in_delay: seconds(300),
                ..Default::default()
            }),
            max_queue_depth: Some(7),
            ..Default::default()
        }
    }

    fn changed(changes: &pb::ScriptTypeSettings, paths: &[&str]) -> Result<pb::ScriptTypeSettings, String> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        apply(&current(), changes, &paths).map_err(|violations| violations.to_string())
    }

    #[test]
    fn only_what_is_named_changes_and_what_is_named_and_not_set_is_cleared() {
        let scaling =
            pb::ScalingPolicy { max_replicas: Some(9), min_replicas: Some(2), ..Default::default() };
        let changes = pb::ScriptTypeSettings { scaling_policy: Some(scaling), ..Default::default() };
        let one = changed(&changes, &["scaling_policy.max_replicas"]).unwrap();
        let scaling = one.scaling_policy.unwrap();
        assert_eq!((scaling.max_replicas, scaling.min_replicas), (Some(9), None));
        assert_eq!((scaling.scale_in_delay, one.max_queue_depth), (seconds(300), Some(7)));
        let cleared = changed(&changes, &["max_queue_depth", "scaling_policy.scale_in_delay"]).unwrap();
        assert_eq!((cleared.max_queue_depth, cleared.scaling_policy.unwrap().scale_in_delay), (None, None));
    }

    #[test]
    fn without_a_mask_all_that_is_set_changes() {
        let scaling = pb::ScalingPolicy { scale_in_delay: seconds(1), ..Default::default() };
        let changes = pb::ScriptTypeSettings { scaling_policy: Some(scaling), ..Default::default() };
        let merged = changed(&changes, &[]).unwrap();
        let scaling = merged.scaling_policy.unwrap();
        assert_eq!((scaling.max_replicas, scaling.scale_in_delay), (Some(5), seconds(1)));
        assert_eq!(merged.max_queue_depth, Some(7));
    }

    #[test]
    fn every_path_that_names_nothing_is_told() {
        let told = changed(&current(), &["nope", "scaling_policy.nope", "max_queue_depth.x"]).unwrap_err();
        for part in ["paths[0]", "paths[1]", "paths[2]"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
