//! Places in which jobs wait or are held: a stream and an entry of it, which a lease names.

use crate::ports::work_queue::Lease;

/// The three streams in which a job can wait, in the order in which an actor serves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::adapters::redis) enum Lane {
    /// Retried, reclaimed and released jobs.
    Front,
    /// Pinned jobs.
    Inbox,
    /// The queue of all other jobs.
    Queue,
}

impl Lane {
    pub(in crate::adapters::redis) const ALL: [Lane; 3] = [Self::Front, Self::Inbox, Self::Queue];

    /// The letter that stands for the lane in records and leases.
    pub(in crate::adapters::redis) fn letter(self) -> &'static str {
        match self {
            Self::Front => "f",
            Self::Inbox => "i",
            Self::Queue => "q",
        }
    }

    fn of_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.letter() == letter)
    }
}

/// A stream entry in a lane, which a lease stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::adapters::redis) struct Place {
    pub(in crate::adapters::redis) lane: Lane,
    millis: u64,
    sequence: u64,
}

impl Place {
    /// Parses an entry id.
    pub(in crate::adapters::redis) fn new(lane: Lane, entry: &str) -> Option<Self> {
        let (millis, sequence) = entry.split_once('-')?;
        Some(Self { lane, millis: millis.parse().ok()?, sequence: sequence.parse().ok()? })
    }

    /// The entry id as Redis writes it.
    pub(in crate::adapters::redis) fn entry(self) -> String {
        format!("{}-{}", self.millis, self.sequence)
    }

    /// The token of a lease, padded so that tokens sort as places do.
    pub(in crate::adapters::redis) fn token(self) -> String {
        format!("{}:{:013}-{:010}", self.lane.letter(), self.millis, self.sequence)
    }

    /// The place that a lease names; None for a foreign token.
    pub(in crate::adapters::redis) fn of(lease: &Lease) -> Option<Self> {
        let (letter, entry) = lease.token.split_once(':')?;
        Self::new(Lane::of_letter(letter)?, entry)
    }

    /// Parses a place of a record: letter, colon, entry id.
    pub(in crate::adapters::redis) fn parse(text: &str) -> Option<Self> {
        let (letter, entry) = text.split_once(':')?;
        Self::new(Lane::of_letter(letter)?, entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::id::JobId;

    #[test]
    fn tokens_sort_as_the_queue_does_and_name_their_entry() {
        let places = [
            (Lane::Front, "9-12"),
            (Lane::Queue, "9-9"),
            (Lane::Queue, "9-10"),
            (Lane::Queue, "1700000000000-0"),
        ]
        .map(|(lane, entry)| (Place::new(lane, entry).unwrap(), entry));
        let tokens: Vec<String> = places.iter().map(|(place, _)| place.token()).collect();
        assert!(tokens.is_sorted(), "{tokens:?}");
        for ((place, entry), token) in places.into_iter().zip(tokens) {
            let lease = Lease { token, job_id: JobId::parse("j").unwrap() };
            assert_eq!(Place::of(&lease), Some(place));
            assert_eq!(place.entry(), entry);
        }
        let foreign = Lease { token: "x".to_owned(), job_id: JobId::parse("j").unwrap() };
        assert_eq!(Place::of(&foreign), None);
    }
}
