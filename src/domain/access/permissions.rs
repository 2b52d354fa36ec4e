//! Permissions of a signed token (JWT): words of one claim become roles, scopes and quotas.
//!
//! | word | meaning |
//! |---|---|
//! | `viewer`, `submitter`, `operator`, `admin` | the role |
//! | `caller:NAME`, `context:NAME`, `script_type:NAME`, `target_actor:NAME` | one pattern of a scope |
//! | `see_payloads` | a viewer sees scripts, results and logs |
//! | `rps:N`, `max_queued:N`, `max_running:N` | a quota, from 1; of several the least |
//!
//! A word may begin with `hero:`. Other words are for other services and mean nothing here.

use crate::domain::access::{Identity, IdentityKind, Pattern, Quotas, Role, Roles, Scopes};

/// Optional beginning of a word.
const PREFIX: &str = "hero:";

/// Returns the identity of a subject with these words; None if they allow nothing, or contradict each other.
pub fn by_permissions<'a>(subject: &str, words: impl IntoIterator<Item = &'a str>) -> Option<Identity> {
    let (mut roles, mut scopes, mut quotas) = (Roles::NONE, Scopes::default(), Quotas::default());
    for word in words {
        let word = word.strip_prefix(PREFIX).unwrap_or(word);
        if let Ok(role) = Role::parse(word) {
            roles = roles.with(role);
        }
        match word.split_once(':') {
            Some(("caller", name)) => add(&mut scopes.callers, name),
            Some(("context", name)) => add(&mut scopes.contexts, name),
            Some(("script_type", name)) => add(&mut scopes.script_types, name),
            Some(("target_actor", name)) => add(&mut scopes.target_actors, name),
            Some(("rps", number)) => lower(&mut quotas.rps, number)?,
            Some(("max_queued", number)) => lower(&mut quotas.jobs.max_queued, number)?,
            Some(("max_running", number)) => lower(&mut quotas.jobs.max_running, number)?,
            None if word == "see_payloads" => scopes.see_payloads = true,
            Some(_) | None => {}
        }
    }
    let is_meant = !roles.is_empty() && scopes.validate(roles).is_ok();
    is_meant.then(|| Identity { scopes, quotas, ..Identity::new(IdentityKind::Jwt, subject, roles) })
}

/// Adds a pattern. One that is none makes the scope narrower, not wider: it is there, and matches nothing.
fn add(scope: &mut Option<Vec<Pattern>>, name: &str) {
    scope.get_or_insert_default().extend(Pattern::parse(name));
}

/// Lowers a quota to this number. None if it is no number from 1: nobody is let in with more than was meant.
fn lower(quota: &mut Option<u32>, number: &str) -> Option<()> {
    let number = number.parse().ok().filter(|number| *number > 0)?;
    *quota = Some(quota.map_or(number, |known| known.min(number)));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::job::JobQuota;

    #[test]
    fn words_become_roles_and_scopes_and_words_of_others_mean_nothing() {
        let words = [
            "hero:submitter",
            "hero:caller:billing",
            "caller:billing-*",
            "script_type:python",
            "repo:write",
            "admins",
        ];
        let identity = by_permissions("alice", words).unwrap();
        assert_eq!((identity.to_string().as_str(), identity.roles), ("jwt:alice", Role::Submitter.into()));
        assert_eq!(identity.scopes.default_caller(), Some("billing"));
        assert!(identity.scopes.has_caller(Role::Submitter, "billing-eu"));
        assert!(by_permissions("bob", ["viewer", "see_payloads"]).unwrap().scopes.see_payloads);
    }

    #[test]
    fn the_least_of_several_quotas_holds() {
        let words = ["operator", "hero:rps:50", "max_queued:100", "max_queued:20", "max_running:3"];
        let jobs = JobQuota { max_queued: Some(20), max_running: Some(3) };
        assert_eq!(by_permissions("alice", words).unwrap().quotas, Quotas { rps: Some(50), jobs });
        for unreadable in ["rps:", "rps:0", "max_queued:many", "max_running:-1", "max_running:4294967296"] {
            assert_eq!(by_permissions("alice", ["operator", unreadable]), None, "{unreadable}");
        }
    }

    #[test]
    fn what_allows_nothing_or_contradicts_itself_is_no_identity() {
        let table: [&[&str]; 6] = [
            &[],
            &["read", "write"],
            &["submitter"],
            &["submitter", "caller:a*b", "script_type:python"],
            &["admin", "caller:x"],
            &["worker"],
        ];
        for words in table {
            assert_eq!(by_permissions("alice", words.iter().copied()), None, "{words:?}");
        }
    }
}
