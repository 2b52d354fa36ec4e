//! Records of a backup: what each is, and its form in JSON.
//!
//! Values of Redis are kept byte for byte, those of fields that this version does not know as well.

use std::fmt;

use redis::{FromRedisValue, ParsingError, ToRedisArgs, Value};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hex;

/// A text of Redis: UTF-8 nearly always. Other bytes become `{"hex": …}` in JSON.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub Vec<u8>);

impl Text {
    /// Returns it for people; bytes that are not UTF-8 are replaced.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// Returns it as UTF-8; None if it is not.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

impl FromRedisValue for Text {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        match answer {
            Value::BulkString(bytes) => Ok(Self(bytes)),
            other => String::from_redis_value(other).map(|text| Self(text.into_bytes())),
        }
    }
}

impl ToRedisArgs for Text {
    fn write_redis_args<W: ?Sized + redis::RedisWrite>(&self, out: &mut W) {
        out.write_arg(&self.0);
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) => serializer.serialize_str(text),
            None => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("hex", &hex::encode(&self.0))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or an object with hex")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(text.into())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Text, E> {
        Ok(Text(text.into_bytes()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        let entry = map.next_entry::<String, String>()?;
        let bytes = entry.filter(|(name, _)| name == "hex").and_then(|(_, digits)| hex::decode(&digits));
        bytes.map(Text).ok_or_else(|| A::Error::custom("neither a text nor an object with hex"))
    }
}

/// A hash whose fields are restored one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashName {
    /// Definitions of actors and their desired states.
    Actors,
    /// Templates of script types and of queues.
    Templates,
    /// Settings of script types.
    Settings,
    /// Settings of named queues.
    QueueSettings,
}

impl HashName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Actors, Self::Templates, Self::Settings, Self::QueueSettings];
}

/// One record of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// One field of a hash.
    Field {
        /// The hash.
        hash: HashName,
        /// Name of the field.
        name: Text,
        /// Value of the field.
        value: Text,
    },
    /// A queue as such.
    Queue(SavedQueue),
    /// A job.
    Job(SavedJob),
    /// A request id that stands for a job.
    Request(SavedRequest),
    /// An object of scripts.
    Object(SavedObject),
}

/// A queue: that of a script type, or one that was created by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedQueue {
    /// Name of the queue.
    pub name: Text,
    /// Script type of a queue that was created by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script_type: Option<Text>,
    /// Time of its creation, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Text>,
    /// Record of the queue among those of all queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Text>,
    /// True while no job is handed out.
    #[serde(default)]
    pub paused: bool,
    /// Reason of the pause.
    #[serde(default)]
    pub reason: Text,
    /// Identity that has paused it.
    #[serde(default)]
    pub who: Text,
}

/// A job as it was at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedJob {
    /// Name of its queue.
    pub queue: Text,
    /// Id of the job.
    pub id: Text,
    /// Time of its acceptance, in milliseconds since 1970.
    pub accepted: Text,
    /// Time of the read, likewise.
    pub read_at: Text,
    /// Milliseconds for which the record of an ended job is kept; empty for another job.
    #[serde(default)]
    pub kept: Text,
    /// Attempt that an actor had of it; empty for none.
    #[serde(default)]
    pub attempt: Text,
    /// The actor of this attempt.
    #[serde(default)]
    pub actor: Text,
    /// Rank among the jobs that wait for an actor.
    #[serde(default)]
    pub rank: Text,
    /// `1` if it comes before all jobs that have not begun.
    #[serde(default)]
    pub begun: Text,
    /// Names and values of its record.
    pub fields: Vec<(Text, Text)>,
}

/// A request id and its job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRequest {
    /// Queue of the job.
    pub queue: Text,
    /// The request id.
    pub request: Text,
    /// Job, digest of the content, and time.
    pub value: Text,
    /// Milliseconds for which the id still stands for the job.
    pub kept: u64,
}

/// An object of scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedObject {
    /// Context and type, as the key has them.
    pub shelf: Text,
    /// Id of the object.
    pub id: Text,
    /// Revision, space and text.
    pub value: Text,
    /// Index sets that have it.
    #[serde(default)]
    pub indexes: Vec<Text>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_byte_for_byte() {
        for bytes in [&b"plain"[..], "ü\u{0}\n\"".as_bytes(), &[0xff, 0x00, 0x61], b""] {
            let text = Text(bytes.to_vec());
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text, "{json}");
        }
        assert_eq!(serde_json::to_string(&Text(vec![0xff])).unwrap(), r#"{"hex":"ff"}"#);
        for wrong in [r#"{"hex":"f"}"#, r#"{"x":"ff"}"#, "{}", "1", "null"] {
            assert!(serde_json::from_str::<Text>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn fields_of_a_later_version_are_passed_over_and_missing_ones_are_empty() {
        let json = r#"{"job":{"queue":"osis","id":"j","accepted":"1","read_at":"2","later":[1],"fields":[["a","b"]]}}"#;
        let Record::Job(job) = serde_json::from_str(json).unwrap() else { panic!("a job") };
        assert_eq!((job.rank, job.fields.len()), (Text::default(), 1));
    }
}
