//! Field masks: which fields of a change are taken over. The rules are those of AIP-134 and AIP-161.
//!
//! | mask | effect |
//! |---|---|
//! | empty | every populated field is taken over; messages are merged, lists and maps are replaced |
//! | `*` | the change replaces the whole message |
//! | paths | every named field is taken over; a named field that the change leaves unset is cleared |

use prost::{Message, Name};
use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};

use crate::descriptors::{descriptor, dynamic};
use crate::domain::model::text::quoted;
use crate::domain::model::violation::Violations;

/// Most paths of a mask; no message has more fields.
const MAX_PATHS: usize = 100;
/// The path that means the whole message.
const ALL: &str = "*";
/// Two fields of one value: variables that are only named keep their values. Whoever takes over one takes over both.
const ENVIRONMENT: (&str, [&str; 2]) = ("hero.supervisor.v1.ActorConfig", ["env", "env_names"]);

/// A checked field mask.
#[derive(Debug, Clone)]
pub(crate) enum Mask {
    /// Every populated field.
    Populated,
    /// The whole message.
    All,
    /// The named fields, each as the fields on the way to it.
    Paths(Vec<Vec<FieldDescriptor>>),
}

impl Mask {
    /// Reads the paths of a mask for the message `M`, which stands in the field `root` of the request.
    ///
    /// # Errors
    /// Every path that names no field, as `update_mask.paths[…]`.
    pub(crate) fn parse<M: Name>(paths: &[String], root: &str) -> Result<Self, Violations> {
        match paths {
            [] => return Ok(Self::Populated),
            [path] if path == ALL => return Ok(Self::All),
            [..] => {}
        }
        if paths.len() > MAX_PATHS {
            let description = format!("has {} items, more than {MAX_PATHS}", paths.len());
            return Err(Violations::one("update_mask.paths", description));
        }
        let message = descriptor::<M>().map_err(|why| broken(&why))?;
        let mut violations = Violations::new();
        let mut parsed = Vec::with_capacity(paths.len());
        for (index, path) in paths.iter().enumerate() {
            let field = format!("update_mask.paths[{index}]");
            parsed.extend(violations.keep(&field, resolve(&message, path, root)));
        }
        violations.into_result().map(|()| Self::Paths(parsed))
    }

    /// Returns `current` with the fields of `change` that the mask names.
    ///
    /// # Errors
    /// When a message does not fit its descriptor, which a test would have found.
    pub(crate) fn apply<M>(&self, current: &M, change: &M) -> Result<M, Violations>
    where
        M: Message + Name + Default + Clone,
    {
        let paths = match self {
            Self::All => return Ok(change.clone()),
            Self::Populated => None,
            Self::Paths(paths) => Some(paths),
        };
        let mut merged = dynamic(current).map_err(|why| broken(&why))?;
        let change = dynamic(change).map_err(|why| broken(&why))?;
        match paths {
            None => merge(&mut merged, &change),
            Some(paths) => paths.iter().for_each(|path| take_over(&mut merged, Some(&change), path)),
        }
        merged.transcode_to().map_err(|error| broken(&error.to_string()))
    }
}

impl Mask {
    /// Returns true if the field of the message is taken over; `is_set` says whether the change has it.
    pub(crate) fn takes(&self, field: &str, is_set: bool) -> bool {
        match self {
            Self::Populated => is_set,
            Self::All => true,
            Self::Paths(paths) => {
                paths.iter().any(|path| path.first().is_some_and(|first| first.name() == field))
            }
        }
    }
}

fn broken(why: &str) -> Violations {
    Violations::one("update_mask", format!("cannot be applied: {why}"))
}

/// Returns the fields on the way that a path describes.
fn resolve(message: &MessageDescriptor, path: &str, root: &str) -> Result<Vec<FieldDescriptor>, String> {
    if path == ALL {
        return Err(format!("is {ALL:?}, which stands alone: leave out the other paths"));
    }
    let mut fields = Vec::new();
    let mut message = message.clone();
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let field = message.get_field_by_name(name).ok_or_else(|| no_field(&message, path, root))?;
        if names.peek().is_some() {
            let inner = field.kind().as_message().filter(|_| is_part(&field)).cloned();
            message =
                inner.ok_or_else(|| format!("is {}, but {name} has no fields to name", quoted(path)))?;
        }
        fields.push(field);
    }
    Ok(fields)
}

fn no_field(message: &MessageDescriptor, path: &str, root: &str) -> String {
    // Without a root the path is inside already.
    let inside = path.strip_prefix(root).filter(|_| !root.is_empty()).and_then(|rest| rest.strip_prefix('.'));
    if let Some(inside) = inside.filter(|inside| resolve(message, inside, "").is_ok()) {
        return format!("is {}: paths begin inside of {root}, use {inside:?}", quoted(path));
    }
    let names: Vec<String> = message.fields().map(|field| field.name().to_owned()).collect();
    format!("is {}, which is no field of {}: use {}", quoted(path), message.name(), names.join(", "))
}

/// Takes over the field at the end of a path.
fn take_over(target: &mut DynamicMessage, change: Option<&DynamicMessage>, path: &[FieldDescriptor]) {
    match path {
        [] => {}
        [field] => replace(target, change, field),
        [field, rest @ ..] => {
            let part = change.filter(|change| change.has_field(field)).map(|change| change.get_field(field));
            if part.is_none() && !target.has_field(field) {
                return;
            }
            if let Value::Message(inner) = target.get_field_mut(field) {
                take_over(inner, part.as_ref().and_then(|part| part.as_message()), rest);
            }
        }
    }
}

/// Sets a field to its value in the change, or clears it.
fn replace(target: &mut DynamicMessage, change: Option<&DynamicMessage>, field: &FieldDescriptor) {
    let message = field.parent_message();
    let environment = message.full_name() == ENVIRONMENT.0 && ENVIRONMENT.1.contains(&field.name());
    let both =
        ENVIRONMENT.1.iter().filter(|_| environment).filter_map(|name| message.get_field_by_name(name));
    for field in both.chain((!environment).then(|| field.clone())) {
        match change.filter(|change| change.has_field(&field)) {
            Some(change) => target.set_field(&field, change.get_field(&field).into_owned()),
            None => target.clear_field(&field),
        }
    }
}

/// Takes over every populated field.
fn merge(target: &mut DynamicMessage, change: &DynamicMessage) {
    for (field, value) in change.fields() {
        match (is_part(&field) && target.has_field(&field), value) {
            (true, Value::Message(part)) => {
                if let Value::Message(inner) = target.get_field_mut(&field) {
                    merge(inner, part);
                }
            }
            (_, _) => replace(target, Some(change), &field),
        }
    }
}

/// Returns true for a message of the contract, whose fields can be named; times and durations are values.
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

    fn apply<M>(current: &M, change: &M, paths: &[&str]) -> Result<M, String>
    where
        M: Message + Name + Default + Clone,
    {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let merged = Mask::parse::<M>(&paths, "settings").and_then(|mask| mask.apply(current, change));
        merged.map_err(|violations| violations.to_string())
    }

    fn changed(changes: &pb::ScriptTypeSettings, paths: &[&str]) -> Result<pb::ScriptTypeSettings, String> {
        apply(&current(), changes, paths)
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
    fn a_star_replaces_the_whole_message() {
        let change = pb::ScriptTypeSettings { max_queue_depth: Some(1), ..Default::default() };
        assert_eq!(changed(&change, &["*"]).unwrap(), change);
        let told = changed(&change, &["*", "max_queue_depth"]).unwrap_err();
        assert!(told.contains("paths[0]: is \"*\", which stands alone"), "{told}");
    }

    #[test]
    fn a_named_part_of_what_is_not_there_makes_nothing() {
        let none = pb::ActorConfig::default();
        assert_eq!(apply(&none, &none, &["run_as.group", "limits.open_files"]).unwrap(), none);
    }

    #[test]
    fn values_and_names_of_the_environment_are_taken_over_together() {
        let env = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let current = pb::ActorConfig { env: env(&[("A", "1"), ("B", "2")]), ..Default::default() };
        let change = pb::ActorConfig { env_names: vec!["A".to_owned()], ..Default::default() };
        for paths in [&[][..], &["env"], &["env_names"]] {
            assert_eq!(apply(&current, &change, paths).unwrap(), change, "{paths:?}");
        }
        let template = |config: pb::ActorConfig| pb::ScriptTypeSettings {
            actor_template: Some(config),
            ..Default::default()
        };
        let merged = apply(&template(current), &template(change.clone()), &["actor_template.env"]);
        assert_eq!(merged.unwrap(), template(change));
    }

    #[test]
    fn every_path_that_names_nothing_is_told() {
        let told =
            changed(&current(), &["nope", "scaling_policy.nope", "max_queue_depth.x", ""]).unwrap_err();
        for part in ["paths[0]", "paths[1]", "paths[2]", "paths[3]"] {
            assert!(told.contains(part), "{told}");
        }
        let told = changed(&current(), &["settings.max_queue_depth"]).unwrap_err();
        assert!(told.contains("paths begin inside of settings, use \"max_queue_depth\""), "{told}");
        let dots = format!("settings{}", ".".repeat(100_000));
        assert!(changed(&current(), &[&dots]).unwrap_err().len() < 4096, "answered, and in few words");
    }
}
