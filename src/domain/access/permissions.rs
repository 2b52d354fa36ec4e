//! Permissions of a signed token (JWT): words of one claim become roles and scopes.
//!
//! | word | meaning |
//! |---|---|
//! | `viewer`, `submitter`, `operator`, `admin` | the role |
//! | `caller:NAME`, `context:NAME`, `script_type:NAME`, `target_actor:NAME` | one pattern of a scope |
//! | `see_payloads` | a viewer sees scripts, results and logs |
//!
//! A word may begin with `hero:`. Other words are for other services and mean nothing here.

use crate::domain::access::{Identity, IdentityKind, Pattern, Role, Roles, Scopes};

/// Optional beginning of a word.
const PREFIX: &str = "hero:";

/// Returns the identity of a subject with these words; None if they allow nothing, or contradict each other.
pub fn by_permissions<'a>(subject: &str, words: impl IntoIterator<Item = &'a str>) -> Option<Identity> {
    let (mut roles, mut scopes) = (Roles::NONE, Scopes::default());
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
            None if word == "see_payloads" => scopes.see_payloads = true,
            Some(_) | None => {}
        }
    }
    let is_meant = !roles.is_empty() && scopes.validate(roles).is_ok();
    is_meant.then(|| Identity { scopes, ..Identity::new(IdentityKind::Jwt, subject, roles) })
}

/// Adds a pattern. One that is none makes the scope narrower, not wider: it is there, and matches nothing.
fn add(scope: &mut Option<Vec<Pattern>>, name: &str) {
    scope.get_or_insert_default().extend(Pattern::parse(name));
}

#[cfg(test)]
mod tests {
    use super::*;

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
