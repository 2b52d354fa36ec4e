//! Target of a request: names of actors, jobs, script types, queues and callers, found in it by the names of their fields.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::{DynamicMessage, MessageDescriptor, Value};

use crate::descriptors;
use crate::ports::audit::AuditTarget;

/// Most requests within a request that are looked at.
const MOST_WITHIN: usize = 100;

/// The request messages, by the name of the call.
static REQUESTS: LazyLock<HashMap<String, MessageDescriptor>> = LazyLock::new(descriptors::requests);

/// Reads what a request is about. One that cannot be read is about nothing; its handler refuses it.
pub(super) fn target(rpc: &str, message: &[u8]) -> AuditTarget {
    let mut target = AuditTarget::default();
    let request = REQUESTS.get(rpc).cloned();
    if let Some(Ok(request)) = request.map(|request| DynamicMessage::decode(request, message)) {
        collect(&request, &mut target);
    }
    target
}

fn collect(message: &DynamicMessage, target: &mut AuditTarget) {
    for (field, value) in message.fields() {
        match field.name() {
            "actor_id" | "actor_ids" | "target_actor_id" => texts(value, &mut target.actor_ids),
            "job_id" => texts(value, &mut target.job_ids),
            "queue" | "queues" => texts(value, &mut target.queues),
            "caller_id" => texts(value, &mut target.caller_ids),
            "script_type" | "script_types" => {
                for number in each(value).filter_map(Value::as_enum_number) {
                    let name =
                        crate::proto::ScriptType::try_from(number).ok().map(|known| known.as_str_name());
                    add(&mut target.script_types, &short(name, number));
                }
            }
            "all" => target.all |= value.as_bool().unwrap_or_default(),
            "job" | "config" | "selector" | "requests" => {
                for inner in each(value).filter_map(Value::as_message).take(MOST_WITHIN) {
                    collect(inner, target);
                }
            }
            _payload_or_setting => {}
        }
    }
}

/// Returns the word of the command line for a script type.
fn short(name: Option<&str>, number: i32) -> String {
    let word = name.and_then(|name| name.strip_prefix("SCRIPT_TYPE_"));
    word.map_or_else(|| number.to_string(), str::to_ascii_lowercase)
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    match value.as_list() {
        Some(list) => list.iter(),
        None => std::slice::from_ref(value).iter(),
    }
}

fn texts(value: &Value, names: &mut Vec<String>) {
    for text in each(value).filter_map(Value::as_str).filter(|text| !text.is_empty()) {
        add(names, text);
    }
}

fn add(names: &mut Vec<String>, name: &str) {
    if names.len() < MOST_WITHIN && !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::proto as pb;

    fn of(rpc: &str, message: &impl Message) -> AuditTarget {
        target(rpc, &message.encode_to_vec())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_are_found_wherever_a_request_has_them_and_nothing_else_is() {
        let job = pb::JobSpec {
            script_type: pb::ScriptType::Osis.into(),
            script: "s3cret".to_owned(),
            caller_id: "billing".to_owned(),
            queue: "osis-2".to_owned(),
            env: [("KEY".to_owned(), "s3cret".to_owned())].into(),
            ..Default::default()
        };
        let submit = pb::SubmitJobRequest { job: Some(job), job_id: "j".to_owned(), ..Default::default() };
        let one = of("SubmitJob", &submit);
        let expected = AuditTarget {
            job_ids: names(&["j"]),
            script_types: names(&["osis"]),
            queues: names(&["osis-2"]),
            caller_ids: names(&["billing"]),
            ..Default::default()
        };
        assert_eq!(one, expected);
        assert_eq!(of("SubmitJobs", &pb::SubmitJobsRequest { requests: vec![submit] }), expected);
        let selector = pb::ActorSelector { actor_ids: names(&["a", "b"]), all: true, ..Default::default() };
        let stop = pb::StopActorsRequest { selector: Some(selector), ..Default::default() };
        let expected = AuditTarget { actor_ids: names(&["a", "b"]), all: true, ..Default::default() };
        assert_eq!(of("StopActors", &stop), expected);
        assert_eq!(target("StopActors", b"\xff\xff"), AuditTarget::default());
        assert_eq!(target("Nonsense", b""), AuditTarget::default());
    }
}
