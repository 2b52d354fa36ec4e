//! The keys in Redis.
//!
//! | keys | slot in a Cluster |
//! |---|---|
//! | `hero:{Q}:…`, `hero:job:{Q}:…`, `hero:req:{Q}:…` | one for each queue, so that each step of a job is one step: osis 13090, sal 5225, v 7761, python 7252 |
//! | [`CONTROL_EVENTS`], and what is below it | 9102 |
//! | `hero:obj:{obj:CONTEXT}:…` | one for each context |
//! | `hero:{node:NODE}:calls`, `hero:{node:NODE}:answer:…` | one for each machine |
//! | [`NODES`], and what is below it | 2509 |
//! | [`ACTORS`], [`TEMPLATES`], [`SETTINGS`], [`QUEUE_SETTINGS`], [`HEALTHS`], [`DECISIONS`], [`EPOCH`], [`PROBE`], [`QUEUES`], [`DUE_QUEUES`], [`RESTORE`], `hero:at:…`, `hero:lead:NODE` | each key its own; nothing is done with two of them in one step |
//!
//! A test holds the numbers (`cluster/slots.rs`).

mod backup;
mod mark;
mod place;

use crate::domain::model::event::cursor::EventStream;
use crate::domain::model::id::{ActorId, JobId, NodeName};
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::script_type::ScriptType;
use crate::ports::object_store::Shelf;

pub(super) use backup::{
    RESTORE, WITHOUT_INDEX, meta, objects_of, parse_objects, parse_request, pause, restored,
    rights_of_backups,
};
pub(super) use mark::Mark;
pub(super) use place::{Lane, Place};

/// Consumer group of every queue stream.
pub(super) const GROUP: &str = "g";
/// Records of all actors: a hash, id to JSON.
pub(super) const ACTORS: &str = "hero:actors";
/// Template of each script type: a hash, word to JSON.
pub(super) const TEMPLATES: &str = "hero:templates";
/// Settings of each script type: a hash, word to JSON.
pub(super) const SETTINGS: &str = "hero:settings";
/// Settings of named queues: a hash, name to JSON. Supervisors that do not know such queues read only [`SETTINGS`].
pub(super) const QUEUE_SETTINGS: &str = "hero:queue-settings";
/// Health of each actor: a hash, id to JSON.
pub(super) const HEALTHS: &str = "hero:health";
/// Last scaling decision of each script type: a hash, word to JSON.
pub(super) const DECISIONS: &str = "hero:decisions";
/// Events that are not about jobs: a stream. The state of each actor that was emitted last is kept beside it (`:told`, a hash).
pub(super) const CONTROL_EVENTS: &str = "hero:{events}:log";
/// Epoch of the data: a random text, written once. Another text means that Redis has lost its data.
pub(super) const EPOCH: &str = "hero:epoch";

/// Machines by the time at which their supervisors were last seen: a sorted set. The one that leads the fleet is kept beside it
/// (`:lead`, a text that expires). No queue has this hash tag.
pub(super) const NODES: &str = "hero:{nodes:all}:seen";
/// The machine that leads the fleet.
pub(super) const FLEET_LEAD: &str = "hero:{nodes:all}:seen:lead";

/// Queues that were created by name: a hash, name to JSON, and the number of changes.
pub(super) const QUEUES: &str = "hero:queues";
/// The field of [`QUEUES`] and of [`QUEUE_SETTINGS`] that counts the changes. No queue has this name.
pub(super) const CHANGES_OF_QUEUES: &str = "#";
/// Named queues by the time of their next maintenance, in milliseconds since 1970: a sorted set.
pub(super) const DUE_QUEUES: &str = "hero:queues:due";

/// A key that never exists, so that its removal is a write that changes nothing.
pub(super) const PROBE: &str = "hero:probe";

/// The same in the slot of a queue.
pub(super) fn probe(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:probe")
}

/// Name of the queue that has a job whose id does not tell it. The key expires.
pub(super) fn queue_of_id(id: &JobId) -> String {
    format!("hero:at:job:{id}")
}

/// Name of the queue in which a request has made its job, if that is none of the default ones. The key expires.
pub(super) fn queue_of_request(request: &str) -> String {
    format!("hero:at:request:{request}")
}

/// The job of a request: id, digest of the content, time.
pub(super) fn request(queue: QueueName, request: &str) -> String {
    format!("hero:req:{{{queue}}}:{request}")
}

/// The actors that are there, a hash.
pub(super) fn actors(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:actors")
}

/// Leader of a node: the supervisor that pings and scales its actors. The key expires.
pub(super) fn lead(node: &NodeName) -> String {
    format!("hero:lead:{node}")
}

/// Calls that other supervisors pass on to the one of a node, a stream. The key expires.
pub(super) fn node_calls(node: &NodeName) -> String {
    format!("hero:{{node:{node}}}:calls")
}

/// The answer to one of them, or a sign that it is worked at. The key expires.
pub(super) fn node_answer(node: &NodeName, call: &str) -> String {
    format!("hero:{{node:{node}}}:answer:{call}")
}

/// Latest usage of the actors of a node: JSON. The key expires.
pub(super) fn usage_of_node(node: &NodeName) -> String {
    format!("hero:usage:node:{node}")
}

/// Usage of an actor in the last day: a hash, number of the five minutes in their day to JSON. The key expires.
pub(super) fn usage_of_actor(actor: &ActorId) -> String {
    format!("hero:usage:actor:{actor}")
}

/// The stream of jobs that any actor of the queue may take.
pub(super) fn queue(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:q")
}

/// The stream of retried, reclaimed and released jobs, which is read first.
pub(super) fn front(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:front")
}

/// The stream of jobs and pings for one actor only.
pub(super) fn inbox(queue: QueueName, actor: &ActorId) -> String {
    format!("hero:{{{queue}}}:in:{actor}")
}

/// The stream of messages for the process of one actor: drain, cancel, wake, pause.
pub(super) fn control(queue: QueueName, actor: &ActorId) -> String {
    format!("hero:{{{queue}}}:ctl:{actor}")
}

/// The record of a job, a hash.
pub(super) fn job(queue: QueueName, id: &JobId) -> String {
    format!("hero:job:{{{queue}}}:{id}")
}

/// Output of a job, a stream.
pub(super) fn output(queue: QueueName, id: &JobId) -> String {
    format!("hero:{{{queue}}}:log:{id}")
}

/// Ids of listed jobs by the time of their acceptance, a sorted set.
pub(super) fn jobs(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:jobs")
}

/// The same of those that have not ended.
pub(super) fn unfinished(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:unfinished")
}

/// The same of the jobs with a mark.
pub(super) fn marked_jobs(queue: QueueName, mark: &Mark<'_>) -> String {
    format!("hero:{{{queue}}}:{BY_MARK}:{mark}")
}

/// Counts of a queue, a hash. Its field `unmarked` is set if a job could not be added to the index of its mark.
pub(super) fn counts(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:counts")
}

/// Knowledge of the rounds of maintenance about the clock, and how far their scans have come: a hash. Its field `indexed` is `all`
/// when [`unfinished`] has every such job, also those that were accepted before there was this index; `marked` likewise for all
/// [`marked_jobs`].
pub(super) fn clock(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:tick")
}

/// Replies about ended jobs that one supervisor awaits, a stream.
pub(super) fn replies(queue: QueueName, instance: &str) -> String {
    format!("hero:{{{queue}}}:rep:{instance}")
}

/// Ids of changed jobs, a channel.
pub(super) fn changes(queue: QueueName) -> String {
    format!("hero:{{{queue}}}:news")
}

/// The objects on a shelf, a hash; their indexes are kept below it. All keys of a context share one hash tag.
pub(super) fn objects(shelf: &Shelf) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let escaped = |text: &str| {
        text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
            match plain(byte) {
                true => out.push(char::from(byte)),
                false => out.push_str(&format!("%{byte:02x}")),
            }
            out
        })
    };
    format!("hero:obj:{{obj:{}}}:{}", escaped(&shelf.context), escaped(&shelf.kind))
}

/// Events, a stream.
pub(super) fn events(stream: EventStream) -> String {
    match stream {
        EventStream::Control => CONTROL_EVENTS.to_owned(),
        EventStream::Jobs(queue) => format!("hero:{{{queue}}}:events"),
    }
}

/// Parts of a queue that have one key each: name, type of the value as Redis names it, and what actors of its type may do with it.
const PARTS: [(&str, &str, Rights); 25] = [
    ("q", "stream", Rights::All),
    ("front", "stream", Rights::All),
    ("backlog", "zset", Rights::All),
    ("events", "stream", Rights::Write),
    ("dlq", "stream", Rights::Write),
    ("jobs", "zset", Rights::None),
    ("unfinished", "zset", Rights::Write),
    ("done", "zset", Rights::Write),
    ("delayed", "zset", Rights::Write),
    ("waits", "zset", Rights::Write),
    ("actors", "hash", Rights::All),
    ("pause", "hash", Rights::Read),
    ("counts", "hash", Rights::All),
    ("tick", "hash", Rights::None),
    ("inboxes", "set", Rights::None),
    ("marked", "hash", Rights::All),
    ("meta", "hash", Rights::Read),
    ("restore", "hash", Rights::None),
    ("flow", "hash", Rights::All),
    ("flow-backlog", "zset", Rights::All),
    ("flow-waiting", "zset", Rights::All),
    ("flow-busy", "zset", Rights::All),
    ("flow-ready", "zset", Rights::All),
    ("flow-idle", "zset", Rights::All),
    ("flow-later", "zset", Rights::Write),
];
/// The unfinished jobs of an identity: a sorted set for each. Only the functions use it.
const OF_IDENTITY: &str = "of";
/// Parts of a queue that have a key for each actor, job or supervisor: streams.
const STREAMS: [(&str, Rights); 4] =
    [("in", Rights::All), ("ctl", Rights::All), ("log", Rights::All), ("rep", Rights::Write)];
/// The jobs of a unique key: a hash for each. Only the functions use it.
const OF_KEY: &str = "unique";
/// The jobs with a mark: a sorted set for each.
const BY_MARK: &str = "by";
/// Keys of a queue that are not below its base: records of jobs, and jobs by request id.
const RECORDS: [(&str, Rights); 2] = [("job", Rights::All), ("req", Rights::None)];

/// Rights of a user of Redis on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    None,
    Read,
    Write,
    All,
}

impl Rights {
    /// The right to the keys of a pattern, as Redis writes it; None for no right.
    fn to(self, pattern: &str) -> Option<String> {
        match self {
            Self::None => None,
            Self::Read => Some(format!("%R~{pattern}")),
            Self::Write => Some(format!("%W~{pattern}")),
            Self::All => Some(format!("~{pattern}")),
        }
    }
}

/// The rights of the actors of a queue to keys, as Redis writes them.
pub(super) fn rights_of_actors(typed: TypedQueue) -> Vec<String> {
    let queue = typed.name;
    let mut all = Vec::new();
    all.extend(Rights::Read.to(EPOCH));
    // Nothing is ever stored there.
    all.extend(Rights::All.to(PROBE));
    for (part, _kind, rights) in PARTS {
        all.extend(rights.to(&format!("hero:{{{queue}}}:{part}")));
    }
    // Functions ask for keys that never exist, to see whether the slot is on its way to another server.
    all.extend(Rights::Read.to(&format!("hero:{{{queue}}}:q:~*")));
    for (part, rights) in STREAMS {
        all.extend(rights.to(&format!("hero:{{{queue}}}:{part}:*")));
    }
    all.extend(Rights::Write.to(&format!("hero:{{{queue}}}:{OF_IDENTITY}:*")));
    all.extend(Rights::All.to(&format!("hero:{{{queue}}}:{OF_KEY}:*")));
    all.extend(Rights::Write.to(&format!("hero:{{{queue}}}:{BY_MARK}:*")));
    for (record, rights) in RECORDS {
        all.extend(rights.to(&format!("hero:{record}:{{{queue}}}:*")));
    }
    if typed.script_type == ScriptType::OSIS {
        all.extend(Rights::All.to("hero:obj:*"));
    }
    all
}

/// The rights of supervisors to keys, as Redis writes them: to all but the objects of scripts.
pub(super) fn rights_of_supervisors() -> Vec<String> {
    let shared =
        [ACTORS, TEMPLATES, SETTINGS, QUEUE_SETTINGS, HEALTHS, DECISIONS, EPOCH, PROBE, QUEUES, DUE_QUEUES];
    let mut patterns: Vec<String> = shared.map(str::to_owned).to_vec();
    patterns.extend(["hero:lead:*".to_owned(), "hero:usage:*".to_owned(), format!("{CONTROL_EVENTS}*")]);
    // Those of all queues.
    patterns.extend(["hero:{*}:*".to_owned(), "hero:at:*".to_owned()]);
    patterns.extend(RECORDS.map(|(record, _)| format!("hero:{record}:{{*}}:*")));
    patterns.iter().filter_map(|pattern| Rights::All.to(pattern)).collect()
}

/// The type that the value of a key has, as Redis names it; None for a key that is not ours.
pub(super) fn type_of(key: &str) -> Option<&'static str> {
    let rest = key.strip_prefix("hero:")?;
    if let Some((tag, part)) = rest.strip_prefix('{').and_then(|rest| rest.split_once("}:")) {
        if tag.starts_with("nodes:") {
            return Some(if key == NODES { "zset" } else { "string" });
        }
        if tag.starts_with("node:") {
            return Some(if part == "calls" { "stream" } else { "string" });
        }
        let part = part.split_once(':').map_or((part, None), |(part, of)| (part, Some(of)));
        return match part {
            ("log", Some("told")) if key.starts_with(CONTROL_EVENTS) => Some("hash"),
            ("log", None) if key == CONTROL_EVENTS => Some("stream"),
            (OF_IDENTITY | BY_MARK, Some(_of)) => Some("zset"),
            (OF_KEY, Some(_of)) => Some("hash"),
            (part, Some(_of)) => STREAMS.iter().any(|(name, _)| *name == part).then_some("stream"),
            (part, None) => PARTS.iter().find(|(name, ..)| *name == part).map(|(_, kind, _)| *kind),
        };
    }
    match rest.split_once(':') {
        None if key == EPOCH => Some("string"),
        None => [ACTORS, TEMPLATES, SETTINGS, QUEUE_SETTINGS, HEALTHS, DECISIONS, QUEUES, RESTORE]
            .contains(&key)
            .then_some("hash"),
        Some(_) if key == DUE_QUEUES => Some("zset"),
        Some(("job", _)) => Some("hash"),
        Some(("req" | "lead" | "at", _)) => Some("string"),
        Some(("usage", of)) if of.starts_with("node:") => Some("string"),
        Some(("usage", _)) => Some("hash"),
        Some(("obj", index)) if index.contains(":x:") => Some("set"),
        Some(("obj", _)) => Some("hash"),
        Some(_other) => None,
    }
}

/// The keys that a function may use beside the stream of a queue: those of the queue, and those of the jobs, actors and requests
/// that its arguments may name. None for another key.
pub(super) fn beside(stream: &str, words: &[String]) -> Vec<String> {
    let Some(base) = stream.strip_suffix(":q") else { return Vec::new() };
    let tag = base.trim_start_matches("hero:");
    let mut keys: Vec<String> = PARTS.iter().map(|(part, ..)| format!("{base}:{part}")).collect();
    for word in words.iter().filter(|word| JobId::parse(word).is_ok()) {
        keys.push(format!("hero:job:{tag}:{word}"));
        keys.push(format!("hero:req:{tag}:{word}"));
        keys.extend(STREAMS.iter().map(|(part, _)| format!("{base}:{part}:{word}")));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_queue_share_one_hash_tag() {
        let actor = ActorId::parse("osis_actor_0").unwrap();
        let id = JobId::parse("j1").unwrap();
        let keys = [
            queue(ScriptType::OSIS.into()),
            front(ScriptType::OSIS.into()),
            inbox(ScriptType::OSIS.into(), &actor),
            job(ScriptType::OSIS.into(), &id),
            jobs(ScriptType::OSIS.into()),
            output(ScriptType::OSIS.into(), &id),
            replies(ScriptType::OSIS.into(), "s1"),
            control(ScriptType::OSIS.into(), &actor),
        ];
        assert!(keys.iter().all(|key| key.starts_with("hero:") && key.contains("{osis}:")), "{keys:?}");
    }

    #[test]
    fn shelves_have_keys_of_their_own_whatever_they_are_called() {
        let key = |context: &str, kind: &str| {
            objects(&Shelf { context: context.to_owned(), kind: kind.to_owned() })
        };
        assert_eq!(key("", "note"), "hero:obj:{obj:}:note");
        assert_eq!(key("a}:x {b", "é:f"), "hero:obj:{obj:a%7d%3ax%20%7bb}:%c3%a9%3af");
        assert_ne!(key("a%7d", "note"), key("a}", "note"));
    }
}
