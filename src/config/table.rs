//! Tables of the configuration file. Values are read key by key, and violations are recorded with their paths.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use crate::domain::model::backoff::Backoff;
use crate::domain::model::violation::Violations;

/// A table, and the keys that were read.
pub(super) struct Table<'a> {
    table: &'a Dict,
    known: Vec<&'static str>,
    violations: &'a mut Violations,
}

impl<'a> Table<'a> {
    pub(super) fn new(table: &'a Dict, violations: &'a mut Violations) -> Self {
        Self { table, known: Vec::new(), violations }
    }

    /// Returns a value that was read, or records a violation.
    pub(super) fn keep<T>(&mut self, key: &str, read: Result<T, String>) -> Option<T> {
        self.violations.keep(key, read)
    }

    /// Records the violations of the whole table.
    pub(super) fn append(&mut self, checked: Result<(), Violations>) {
        self.violations.append(checked.err().unwrap_or_default());
    }

    /// Records a violation of a key.
    pub(super) fn wrong(&mut self, key: &str, what: impl AsRef<str>) {
        self.violations.add(key, what);
    }

    /// Reads a value; None without the key.
    pub(super) fn get<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        self.known.push(key);
        let read = self.table.get(key)?.deserialize::<T>();
        self.violations.keep(key, read.map_err(|error| error.kind.to_string()))
    }

    /// Reads an inner table; None without the key.
    pub(super) fn part<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Table<'_>) -> T) -> Option<T> {
        let inner: Dict = self.get(key)?;
        let mut violations = Violations::new();
        let mut table = Table::new(&inner, &mut violations);
        let part = read(&mut table);
        table.refuse_unknown();
        self.violations.nest(key, violations);
        Some(part)
    }

    /// Reads a value, and records a violation without the key.
    pub(super) fn required<T: DeserializeOwned + Default>(&mut self, key: &'static str) -> T {
        if !self.table.contains_key(key) {
            self.violations.add(key, "is missing");
        }
        self.get(key).unwrap_or_default()
    }

    /// Returns true if the table has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reads a duration such as `30s` or `5m`.
    pub(super) fn span(&mut self, key: &'static str) -> Option<Duration> {
        let raw: String = self.get(key)?;
        let span = humantime::parse_duration(&raw);
        self.violations
            .keep(key, span.map_err(|_| format!("{raw:?} is not a time: use 500ms, 30s, 5m or 2h")))
    }

    /// Reads a time such as `2026-01-31T12:00:00Z`.
    pub(super) fn moment(&mut self, key: &'static str) -> Option<SystemTime> {
        let raw: String = self.get(key)?;
        let moment = humantime::parse_rfc3339_weak(&raw);
        self.violations
            .keep(key, moment.map_err(|_| format!("{raw:?} is not a time: use \"2026-01-31T12:00:00Z\"")))
    }

    /// Reads the two delays of a backoff. One without a key makes room for the other one.
    pub(super) fn backoff(&mut self, usual: Backoff) -> Backoff {
        let (initial, max) = (self.span("initial_backoff"), self.span("max_backoff"));
        let checked = usual.with(initial, max).map_err(|invalid| invalid.to_string());
        self.violations.keep("initial_backoff", checked).unwrap_or(usual)
    }

    /// Reads one of the given words.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let raw: String = self.get(key)?;
        let word = words.iter().find(|(word, _)| *word == raw).map(|(_, value)| *value);
        let names = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        self.violations.keep(key, word.ok_or_else(|| format!("is {raw:?}: use {}", names())))
    }

    /// Reads texts by name. Numbers and booleans are taken as they are spelled.
    pub(super) fn texts(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let values: BTreeMap<String, Value> = self.get(key).unwrap_or_default();
        let mut texts = BTreeMap::new();
        for (name, value) in values {
            let text = match &value {
                Value::String(_, text) => Some(text.clone()),
                Value::Char(_, char) => Some(char.to_string()),
                Value::Bool(_, truth) => Some(truth.to_string()),
                Value::Num(_, number) => number
                    .to_i128()
                    .map(|whole| whole.to_string())
                    .or_else(|| number.to_u128().map(|whole| whole.to_string()))
                    .or_else(|| number.to_f64().map(|real| real.to_string())),
                Value::Empty(..) | Value::Dict(..) | Value::Array(..) => None,
            };
            match text {
                Some(text) => drop(texts.insert(name, text)),
                None => self.violations.add(format!("{key}[{name:?}]"), "is not a text"),
            }
        }
        texts
    }

    /// Records a violation for every key that was not read.
    pub(super) fn refuse_unknown(&mut self) {
        for key in self.table.keys().filter(|key| !self.known.contains(&key.as_str())) {
            let description = super::suggest::unknown_key(key, &self.known);
            self.violations.add(key.clone(), description);
        }
    }
}
