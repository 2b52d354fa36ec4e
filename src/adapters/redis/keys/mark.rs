//! Marks by which jobs are found, as the functions write them (`lua/marks.lua`).

use std::fmt;

use crate::domain::model::job::JobErrorKind;

/// A mark of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adapters::redis) enum Mark<'a> {
    /// A label: its name and its value.
    Label(&'a str, &'a str),
    /// The kind of error by which it has failed.
    Error(JobErrorKind),
}

impl fmt::Display for Mark<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(name, value) => write!(out, "label:{name}={value}"),
            Self::Error(kind) => write!(out, "error:{}", kind.as_str()),
        }
    }
}
