//! Flat lists of names and values, with the key that they were read from for error messages.

use std::str::FromStr;

use redis::Value;

use crate::adapters::redis::reply::{self, Lossy};
use crate::ports::store_fault::StoreFault;

/// Names and values of one record or entry; small enough for a search from the start.
#[derive(Debug, Clone)]
pub(in super::super) struct Fields {
    key: String,
    list: Vec<(String, String)>,
}

impl Fields {
    /// Makes fields of alternating names and values.
    pub(in super::super) fn from_flat(key: String, values: Vec<Value>) -> Result<Self, StoreFault> {
        let mut list = Vec::with_capacity(values.len() / 2);
        let mut values = values.into_iter();
        while let (Some(name), Some(value)) = (values.next(), values.next()) {
            list.push((reply::read(&key, name)?, reply::read(&key, value)?));
        }
        Ok(Self { key, list })
    }

    /// Makes fields of alternating names and values that scripts wrote, which need not be UTF-8.
    pub(in super::super) fn from_flat_lossy(key: String, values: Vec<Value>) -> Result<Self, StoreFault> {
        let pairs: Vec<(Lossy, Lossy)> = reply::read(&key, Value::Array(values))?;
        Ok(Self { list: pairs.into_iter().map(|(name, value)| (name.0, value.0)).collect(), key })
    }

    /// Makes fields of the values of known names, nil for a missing one. None when all are nil: there is no such
    /// record.
    pub(in super::super) fn from_known(
        key: String,
        names: &[&str],
        values: Vec<Value>,
    ) -> Result<Option<Self>, StoreFault> {
        let mut list = Vec::with_capacity(values.len());
        for (name, value) in names.iter().zip(values) {
            if value != Value::Nil {
                list.push(((*name).to_owned(), reply::read(&key, value)?));
            }
        }
        Ok((!list.is_empty()).then_some(Self { key, list }))
    }

    /// The key that the fields were read from.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The value of a name.
    pub(in super::super) fn get(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns all names with their values.
    pub(in super::super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value as a number; None for a missing or empty one.
    pub(in super::super) fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, StoreFault> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| self.corrupt(name, "is not such a number")),
        }
    }

    /// The error that names the record and the field.
    pub(in super::super) fn corrupt(&self, name: &str, why: &str) -> StoreFault {
        StoreFault::Corrupt { what: format!("{name} of {}", self.key), source: why.to_owned().into() }
    }
}
