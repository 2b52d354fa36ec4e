//! Environment that every actor is given, so that no definition has to repeat the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::Config;

/// Returns the variables. A definition that sets one of them says otherwise.
pub(super) fn actor_env(config: &Config) -> BTreeMap<String, String> {
    let redis_url = config.actor_redis_url.as_ref().unwrap_or(&config.redis_url);
    // In the environment, because everybody on the machine sees arguments and the URL may have a password.
    let mut env = BTreeMap::from([("REDIS_URL".to_owned(), redis_url.expose().to_owned())]);
    // Without a word about actors they log in as the supervisor does.
    if config.actor_redis_url.is_none() {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let all = [
            ("REDIS_USER", config.redis_user.clone()),
            ("REDIS_PASSWORD_FILE", path(&config.redis_password_file)),
            ("REDIS_TLS_CERT", path(&config.redis_tls_cert)),
            ("REDIS_TLS_KEY", path(&config.redis_tls_key)),
        ];
        env.extend(all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    if let Some(ca) = config.redis_tls_ca.as_ref().filter(|_ca| redis_url.expose().starts_with("rediss://")) {
        env.insert("REDIS_TLS_CA".to_owned(), ca.display().to_string());
    }
    if let Some(endpoint) = &config.otlp_endpoint {
        env.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint.clone());
    }
    env
}
