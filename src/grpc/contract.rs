//! The generated service: a trait with a method for each call, and what carries it on HTTP/2.
//!
//! The messages are those of [`crate::proto`] but for one, [`WatchEventsMessage`].
//!
//! [`WatchEventsMessage`]: crate::grpc::watch_events_message::WatchEventsMessage

#![expect(
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

include!(concat!(env!("OUT_DIR"), "/service/hero.supervisor.v1.rs"));
