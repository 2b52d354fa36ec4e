//! Answers of Redis as values.

use redis::{FromRedisValue, ParsingError, Value};

use crate::ports::store_fault::StoreFault;

/// Characters of an unreadable answer that its error shows.
const SHOWN: usize = 200;

/// Reads an answer; `what` names it in the error.
pub(super) fn read<R: FromRedisValue>(what: &str, answer: Value) -> Result<R, StoreFault> {
    R::from_redis_value(answer).map_err(|error| corrupt(what, &error.to_string()))
}

/// The error of an answer that cannot be read.
pub(super) fn corrupt(what: &str, why: &str) -> StoreFault {
    let end = why.char_indices().nth(SHOWN).map_or(why.len(), |(at, _)| at);
    StoreFault::Corrupt { what: what.to_owned(), source: why[..end].to_owned().into() }
}

/// A text that others wrote; bytes that are not UTF-8 are replaced.
#[derive(Debug)]
pub(super) struct Lossy(pub(super) String);

impl FromRedisValue for Lossy {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        match answer {
            Value::BulkString(bytes) => Ok(Self(String::from_utf8_lossy(&bytes).into_owned())),
            other => String::from_redis_value(other).map(Self),
        }
    }
}

/// An entry of a stream.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    /// Names and values in turn; None for a pending entry that is no longer in its stream.
    pub(super) fields: Option<Vec<Value>>,
}

impl FromRedisValue for Entry {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let (id, fields) = FromRedisValue::from_redis_value(answer)?;
        Ok(Self { id, fields })
    }
}

/// The answer of XREAD and XREADGROUP: keys with their entries. Empty when nothing came in time.
pub(super) type Streams = Vec<(String, Vec<Entry>)>;

/// The parts of an answer, read one by one. Missing ones are nil, further ones are ignored: another revision of the functions may
/// answer with more.
pub(super) struct Parts(std::vec::IntoIter<Value>);

impl FromRedisValue for Parts {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        match answer {
            Value::Array(parts) => Ok(Self(parts.into_iter())),
            other => Err(format!("not a list: {other:?}").into()),
        }
    }
}

impl Parts {
    /// Reads the next part.
    pub(super) fn next<R: FromRedisValue>(&mut self) -> Result<R, ParsingError> {
        R::from_redis_value(self.0.next().unwrap_or_default())
    }

    /// Reads all parts that are left.
    pub(super) fn rest<R: FromRedisValue>(self) -> Result<Vec<R>, ParsingError> {
        R::from_redis_values(self.0.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn streams_are_read_with_their_entries() {
        let entry = Value::Array(vec![text("1-0"), Value::Array(vec![text("id"), text("j1")])]);
        let deleted = Value::Array(vec![text("2-0"), Value::Nil]);
        let answer = Value::Array(vec![Value::Array(vec![text("key"), Value::Array(vec![entry, deleted])])]);
        let streams: Streams = read("a read", answer).unwrap();
        let [(key, entries)] = &streams[..] else { panic!("{streams:?}") };
        assert_eq!((key.as_str(), entries.len()), ("key", 2));
        assert_eq!(entries[0].fields.as_deref(), Some(&[text("id"), text("j1")][..]));
        assert_eq!((entries[1].id.as_str(), entries[1].fields.is_none()), ("2-0", true));
        assert!(read::<Streams>("a read", Value::Nil).unwrap().is_empty());
    }

    #[test]
    fn an_answer_of_another_shape_is_named_and_shown_in_part() {
        let error = read::<i64>("the depth", text(&"x".repeat(5000))).unwrap_err();
        let StoreFault::Corrupt { what, source } = error else { panic!("{error}") };
        assert_eq!(what, "the depth");
        assert!(source.to_string().chars().count() <= SHOWN, "{source}");
    }

    #[test]
    fn parts_may_be_missing_or_more() {
        let mut parts: Parts =
            read("parts", Value::Array(vec![Value::Int(1), text("2"), Value::Int(3)])).unwrap();
        assert_eq!((parts.next::<u64>().unwrap(), parts.next::<i64>().unwrap()), (1, 2));
        assert_eq!(parts.rest::<i64>().unwrap(), [3]);
        assert!(read::<Parts>("parts", Value::Okay).is_err());
        let mut none: Parts = read("parts", Value::Array(Vec::new())).unwrap();
        assert_eq!(none.next::<Option<String>>().unwrap(), None);
    }
}
