//! Login to Redis, beside its URL.

use serde::Deserialize;

use super::Config;
use crate::adapters::redis::RedisAccess;
use crate::domain::model::durability::Durability;

/// The flags for it.
#[derive(Debug, Clone, Default, clap::Args, serde::Serialize)]
pub struct RedisFlags {
    /// Log in to Redis as this user, instead of one in the URL
    #[arg(long, value_name = "NAME")]
    pub redis_user: Option<String>,
    /// File with the password of Redis, mode 0600; read again for each connection
    #[arg(long, value_name = "FILE")]
    pub redis_password_file: Option<String>,
    /// CAs of a rediss:// Redis, PEM [default: the public ones]
    #[arg(long, value_name = "FILE")]
    pub redis_tls_ca: Option<String>,
    /// Certificate to show to a rediss:// Redis, PEM
    #[arg(long, value_name = "FILE")]
    pub redis_tls_cert: Option<String>,
    /// The private key of --redis-tls-cert, PEM, mode 0600
    #[arg(long, value_name = "FILE")]
    pub redis_tls_key: Option<String>,
    /// Log in to the Sentinels as this user
    #[arg(long, value_name = "NAME")]
    pub redis_sentinel_user: Option<String>,
    /// File with the password of the Sentinels, mode 0600; read again for each connection
    #[arg(long, value_name = "FILE")]
    pub redis_sentinel_password_file: Option<String>,
    /// Servers that have a job when its submit is answered: primary, or replicated for a replica as well [default: primary]
    #[arg(long, value_name = "WHO")]
    pub durability: Option<String>,
}

impl Config {
    /// Returns how to log in to Redis beside its URL.
    pub fn redis_access(&self) -> RedisAccess {
        RedisAccess {
            user: self.redis_user.clone(),
            password_file: self.redis_password_file.clone(),
            tls_ca: self.redis_tls_ca.clone(),
            tls_cert: self.redis_tls_cert.clone(),
            tls_key: self.redis_tls_key.clone(),
            sentinel_user: self.redis_sentinel_user.clone(),
            sentinel_password_file: self.redis_sentinel_password_file.clone(),
        }
    }
}

/// Reads the word of a durability.
pub(super) fn durability<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Durability, D::Error> {
    Durability::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
