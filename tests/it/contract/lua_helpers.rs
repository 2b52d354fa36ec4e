//! Pure helpers of the function library, called by functions of their own.

use redis::aio::MultiplexedConnection;

use crate::support::redis::PrivateRedis;

/// The files that hold the helpers, and functions that call them.
const LIBRARY: &str = concat!(
    include_str!("../../../src/adapters/redis/lua/common.lua"),
    include_str!("../../../src/adapters/redis/lua/records.lua"),
    include_str!("../../../src/adapters/redis/lua/submission.lua"),
    include_str!("../../../src/adapters/redis/lua/output.lua"),
    include_str!("../../../src/adapters/redis/lua/leases.lua"),
    r"
reading('test_truncate', function(_, args) return truncate(args[1], tonumber(args[2])) end)
reading('test_next_entry_id', function(_, args) return next_entry_id(args[1]) end)
reading('test_set_field', function(_, args)
  local fields = { 'a', '1', 'b', '2' }
  set_field(fields, args[1], args[2])
  return fields
end)
reading('test_in_order', function(_, args)
  local entries = {}
  for i, id in ipairs(args) do entries[i] = with_order({ id = id, fields = {} }) end
  table.sort(entries, stands_before)
  for i, entry in ipairs(entries) do entries[i] = entry.id end
  return entries
end)
reading('test_split_place', function(_, args) return { split_place(args[1]) } end)
reading('test_actor_of', function(_, args) return actor_of(args[1]) end)
reading('test_event_text', function(_, args) return event_text(args[1], args[2]) end)
"
);

async fn library() -> (PrivateRedis, MultiplexedConnection) {
    let redis = PrivateRedis::start().await;
    let mut connection = redis.connection().await;
    redis::cmd("FUNCTION").arg("LOAD").arg(LIBRARY).query_async::<()>(&mut connection).await.unwrap();
    (redis, connection)
}

async fn call<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    name: &str,
    args: &[&str],
) -> T {
    redis::cmd("FCALL").arg(name).arg(0).arg(args).query_async(connection).await.unwrap()
}

#[tokio::test]
async fn texts_are_cut_between_characters() {
    let (_redis, mut connection) = library().await;
    let table =
        [("abc", "5", "abc"), ("abcdef", "3", "abc"), ("aé", "2", "a"), ("a€b", "3", "a"), ("€", "2", "")];
    for (text, most, expected) in table {
        let cut: String = call(&mut connection, "test_truncate", &[text, most]).await;
        assert_eq!(cut, expected, "{text} {most}");
    }
}

#[tokio::test]
async fn entries_and_places_are_taken_apart() {
    let (_redis, mut connection) = library().await;
    let next: String = call(&mut connection, "test_next_entry_id", &["1763942400000-9"]).await;
    assert_eq!(next, "1763942400000-10");
    let sorted: Vec<String> = call(&mut connection, "test_in_order", &["9-10", "10-0", "9-9"]).await;
    assert_eq!(sorted, ["9-9", "9-10", "10-0"]);
    let place: Vec<String> = call(&mut connection, "test_split_place", &["q:9-10"]).await;
    assert_eq!(place, ["q", "9-10"]);
    let actor: String = call(&mut connection, "test_actor_of", &["osis_actor_0.41.abc"]).await;
    assert_eq!(actor, "osis_actor_0");
}

#[tokio::test]
async fn a_field_is_replaced_or_added() {
    let (_redis, mut connection) = library().await;
    let replaced: Vec<String> = call(&mut connection, "test_set_field", &["a", "9"]).await;
    assert_eq!(replaced, ["a", "9", "b", "2"]);
    let added: Vec<String> = call(&mut connection, "test_set_field", &["c", "9"]).await;
    assert_eq!(added, ["a", "1", "b", "2", "c", "9"]);
}

#[tokio::test]
async fn an_event_has_no_room_for_all_of_a_long_error() {
    let (_redis, mut connection) = library().await;
    let long = "x".repeat(5000);
    let reason: String = call(&mut connection, "test_event_text", &["reason", &long]).await;
    assert_eq!(reason.len(), 2048);
    let error = format!(r#"{{"kind":"script_error","message":"{long}","log_tail":["line"]}}"#);
    let short: String = call(&mut connection, "test_event_text", &["error", &error]).await;
    let short: serde_json::Value = serde_json::from_str(&short).unwrap();
    assert_eq!(
        (short["kind"].as_str(), short["message"].as_str().map(str::len)),
        (Some("script_error"), Some(2048))
    );
    assert!(short.get("log_tail").is_none());
}
