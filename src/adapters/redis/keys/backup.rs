//! Keys that only backups use, and names that are read from keys that have no index.

use super::{Rights, rights_of_supervisors};
use crate::domain::model::queue_name::QueueName;

/// Progress of a restore that is under way or broke off: a hash.
pub(in crate::adapters::redis) const RESTORE: &str = "hero:restore";
/// First part of the keys of objects, of all contexts.
const OBJECTS: &str = "hero:obj:";
/// First part of the keys of requests, of all queues.
const REQUESTS: &str = "hero:req:";
/// Pattern of the keys that a backup looks for, since no index has them: objects and requests.
pub(in crate::adapters::redis) const WITHOUT_INDEX: &str = "hero:[or]*";

/// The queue and the request whose job a key has; None for another key.
pub(in crate::adapters::redis) fn parse_request(key: &str) -> Option<(QueueName, &str)> {
    let (queue, request) = key.strip_prefix(REQUESTS)?.strip_prefix('{')?.split_once("}:")?;
    Some((QueueName::parse(queue).ok()?, request))
}

/// Progress of the restore of the jobs of a queue, a hash.
pub(in crate::adapters::redis) fn restored(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:restore")
}

/// The pause of a queue, a hash.
pub(in crate::adapters::redis) fn pause(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:pause")
}

/// The script type of a queue that was created by name, a hash.
pub(in crate::adapters::redis) fn meta(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:meta")
}

/// The shelf whose objects a key has, as it is written in the key; None for another key, also for an index of a shelf.
pub(in crate::adapters::redis) fn parse_objects(key: &str) -> Option<&str> {
    let shelf = key.strip_prefix(OBJECTS)?;
    let (context, kind) = shelf.strip_prefix("{obj:")?.split_once("}:")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'%');
    (context.bytes().all(plain) && !kind.is_empty() && kind.bytes().all(plain)).then_some(shelf)
}

/// The objects on a shelf that is written as in the key; None if it is none.
pub(in crate::adapters::redis) fn objects_of(shelf: &str) -> Option<String> {
    let key = format!("{OBJECTS}{shelf}");
    parse_objects(&key).is_some().then_some(key)
}

/// Further rights of those who make and restore backups.
pub(in crate::adapters::redis) fn rights_of_backups() -> Vec<String> {
    let patterns = [RESTORE.to_owned(), format!("{OBJECTS}*")];
    rights_of_supervisors()
        .into_iter()
        .chain(patterns.iter().filter_map(|pattern| Rights::All.to(pattern)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::redis::keys::{objects, request};
    use crate::domain::model::script_type::ScriptType;
    use crate::ports::object_store::Shelf;

    #[test]
    fn a_shelf_is_found_in_its_key_and_indexes_are_none() {
        let shelf = Shelf { context: "a}:x {b".to_owned(), kind: "é:f".to_owned() };
        let key = objects(&shelf);
        let written = parse_objects(&key).unwrap();
        assert_eq!(objects_of(written), Some(key.clone()));
        for other in ["hero:obj:{obj:c}:note:f", "hero:obj:{obj:c}:note:x:team:00", "hero:obj:{obj:c}:"] {
            assert_eq!(parse_objects(other), None, "{other}");
        }
        for foreign in ["{osis}:jobs", "x", "{obj:a b}:note"] {
            assert_eq!(objects_of(foreign), None, "{foreign}");
        }
        let request = request(ScriptType::SAL.into(), "r:1}");
        assert_eq!(parse_request(&request), Some((ScriptType::SAL.into(), "r:1}")));
        assert_eq!(parse_request("hero:req:x"), None);
    }
}
