//! The environment of an actor: what the supervisor gives every actor, and what its definition says.

use std::collections::BTreeMap;

use crate::domain::model::actor::ActorConfig;

/// Variables about Redis begin so.
const REDIS: &str = "REDIS_";
/// The one that says where it is.
const REDIS_URL: &str = "REDIS_URL";
/// The flag that says the same.
const URL_FLAG: &str = "--redis-url";

/// Returns the environment. What a definition sets counts. One that says where its Redis is says all about it: a user and a password
/// of another Redis would be wrong there.
pub(super) fn environment(
    given: &BTreeMap<String, String>,
    config: &ActorConfig,
) -> BTreeMap<String, String> {
    let is_flag = |arg: &String| {
        arg.strip_prefix(URL_FLAG).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    let has_own_redis = config.env.contains_key(REDIS_URL) || config.args.iter().any(is_flag);
    let mut env = given.clone();
    if has_own_redis {
        env.retain(|name, _value| !name.starts_with(REDIS));
    }
    env.extend(config.env.clone());
    env
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::domain::model::script_type::ScriptType;

    fn of(args: &[&str], env: &[(&str, &str)]) -> String {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let given = [("REDIS_URL", "u"), ("REDIS_USER", "hero"), ("OTEL", "o")].iter().map(own).collect();
        let mut config = ActorConfig::new("a".to_owned(), PathBuf::from("/a"), ScriptType::OSIS);
        config.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        config.env = env.iter().map(own).collect();
        let all = environment(&given, &config);
        all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_definition_says_otherwise_and_one_with_its_own_redis_gets_nothing_about_the_other() {
        assert_eq!(of(&[], &[]), "OTEL=o REDIS_URL=u REDIS_USER=hero");
        assert_eq!(of(&[], &[("REDIS_USER", "me"), ("X", "1")]), "OTEL=o REDIS_URL=u REDIS_USER=me X=1");
        assert_eq!(of(&[], &[("REDIS_URL", "mine")]), "OTEL=o REDIS_URL=mine");
        assert_eq!(of(&["--redis-url", "mine"], &[]), "OTEL=o");
        assert_eq!(of(&["--redis-url=mine"], &[("REDIS_USER", "me")]), "OTEL=o REDIS_USER=me");
        assert_eq!(of(&["--redis-urls"], &[]), "OTEL=o REDIS_URL=u REDIS_USER=hero");
    }
}
