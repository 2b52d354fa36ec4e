//! Rights of somebody, as they are written in the configuration and in the token file: roles, scopes and quotas.

use super::table::Table;
use crate::domain::access::{Pattern, Quotas, Role, Roles, Scopes};
use crate::domain::model::job::JobQuota;

/// Rights of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Grant {
    pub(super) name: String,
    pub(super) roles: Roles,
    pub(super) scopes: Scopes,
    pub(super) quotas: Quotas,
}

/// Reads the keys of a grant and records its violations.
pub(super) fn read(table: &mut Table<'_>) -> Grant {
    let name = table.get("name").unwrap_or_default();
    let roles = roles(table);
    let scopes = Scopes {
        callers: patterns(table, "callers"),
        contexts: patterns(table, "contexts"),
        script_types: patterns(table, "script_types"),
        target_actors: patterns(table, "target_actors"),
        see_payloads: table.get("see_payloads").unwrap_or_default(),
    };
    let jobs = JobQuota { max_queued: quota(table, "max_queued"), max_running: quota(table, "max_running") };
    let quotas = Quotas { rps: quota(table, "rps"), jobs };
    // Without a role there is a violation already.
    if !roles.is_empty() {
        table.append(scopes.validate(roles));
    }
    Grant { name, roles, scopes, quotas }
}

/// Reads `role`, one word, or `roles`, a list.
fn roles(table: &mut Table<'_>) -> Roles {
    let one: Option<String> = table.get("role");
    let many: Option<Vec<String>> = table.get("roles");
    let (key, words) = match (one, many) {
        (Some(one), None) => ("role", vec![one]),
        (None, Some(many)) => ("roles", many),
        (Some(_), Some(_)) => {
            table.wrong("role", "and roles are both there: use one of them");
            return Roles::NONE;
        }
        (None, None) => {
            table.wrong("role", "is missing: use viewer, submitter, operator or admin");
            return Roles::NONE;
        }
    };
    if words.is_empty() {
        table.wrong(key, "is empty: use viewer, submitter, operator or admin");
    }
    words.iter().filter_map(|word| table.keep(key, Role::parse(word))).collect()
}

/// Reads a list of patterns; None without the key.
fn patterns(table: &mut Table<'_>, key: &'static str) -> Option<Vec<Pattern>> {
    let raw: Vec<String> = table.get(key)?;
    Some(raw.iter().filter_map(|raw| table.keep(key, Pattern::parse(raw))).collect())
}

/// Reads a quota, which is at least 1.
fn quota(table: &mut Table<'_>, key: &'static str) -> Option<u32> {
    let number: u32 = table.get(key)?;
    let checked =
        if number == 0 { Err("is 0: use at least 1, or take the role away".to_owned()) } else { Ok(number) };
    table.keep(key, checked)
}
