//! The response of WatchEvents as the server sends it: an event is encoded once for all watches.

use prost::Message;
use prost::bytes::Bytes;

use crate::proto as pb;
use crate::proto::watch_events_response::Item;

/// A [`pb::WatchEventsResponse`] whose event is encoded already. On the wire a message in a field and its bytes in a field
/// are the same. At most one of the fields behind the cursor is set.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WatchEventsMessage {
    #[prost(string, tag = "1")]
    cursor: String,
    #[prost(message, optional, tag = "2")]
    snapshot_item: Option<pb::SnapshotItem>,
    #[prost(bytes = "bytes", tag = "3")]
    event: Bytes,
    #[prost(message, optional, tag = "4")]
    bookmark: Option<pb::Bookmark>,
}

impl WatchEventsMessage {
    /// Makes a message of an encoded event.
    pub(crate) fn of_event(cursor: String, event: Bytes) -> Self {
        Self { cursor, event, ..Self::default() }
    }

    /// Makes a message of anything.
    pub(crate) fn of_item(cursor: String, item: Item) -> Self {
        match item {
            Item::SnapshotItem(item) => Self { cursor, snapshot_item: Some(item), ..Self::default() },
            Item::Bookmark(bookmark) => Self { cursor, bookmark: Some(bookmark), ..Self::default() },
            Item::Event(event) => Self::of_event(cursor, event.encode_to_vec().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_read_what_the_contract_says() {
        let event = pb::Event { event_id: "e1".to_owned(), message: "näh".to_owned(), ..Default::default() };
        let actor = pb::Actor { actor_id: "a".to_owned(), ..Default::default() };
        let snapshot_item = pb::SnapshotItem { item: Some(pb::snapshot_item::Item::Actor(actor)) };
        let bookmark = pb::Bookmark { kind: pb::bookmark::Kind::Heartbeat.into(), time: None };
        for item in [Item::Event(event), Item::SnapshotItem(snapshot_item), Item::Bookmark(bookmark)] {
            let sent = WatchEventsMessage::of_item("c1".to_owned(), item.clone()).encode_to_vec();
            let expected = pb::WatchEventsResponse { cursor: "c1".to_owned(), item: Some(item) };
            assert_eq!(sent, expected.encode_to_vec());
            assert_eq!(pb::WatchEventsResponse::decode(sent.as_slice()).unwrap(), expected);
        }
    }

    /// A field that the contract gains and this message has not would be lost.
    #[test]
    fn the_message_has_every_field_of_the_contract() {
        let message = crate::descriptors::descriptor::<pb::WatchEventsResponse>().unwrap();
        let fields: Vec<(u32, String)> =
            message.fields().map(|field| (field.number(), field.name().to_owned())).collect();
        let known = [(1, "cursor"), (2, "snapshot_item"), (3, "event"), (4, "bookmark")];
        assert_eq!(fields, known.map(|(number, name)| (number, name.to_owned())));
    }
}
