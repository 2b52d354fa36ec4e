//! Checks of parts that several messages have: durations, environments, labels.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{MAX_ENV_BYTES, MAX_ENV_VALUE_BYTES, MAX_NAME_BYTES, MAX_PAIRS, MAX_SPAN};
use crate::domain::model::text::{has_hidden, quoted};
use crate::domain::model::violation::Violations;

/// Notes a duration outside `least..=MAX_SPAN`.
pub(super) fn check_span(field: &str, span: Duration, least: Duration, violations: &mut Violations) {
    if span < least || span > MAX_SPAN {
        violations.add(field, format!("is {span:?}: use {least:?} to 30 days"));
    }
}

/// Notes environment variables that a script may not have.
pub(crate) fn check_env(field: &str, env: &BTreeMap<String, String>, violations: &mut Violations) {
    if env.len() > MAX_PAIRS {
        violations.add(field, format!("has {} entries, more than {MAX_PAIRS}", env.len()));
    }
    let bytes: usize = env.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_ENV_BYTES {
        violations.add(field, format!("has {bytes} bytes in all, more than {MAX_ENV_BYTES}"));
    }
    for (name, value) in env.iter().take(MAX_PAIRS) {
        let path = format!("{field}[{}]", quoted(name));
        let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !well_formed {
            violations
                .add(&path, "is not a variable name: use letters, digits and _, not starting with a digit");
        } else if name.starts_with("LD_") || name.starts_with("PYTHON") || name.starts_with("HERO_") {
            violations.add(&path, "is reserved: names that start with LD_, PYTHON or HERO_ cannot be set");
        }
        if value.len() > MAX_ENV_VALUE_BYTES {
            violations.add(&path, format!("has {} bytes, more than {MAX_ENV_VALUE_BYTES}", value.len()));
        }
        if value.contains('\0') {
            violations.add(&path, "has a NUL character");
        }
    }
}

/// Notes labels beyond the limits.
pub(crate) fn check_labels(labels: &BTreeMap<String, String>, violations: &mut Violations) {
    if labels.len() > MAX_PAIRS {
        violations.add("labels", format!("has {} entries, more than {MAX_PAIRS}", labels.len()));
    }
    for (name, value) in labels.iter().take(MAX_PAIRS) {
        let path = || format!("labels[{}]", quoted(name));
        if name.is_empty() {
            violations.add(path(), "has no name: names have 1 to 63 bytes");
        } else if name.len() > 63 || value.len() > MAX_NAME_BYTES {
            violations.add(
                path(),
                format!("is too long: names have 1 to 63 bytes, values at most {MAX_NAME_BYTES}"),
            );
        } else if has_hidden(name) || has_hidden(value) {
            violations.add(path(), "has a control character, or another one that does not show");
        }
    }
}
