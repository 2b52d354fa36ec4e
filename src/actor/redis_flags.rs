//! The Redis of an actor: its address, and how to log in to it.

use std::path::PathBuf;

use clap::Args;

use crate::domain::model::durability::Durability;

/// The Redis that holds the jobs.
#[derive(Debug, Clone, Args)]
pub struct RedisFlags {
    /// Redis that holds the jobs: redis://, rediss://, redis+sentinel://, redis+cluster:// (each with TLS as rediss+…) or unix:// with a path.
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        default_value = "redis://127.0.0.1:6379",
        value_name = "URL"
    )]
    pub redis_url: String,

    /// Logs in to Redis as this user, instead of one in the URL.
    #[arg(long, env = "REDIS_USER", value_name = "NAME")]
    pub redis_user: Option<String>,

    /// File with the password of Redis, mode 0600; it is read again for each connection.
    #[arg(long, env = "REDIS_PASSWORD_FILE", value_name = "FILE")]
    pub redis_password_file: Option<PathBuf>,

    /// CAs of a rediss:// Redis, PEM; the public ones by default.
    #[arg(long, env = "REDIS_TLS_CA", value_name = "FILE")]
    pub redis_tls_ca: Option<PathBuf>,

    /// Certificate to show to a rediss:// Redis, PEM.
    #[arg(long, env = "REDIS_TLS_CERT", value_name = "FILE")]
    pub redis_tls_cert: Option<PathBuf>,

    /// The private key of --redis-tls-cert, PEM, mode 0600.
    #[arg(long, env = "REDIS_TLS_KEY", value_name = "FILE")]
    pub redis_tls_key: Option<PathBuf>,

    /// Logs in to the Sentinels as this user.
    #[arg(long, env = "REDIS_SENTINEL_USER", value_name = "NAME")]
    pub redis_sentinel_user: Option<String>,

    /// File with the password of the Sentinels, mode 0600; it is read again for each connection.
    #[arg(long, env = "REDIS_SENTINEL_PASSWORD_FILE", value_name = "FILE")]
    pub redis_sentinel_password_file: Option<PathBuf>,

    /// Servers that know of a taken job before its script is started: the primary, or a replica as well.
    #[arg(long, env = "HERO_DURABILITY", value_parser = Durability::parse, default_value = "primary", value_name = "WHERE")]
    pub durability: Durability,
}
