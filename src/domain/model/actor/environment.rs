//! The environment of an actor: what its variables may be called, and where their values come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::domain::model::text::{has_hidden, quoted};
use crate::domain::model::violation::Violations;

/// Most arguments, environment variables and dependencies of an actor.
pub const MAX_ITEMS: usize = 256;
/// Begin of the names that the supervisor sets.
const OURS: &str = "HERO_";

/// Notes what is wrong with the variables of a definition.
pub(super) fn check(
    env: &BTreeMap<String, String>,
    env_from_file: &BTreeMap<String, PathBuf>,
    secret_env: &BTreeSet<String>,
    violations: &mut Violations,
) {
    let counts =
        [("env", env.len()), ("env_from_file", env_from_file.len()), ("secret_env", secret_env.len())];
    for (field, count) in counts.into_iter().filter(|(_field, count)| *count > MAX_ITEMS) {
        violations.add(field, format!("has {count} entries, more than {MAX_ITEMS}"));
    }
    for (name, value) in env.iter().take(MAX_ITEMS) {
        let path = format!("env[{}]", quoted(name));
        check_name(&path, name, violations);
        if value.contains('\0') {
            violations.add(&path, "has a NUL character");
        }
    }
    for (name, file) in env_from_file.iter().take(MAX_ITEMS) {
        let path = format!("env_from_file[{}]", quoted(name));
        check_name(&path, name, violations);
        let file = file.to_string_lossy();
        if !file.starts_with('/') || file.contains('\0') {
            violations.add(&path, format!("{} is not an absolute path", quoted(&file)));
        }
        if env.contains_key(name) {
            violations.add(&path, "has a value in env as well: remove one of them");
        }
    }
    for name in secret_env.iter().take(MAX_ITEMS) {
        check_name(&format!("secret_env[{}]", quoted(name)), name, violations);
    }
}

fn check_name(path: &str, name: &str, violations: &mut Violations) {
    if name.is_empty() || name.contains(|c: char| c == '=' || c.is_whitespace()) || has_hidden(name) {
        violations.add(
            path,
            "is not a variable name: it is empty or has =, a space or a character that does not show in it",
        );
    } else if name.starts_with(OURS) {
        violations.add(path, "is reserved: names that start with HERO_ are set by the supervisor");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::actor::ActorConfig;
    use crate::domain::model::script_type::ScriptType;

    #[test]
    fn a_variable_has_one_source_and_its_file_an_absolute_path() {
        let mut config = ActorConfig::new("a".to_owned(), PathBuf::from("/bin/a"), ScriptType::SAL);
        config.env.insert("TWICE".to_owned(), "1".to_owned());
        for (name, path) in [("TWICE", "/run/x"), ("FINE", "/run/x"), ("RELATIVE", "x"), ("HERO_X", "/x")] {
            config.env_from_file.insert(name.to_owned(), PathBuf::from(path));
        }
        config.secret_env.insert("A B".to_owned());
        let told = config.validate().unwrap_err();
        let fields: Vec<&str> = told.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "env_from_file[\"HERO_X\"]",
                "env_from_file[\"RELATIVE\"]",
                "env_from_file[\"TWICE\"]",
                "secret_env[\"A B\"]"
            ]
        );
    }
}
