//! Shortens errors to what every client accepts.
//!
//! Clients refuse trailers of more than 8 KiB, some of less, and then report the refusal instead of the error; some
//! lose the whole connection. Therefore a text is complete once, everything else is cut with a mark, and omitted
//! items are counted.

use std::borrow::Cow;
use std::collections::HashMap;

use prost::Message;
use tonic::Status;
use tonic::codegen::http::HeaderMap;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::{DOMAIN, Detail, Failure};
use crate::domain::model::text::cut;
use crate::proto as pb;

/// Most bytes of the headers of an error, counted as in HTTP/2.
const MAX_HEADERS: usize = 4096;
/// Bytes of the other headers: status, content type and date.
const BESIDE: usize = 256;
/// Most bytes of the error itself.
pub(crate) const MAX_TRAILERS: usize = MAX_HEADERS - BESIDE;
/// Most bytes of the error of one item of many.
pub(crate) const MAX_ITEM_ERROR: usize = 1536;
/// Bytes that HTTP/2 counts for each header beside its name and its value.
const AROUND_HEADER: usize = 32;
/// Longest repetition of the message in the details, for clients that read only those.
const REPEATED: usize = 100;

/// A level of detail.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Most bytes of the message.
    message: usize,
    /// Most violations.
    items: usize,
    /// Most bytes of every other text.
    each: usize,
}

/// The levels, from nearly complete to what always fits.
const ROOMS: [Room; 7] = [
    Room { message: 1024, items: 20, each: 256 },
    Room { message: 512, items: 20, each: 256 },
    Room { message: 512, items: 20, each: 128 },
    Room { message: 512, items: 10, each: 128 },
    Room { message: 256, items: 8, each: 96 },
    Room { message: 256, items: 4, each: 64 },
    Room { message: 128, items: 2, each: 64 },
];

impl Failure {
    /// Returns the message, or the text of the violations.
    fn message(&self, room: Room) -> Cow<'_, str> {
        match &self.detail {
            Detail::Fields(violations) => {
                Cow::Owned(format!("invalid request: {}", violations.sentence(room.message)))
            }
            Detail::None | Detail::Resource(..) | Detail::Precondition(_) => cut(&self.message, room.message),
        }
    }

    /// Returns the metadata, and the number of violations if some are left out.
    fn metadata(&self, room: Room) -> HashMap<String, String> {
        let told =
            |(key, value): (&&'static str, &String)| ((*key).to_owned(), cut(value, room.each).into_owned());
        let mut metadata: HashMap<String, String> = self.metadata.iter().map(told).collect();
        if let Detail::Fields(violations) = &self.detail
            && violations.count() > room.items
        {
            metadata.insert("violations".to_owned(), violations.count().to_string());
        }
        metadata
    }

    fn status(&self, room: Room) -> Status {
        let message = self.message(room);
        let again = cut(&message, REPEATED);
        let mut details = ErrorDetails::with_error_info(self.reason(), DOMAIN, self.metadata(room));
        if let Some(after) = self.retry_after {
            details.set_retry_info(Some(after));
        }
        match &self.detail {
            Detail::None => {}
            Detail::Fields(violations) => {
                let named = violations.iter().take(room.items);
                let all = named
                    .map(|v| FieldViolation::new(cut(&v.field, room.each), cut(&v.description, room.each)));
                details.set_bad_request(all.collect::<Vec<_>>());
            }
            Detail::Resource(kind, name) => {
                details.set_resource_info(*kind, cut(name, room.each), "", again);
            }
            Detail::Precondition(subject) => {
                details.add_precondition_failure_violation(self.reason(), cut(subject, room.each), again);
            }
        }
        Status::with_error_details(self.code, message, details)
    }

    fn item(&self, room: Room) -> pb::ItemError {
        let field_violations = match &self.detail {
            Detail::Fields(violations) => violations
                .iter()
                .take(room.items)
                .map(|v| pb::FieldViolation {
                    field: cut(&v.field, room.each).into_owned(),
                    description: cut(&v.description, room.each).into_owned(),
                })
                .collect(),
            Detail::None | Detail::Resource(..) | Detail::Precondition(_) => Vec::new(),
        };
        pb::ItemError {
            code: self.code.into(),
            reason: self.reason().to_owned(),
            message: self.message(room).into_owned(),
            metadata: self.metadata(room).into_iter().collect(),
            field_violations,
        }
    }
}

/// Returns the first level with at most `most` bytes, or the last one.
fn fitting<T>(most: usize, told: impl Fn(Room) -> T, size: impl Fn(&T) -> usize) -> T {
    let [rooms @ .., least] = ROOMS;
    rooms.into_iter().map(&told).find(|told| size(told) <= most).unwrap_or_else(|| told(least))
}

/// Returns the bytes of the trailers of an error, counted as in HTTP/2.
pub(super) fn trailers(status: &Status) -> usize {
    let mut headers = HeaderMap::new();
    match status.add_header(&mut headers) {
        Ok(()) => headers.iter().map(|(name, value)| name.as_str().len() + value.len() + AROUND_HEADER).sum(),
        Err(_not_a_header) => usize::MAX,
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        fitting(MAX_TRAILERS, |room| failure.status(room), trailers)
    }
}

impl From<Failure> for pb::ItemError {
    fn from(failure: Failure) -> Self {
        fitting(MAX_ITEM_ERROR, |room| failure.item(room), pb::ItemError::encoded_len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::model::violation::Violations;
    use crate::error::SupervisorError;

    fn start_failed(cause: &str) -> Failure {
        SupervisorError::ActorStartFailed("osis_actor_0".to_owned(), cause.to_owned()).into()
    }

    #[test]
    fn a_long_cause_is_told_cut_and_with_its_reason() {
        for line in ["x", "é", "\u{1f980}", "\n"] {
            let status = Status::from(start_failed(&line.repeat(100_000)));
            assert!(trailers(&status) <= MAX_TRAILERS, "{}", trailers(&status));
            assert!(status.message().starts_with("actor osis_actor_0 failed to start: "));
            assert!(status.message().ends_with('…'), "{}", status.message());
            let details = status.get_error_details();
            let info = details.error_info().unwrap();
            assert_eq!(
                (info.reason.as_str(), info.metadata["actor_id"].as_str()),
                ("ACTOR_START_FAILED", "osis_actor_0")
            );
            assert!(details.precondition_failure().is_some());
        }
    }

    #[test]
    fn what_is_not_named_is_counted() {
        let mut violations = Violations::new();
        for index in 0..117 {
            violations.add(format!("config.args[{index}]"), "has a NUL character");
        }
        let status = Status::from(violations.clone());
        assert!(trailers(&status) <= MAX_TRAILERS);
        assert!(status.message().ends_with(" more"), "{}", status.message());
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["violations"], "117");
        let named = details.bad_request().unwrap().field_violations.len();
        assert!((5..=20).contains(&named), "{named}");
        let item = pb::ItemError::from(Failure::from(violations));
        assert!(item.encoded_len() <= MAX_ITEM_ERROR && !item.field_violations.is_empty());
        assert_eq!(item.metadata["violations"], "117");
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn every_failure_fits(
            fields in proptest::collection::vec((".{0,300}", "\\PC{0,600}"), 1..40),
            times in 1_usize..200,
            cause in "(.{0,50}){0,400}",
        ) {
            let mut violations = Violations::new();
            for (field, description) in &fields {
                for _ in 0..times {
                    violations.add(field, description);
                }
            }
            let unmet = SupervisorError::DependencyUnmet {
                actor: cause.clone(), dependency: cause.clone(), reason: cause.clone(),
            };
            let invalid = SupervisorError::BinaryInvalid { path: cause.clone().into(), reason: cause.clone() };
            for failure in [violations.into(), start_failed(&cause), unmet.into(), invalid.into()] {
                let item = failure.item(ROOMS[6]);
                prop_assert!(item.encoded_len() <= MAX_ITEM_ERROR);
                prop_assert!(trailers(&failure.into()) <= MAX_TRAILERS);
            }
        }
    }
}
