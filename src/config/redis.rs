//! Login to Redis, beside its URL.

use super::Config;
use crate::adapters::redis::RedisAccess;

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
        }
    }
}
