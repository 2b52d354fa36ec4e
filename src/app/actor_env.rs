//! Environment that every actor is given, so that no definition has to repeat the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::adapters::redis::RedisAccess;
use crate::config::{Config, RedisUrl};
use crate::domain::model::durability::Durability;

/// Returns the variables. A definition that sets one of them says otherwise.
pub(super) fn actor_env(config: &Config) -> BTreeMap<String, String> {
    let mut env = redis_env(&config.redis_url, config.actor_redis_url.as_ref(), &config.redis_access());
    if config.durability == Durability::Replicated {
        env.insert("HERO_DURABILITY".to_owned(), config.durability.as_str().to_owned());
    }
    if let Some(endpoint) = &config.otlp_endpoint {
        env.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint.clone());
    }
    env
}

/// Returns the variables that say where Redis is and how to log in: to that of the supervisor, or to that of actors if it has another
/// address for them.
pub(super) fn redis_env(
    redis_url: &RedisUrl,
    actor_redis_url: Option<&RedisUrl>,
    access: &RedisAccess,
) -> BTreeMap<String, String> {
    let url = actor_redis_url.unwrap_or(redis_url);
    // In the environment, because everybody on the machine sees arguments and the URL may have a password.
    let mut env = BTreeMap::from([("REDIS_URL".to_owned(), url.expose().to_owned())]);
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    // Without a word about actors they log in as the supervisor does.
    if actor_redis_url.is_none() {
        let all = [
            ("REDIS_USER", access.user.clone()),
            ("REDIS_PASSWORD_FILE", path(&access.password_file)),
            ("REDIS_TLS_CERT", path(&access.tls_cert)),
            ("REDIS_TLS_KEY", path(&access.tls_key)),
        ];
        env.extend(all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    if let Some(ca) = access.tls_ca.as_ref().filter(|_ca| url.expose().starts_with("rediss")) {
        env.insert("REDIS_TLS_CA".to_owned(), ca.display().to_string());
    }
    if url.expose().contains("+sentinel://") {
        let all = [
            ("REDIS_SENTINEL_USER", access.sentinel_user.clone()),
            ("REDIS_SENTINEL_PASSWORD_FILE", path(&access.sentinel_password_file)),
        ];
        env.extend(all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    env
}
