//! A flat list of names and values, with the key that it was read from for error messages.

use std::str::FromStr;

use redis::Value;

use super::super::connection::unexpected;
use crate::ports::job_queue::QueueError;

/// Names and values of one record or entry; small enough for a search from the start.
#[derive(Debug, Clone)]
pub(in super::super) struct Fields {
    key: String,
    list: Vec<(String, String)>,
}

impl Fields {
    /// From alternating names and values.
    pub(in super::super) fn from_flat(key: String, values: Vec<Value>) -> Result<Self, QueueError> {
        let mut list = Vec::with_capacity(values.len() / 2);
        let mut values = values.into_iter();
        while let (Some(name), Some(value)) = (values.next(), values.next()) {
            list.push((text(&key, name)?, text(&key, value)?));
        }
        Ok(Self { key, list })
    }

    /// The same for what scripts wrote, which need not be UTF-8.
    pub(in super::super) fn from_flat_lossy(key: String, values: Vec<Value>) -> Result<Self, QueueError> {
        let readable = |value| match value {
            Value::BulkString(bytes) => {
                Value::BulkString(String::from_utf8_lossy(&bytes).into_owned().into())
            }
            other => other,
        };
        Self::from_flat(key, values.into_iter().map(readable).collect())
    }

    /// From the values of known names, nil where there is none. None when all are nil: there is no such record.
    pub(in super::super) fn from_known(
        key: String,
        names: &[&str],
        values: Vec<Value>,
    ) -> Result<Option<Self>, QueueError> {
        let mut list = Vec::with_capacity(values.len());
        for (name, value) in names.iter().zip(values) {
            if value != Value::Nil {
                list.push(((*name).to_owned(), text(&key, value)?));
            }
        }
        Ok((!list.is_empty()).then_some(Self { key, list }))
    }

    /// The value of a name.
    pub(in super::super) fn get(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All names with their values.
    pub(in super::super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value as a number; an empty one is none.
    pub(in super::super) fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, QueueError> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| self.corrupt(name, "is not such a number")),
        }
    }

    /// The error that names the record and the field.
    pub(in super::super) fn corrupt(&self, name: &str, why: &str) -> QueueError {
        QueueError::Corrupt { what: format!("{name} of {}", self.key), source: why.to_owned().into() }
    }
}

fn text(key: &str, value: Value) -> Result<String, QueueError> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes)
            .map_err(|error| QueueError::Corrupt { what: key.to_owned(), source: error.utf8_error().into() }),
        Value::SimpleString(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        other => Err(unexpected(key, &other)),
    }
}
