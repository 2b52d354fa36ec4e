//! Names of actors, jobs, requests and nodes, checked once where they enter.

use std::fmt;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use crate::domain::model::queue_name::QueueName;
use crate::domain::model::text::quoted;
use crate::stable_hash::stable_hash;

/// Bytes of an id that tell its queue.
const QUEUE_BYTES: usize = 3;

/// The end of ids that are made for a queue.
fn mark_of(queue: QueueName) -> [u8; QUEUE_BYTES] {
    let [a, b, c, ..] = stable_hash(queue.as_str().as_bytes()).to_be_bytes();
    [a, b, c]
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id_type! {
    /// Name of an actor: `[a-z][a-z0-9_-]{0,62}`, unique among all supervisors on one Redis.
    ///
    /// The alphabet is what every Zinit generation accepts as a service name and what can stand in its log lines.
    ActorId
}

id_type! {
    /// Name of a job: 1 to 64 of `[A-Za-z0-9_-]`, beginning with a letter or a digit. Ids that the server makes are UUIDv7, so they sort by time.
    JobId
}

id_type! {
    /// A caller's name for one request, 1 to 64 printable ASCII characters without spaces; a UUID is advised.
    RequestId
}

id_type! {
    /// Name of the machine (or of the share of it) whose process manager this supervisor owns: 1 to 63 of
    /// `[A-Za-z0-9._-]`, the host name by default.
    NodeName
}

impl ActorId {
    /// Accepts a well-formed name.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let starts_well = raw.starts_with(|c: char| c.is_ascii_lowercase());
        let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if starts_well && raw.len() <= 63 && raw.chars().all(rest) {
            return Ok(Self(raw.to_owned()));
        }
        Err(format!(
            "{} is not an actor id: use 1 to 63 of a-z, 0-9, _ and -, starting with a letter",
            quoted(raw)
        ))
    }
}

impl JobId {
    /// A fresh id; later ones sort after earlier ones.
    pub fn mint() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// A fresh id of a job for a queue. Its last 24 bits tell the queue, so that the job is found by its id.
    pub fn mint_for(queue: QueueName) -> Self {
        if queue.default_type().is_some() {
            return Self::mint();
        }
        let mut bytes = Uuid::now_v7().into_bytes();
        bytes[16 - QUEUE_BYTES..].copy_from_slice(&mark_of(queue));
        Self(Uuid::from_bytes(bytes).to_string())
    }

    /// True for an id that was made for this queue, and for one in sixteen million others.
    pub fn is_made_for(&self, queue: QueueName) -> bool {
        let own = self.minted_at().and_then(|_time| Uuid::parse_str(&self.0).ok());
        own.is_some_and(|id| id.as_bytes()[16 - QUEUE_BYTES..] == mark_of(queue))
    }

    /// Returns the creation time in the id, if the id is one of ours.
    pub fn minted_at(&self) -> Option<SystemTime> {
        let timestamp = Uuid::parse_str(&self.0).ok()?.get_timestamp()?;
        let (seconds, nanos) = timestamp.to_unix();
        SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
    }

    /// Accepts a well-formed id.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        // What begins with a dash would be an option to every command that is given it.
        let starts_well = raw.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts_well && raw.len() <= 64 && raw.chars().all(allowed) {
            return Ok(Self(raw.to_owned()));
        }
        Err(format!(
            "{} is not a job id: use 1 to 64 of A-Z, a-z, 0-9, _ and -, starting with a letter or a digit",
            quoted(raw)
        ))
    }
}

impl RequestId {
    /// Accepts a well-formed id.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(raw: &str) -> Result<Self, String> {
        if !raw.is_empty() && raw.len() <= 64 && raw.chars().all(|c| c.is_ascii_graphic()) {
            return Ok(Self(raw.to_owned()));
        }
        Err(format!(
            "{} is not a request id: use 1 to 64 printable ASCII characters without spaces, a UUID for instance",
            quoted(raw)
        ))
    }
}

impl Default for NodeName {
    /// The name of a machine that does not know its own.
    fn default() -> Self {
        Self("localhost".to_owned())
    }
}

impl NodeName {
    /// Accepts a well-formed name.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !raw.is_empty() && raw.len() <= 63 && raw.chars().all(allowed) {
            return Ok(Self(raw.to_owned()));
        }
        Err(format!("{} is not a node name: use 1 to 63 of A-Z, a-z, 0-9, ., _ and -", quoted(raw)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actor_ids_are_lowercase_names_of_at_most_63_characters() {
        for good in ["a", "osis_actor_0", "x-1", &"a".repeat(63)] {
            assert_eq!(ActorId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "0a", "A", "a.b", "a/b", "a b", "é", "a\n", &"a".repeat(64)] {
            assert!(ActorId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn job_ids_begin_with_a_letter_or_a_digit() {
        for good in ["0", "a", "Z-1_", "123", &"a".repeat(64)] {
            assert_eq!(JobId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-", "-x", "--help", "_a", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(JobId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn minted_job_ids_are_accepted_and_sort_by_time() {
        let ids: Vec<JobId> = (0..100).map(|_| JobId::mint()).collect();
        assert!(ids.is_sorted());
        for id in ids {
            assert_eq!(JobId::parse(id.as_str()), Ok(id));
        }
    }

    #[test]
    fn an_id_tells_the_queue_that_it_was_made_for() {
        let [gpu, other] = ["python-gpu", "python-cpu"].map(|name| QueueName::parse(name).unwrap());
        let ids: Vec<JobId> = (0..100).map(|_| JobId::mint_for(gpu)).collect();
        assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
        for id in ids {
            assert!(id.is_made_for(gpu) && !id.is_made_for(other) && id.minted_at().is_some(), "{id}");
        }
        assert!(!JobId::parse("mine").unwrap().is_made_for(gpu));
    }

    #[test]
    fn an_error_shows_a_shortened_and_escaped_text() {
        let message = JobId::parse(&"\n".repeat(500)).unwrap_err();
        assert!(message.len() < 250, "{message}");
        assert!(!message.contains('\n'));
    }
}
