//! The key by which a job is under the flow rules of its queue.

use crate::domain::model::text::has_hidden;
use crate::domain::model::violation::Violations;

/// Longest key, in bytes.
pub const MAX_FLOW_KEY_BYTES: usize = 128;

/// Notes what is wrong with the key of a job.
pub(super) fn check_flow_key(key: &str, violations: &mut Violations) {
    if key.is_empty() || key.len() > MAX_FLOW_KEY_BYTES {
        let told = format!("has {} bytes: use 1 to {MAX_FLOW_KEY_BYTES}, or leave it out", key.len());
        violations.add("flow_key", format!("{told} for the caller"));
    } else if has_hidden(key) {
        violations.add("flow_key", "has a control character, or another one that does not show");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_job_has_a_length() {
        let told = |key: &str| {
            let mut violations = Violations::new();
            check_flow_key(key, &mut violations);
            violations.sentence(1000)
        };
        assert_eq!(told("a"), "");
        assert_eq!(told(&"k".repeat(128)), "");
        assert!(told(&"k".repeat(129)).contains("use 1 to 128"));
        assert!(told("").contains("leave it out for the caller"));
        assert!(told("a\u{7}").contains("control character"));
    }
}
