//! The configuration of the service, in four layers: defaults < `--config` file < `HERO_SUPERVISOR_*` < flags.
//!
//! One list of keys ([`KEYS`]) serves all four: `drain_delay` in the file is `HERO_SUPERVISOR_DRAIN_DELAY` in the
//! environment and `--drain-delay` on the command line. A key in a table, `mode` in `[auth]`, is `HERO_SUPERVISOR_AUTH__MODE` and
//! `--auth-mode`. An unknown key is an error in the file and in the environment,
//! because a misspelled setting would otherwise be found in production. All errors are reported at once, each with its
//! origin.

mod actors;
mod audit;
mod auth;
mod exposure;
mod flags;
mod flow;
mod grant;
mod layers;
mod listen;
mod loaded;
mod nested;
mod node;
mod origin;
mod programs;
mod queues;
mod redis;
mod script_types;
mod secret;
mod show;
mod suggest;
mod table;
mod tls;
mod token_file;
mod users;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use figment::value::Value;
use serde::Deserialize;

pub use actors::{FILE_LABEL, FileActor};
pub use audit::{AuditFlags, AuditSettings, Delivery};
pub use auth::{AuthConfig, AuthFlags, AuthMode, JwtConfig};
pub use flags::Flags;
pub use layers::{Env, Layers, Origin};
pub(crate) use listen::LONGEST_SOCKET_PATH;
pub use listen::ListenAddr;
pub use loaded::Loaded;
pub use node::host_name;
pub use queues::FileQueue;
pub use redis::RedisFlags;
pub use script_types::FileScriptType;
pub use secret::RedisUrl;
pub use show::{Setting, render_json, render_toml};
pub use tls::{ClientAuth, MinVersion, TlsFiles, TlsFlags, TlsSettings};
pub(crate) use token_file::write::{WriteLock, replace};
pub use token_file::{TokenFileEdit, TokenFileError, TokenGrant, read_tokens};

use crate::domain::model::durability::Durability;
use crate::domain::model::id::NodeName;
use crate::telemetry::{LogFormat, parse_filter};

/// All keys, in the order in which `config show` prints them.
pub const KEYS: [&str; 50] = [
    "listen",
    "insecure",
    "grpc_web_origins",
    "redis_url",
    "actor_redis_url",
    "redis_user",
    "redis_password_file",
    "redis_tls_ca",
    "redis_tls_cert",
    "redis_tls_key",
    "redis_sentinel_user",
    "redis_sentinel_password_file",
    "durability",
    "process_manager",
    "zinit_socket",
    "data_dir",
    "ready_file",
    "node",
    "queue_limit",
    "named_queue_limit",
    "lease",
    "drain_delay",
    "shutdown_timeout",
    "worker_threads",
    "metrics_listen",
    "metrics_hosts",
    "metrics_auth",
    "dashboard_listen",
    "dashboard_hosts",
    "otlp_endpoint",
    "log_filter",
    "log_format",
    "tls.cert",
    "tls.key",
    "tls.client_ca",
    "tls.client_auth",
    "tls.min_version",
    "tls.metrics",
    "auth.mode",
    "auth.tokens_file",
    "auth.anonymous",
    "auth.jwks_file",
    "auth.issuer",
    "auth.audience",
    "auth.permissions_claim",
    "audit.path",
    "audit.delivery",
    "audit.reads",
    "audit.rotate_bytes",
    "audit.keep",
];

/// Default of `listen`: loopback, because there is neither TLS nor authentication, and the customary port of gRPC.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:50051";
/// Address of the dashboard of `dev`, and the customary one elsewhere.
pub const DEFAULT_DASHBOARD: &str = "127.0.0.1:9465";
/// Default of `redis_url`: the address of an installed Redis.
pub const DEFAULT_REDIS_URL: &str = "redis://127.0.0.1:6379";
/// Default of `zinit_socket`: the path in Zinit's documentation.
pub const DEFAULT_ZINIT_SOCKET: &str = "/var/run/zinit.sock";
/// Default of `queue_limit`, in jobs: about 1 GB of Redis memory for small jobs, enough for a long outage of the actors.
pub const DEFAULT_QUEUE_LIMIT: u64 = 1_000_000;
/// Default of `lease`. Actors send a heartbeat three times as often, so one lost heartbeat does no harm.
pub const DEFAULT_LEASE: &str = "15s";
/// Default of `drain_delay`: load balancers that probe every few seconds see NOT_SERVING before connections end.
pub const DEFAULT_DRAIN_DELAY: &str = "5s";
/// Default of `shutdown_timeout`: service managers kill after 30 s to 90 s.
pub const DEFAULT_SHUTDOWN_TIMEOUT: &str = "30s";
/// Default of `log_filter`: changes of state, warnings and errors.
pub const DEFAULT_LOG_FILTER: &str = "info";

/// Shortest lease: shorter ones expire during a pause of the machine.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
/// Longest lease: longer ones leave the jobs of a dead actor waiting for hours.
const LONGEST_LEASE: Duration = Duration::from_secs(3600);
/// Largest number of runtime threads.
const MOST_THREADS: usize = 1024;

/// A complete, checked configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Addresses of gRPC; at least one.
    pub listen: Vec<ListenAddr>,
    /// Allows addresses that other machines can reach without TLS, or without authentication.
    pub insecure: bool,
    /// Origins of pages that may call over gRPC-Web; `*` means any origin. gRPC-Web is off while the list is empty.
    pub grpc_web_origins: Vec<String>,
    /// The Redis that holds jobs and actors.
    pub redis_url: RedisUrl,
    /// URL of the same Redis for actors (`REDIS_URL`), with another user for instance; `redis_url` by default.
    pub actor_redis_url: Option<RedisUrl>,
    /// The user of Redis.
    pub redis_user: Option<String>,
    /// Path of the file with the password of Redis.
    pub redis_password_file: Option<PathBuf>,
    /// Path of the CAs (PEM) of a Redis that speaks TLS.
    pub redis_tls_ca: Option<PathBuf>,
    /// Path of the certificate (PEM) that is shown to Redis.
    pub redis_tls_cert: Option<PathBuf>,
    /// Path of its private key (PEM).
    pub redis_tls_key: Option<PathBuf>,
    /// The user of the Sentinels.
    pub redis_sentinel_user: Option<String>,
    /// Path of the file with the password of the Sentinels.
    pub redis_sentinel_password_file: Option<PathBuf>,
    /// Servers that have a job when its submit is answered.
    #[serde(deserialize_with = "redis::durability")]
    pub durability: Durability,
    /// The process manager of the actors.
    pub process_manager: ProcessManagerKind,
    /// Path of Zinit's socket.
    pub zinit_socket: PathBuf,
    /// Folder for files of the service. `dev` keeps its Redis there; `serve` keeps nothing on disk.
    pub data_dir: PathBuf,
    /// Path of a file that is written when the service answers and removed when it ends.
    pub ready_file: Option<PathBuf>,
    /// Name of this machine among the supervisors on one Redis.
    #[serde(deserialize_with = "node::node_name")]
    pub node: NodeName,
    /// Largest number of waiting jobs of one script type.
    pub queue_limit: u64,
    /// Largest number of queues that are created by name, 1 to 100 000: every supervisor keeps their names in memory.
    pub named_queue_limit: u64,
    /// Time without a heartbeat after which the jobs of an actor are reclaimed, 1 s to 1 h.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// Time between NOT_SERVING and the end of connections at a shutdown.
    #[serde(with = "humantime_serde")]
    pub drain_delay: Duration,
    /// Limit of the whole shutdown.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
    /// Threads of the runtime. Default: one on up to four cores, otherwise one for each core.
    pub worker_threads: Option<NonZeroUsize>,
    /// Address of `/metrics` for Prometheus; off by default.
    pub metrics_listen: Option<ListenAddr>,
    /// Host names under which `/metrics` answers, beside addresses, `localhost` and the name of the node; `*` means any name.
    pub metrics_hosts: Vec<String>,
    /// Requirement that readers of `/metrics` are viewers. Default: `required` where callers of gRPC must show who they
    /// are and other machines can reach the address, otherwise `off`.
    pub metrics_auth: Option<AuthMode>,
    /// Address of the dashboard, which also serves gRPC and gRPC-Web; off by default.
    pub dashboard_listen: Option<ListenAddr>,
    /// Host names under which the dashboard answers, beside addresses, `localhost` and the name of the node; `*` means any name.
    pub dashboard_hosts: Vec<String>,
    /// URL of the OpenTelemetry collector for traces (OTLP over gRPC); off by default.
    pub otlp_endpoint: Option<String>,
    /// Filter of the log in the form of `tracing`: `info,hero_supervisor=debug`.
    pub log_filter: String,
    /// Format of the log.
    pub log_format: LogFormat,
    /// TLS of the TCP addresses; off by default.
    #[serde(default)]
    pub tls: TlsSettings,
    /// Authentication of callers.
    pub auth: AuthConfig,
    /// The log of who has called what.
    pub audit: AuditSettings,
}

/// The process manager of the actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProcessManagerKind {
    /// Zinit: actors outlive the supervisor.
    Zinit,
    /// The built-in runner: actors end with the supervisor.
    Local,
}

/// One error of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} ({origin}): {what}")]
pub struct Problem {
    /// The key as it was spelled.
    pub key: String,
    /// The origin of the value.
    pub origin: Origin,
    /// The fault, and what to do.
    pub what: String,
}

/// The errors of a configuration, all at once.
#[derive(Debug, thiserror::Error)]
#[error("invalid configuration:{}", .0.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
pub struct ConfigError(pub Vec<Problem>);

impl Config {
    /// Returns the layers of `serve`.
    pub fn layers(file: Option<PathBuf>, env: Env, flags: Flags) -> Layers {
        Layers { defaults: defaults(), file, env, flags }
    }

    /// Merges the layers and checks the result.
    ///
    /// # Errors
    /// Every error, with its origin.
    pub fn load(layers: Layers) -> Result<Loaded, ConfigError> {
        let (actors, mut queues, mut script_types, mut auth) = layers.tables();
        let mut problems = actors.problems;
        problems.append(&mut queues.problems);
        problems.append(&mut script_types.problems);
        problems.append(&mut auth.problems);
        let (mut config, settings) = layers.read::<Config>().map_err(|ConfigError(mut all)| {
            all.append(&mut problems);
            ConfigError(all)
        })?;
        (config.auth.certificates, config.auth.unix) = (auth.certificates, auth.unix);
        config.check(|key, what| {
            let origin = settings.iter().find(|setting| setting.key == key);
            let origin = origin.map_or(Origin::Default, |setting| setting.origin.clone());
            problems.push(Problem { key: key.to_owned(), origin, what });
        });
        if !problems.is_empty() {
            return Err(ConfigError(problems));
        }
        Ok(Loaded {
            config,
            settings,
            actors: actors.actors,
            script_types: script_types.rules,
            queues: queues.queues,
            raw_actors: actors.raw,
            raw_queues: queues.raw,
            raw_script_types: script_types.raw,
            raw_auth: auth.raw,
        })
    }

    /// Checks what types cannot express.
    fn check(&self, mut wrong: impl FnMut(&str, String)) {
        if self.listen.is_empty() {
            wrong("listen", format!("is empty: name at least one address, {DEFAULT_LISTEN} for instance"));
        }
        self.check_exposure(&mut wrong);
        self.tls.check(&mut wrong);
        self.audit.check(&mut wrong);
        for origin in &self.grpc_web_origins {
            if let Some(flaw) = origin::flaw(origin) {
                wrong("grpc_web_origins", format!("{origin:?} {flaw}"));
            }
        }
        if self.lease < SHORTEST_LEASE || self.lease > LONGEST_LEASE {
            wrong("lease", format!("is {:?}: use 1s to 1h", self.lease));
        }
        if self.shutdown_timeout <= self.drain_delay {
            let (limit, delay) = (self.shutdown_timeout, self.drain_delay);
            wrong("shutdown_timeout", format!("is {limit:?}: it must be longer than drain_delay, {delay:?}"));
        }
        if self.queue_limit == 0 {
            wrong("queue_limit", "is 0: no job could ever wait; use at least 1".to_owned());
        }
        if !(1..=100_000).contains(&self.named_queue_limit) {
            wrong("named_queue_limit", format!("is {}: use 1 to 100000", self.named_queue_limit));
        }
        if self.worker_threads.is_some_and(|threads| threads.get() > MOST_THREADS) {
            wrong("worker_threads", format!("is more than {MOST_THREADS}"));
        }
        if self
            .otlp_endpoint
            .as_ref()
            .is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://"))
        {
            wrong("otlp_endpoint", "is not a URL: use http://HOST:4317".to_owned());
        }
        self.auth.check(self.requires_auth(), &mut wrong);
        if !self.auth.certificates.is_empty() && self.tls.client_ca.is_none() {
            let what =
                "has no effect without tls.client_ca: name the CA that signs the certificates of callers";
            wrong("auth.certificate", what.to_owned());
        }
        if let Err(error) = parse_filter(&self.log_filter) {
            wrong(
                "log_filter",
                format!("is not a log filter ({error}): use info or info,hero_supervisor=debug"),
            );
        }
    }
}

/// Returns the lowest layer of `serve`.
fn defaults() -> Vec<(&'static str, Value)> {
    vec![
        ("listen", vec![DEFAULT_LISTEN].into()),
        ("insecure", false.into()),
        ("grpc_web_origins", Vec::<Value>::new().into()),
        ("metrics_hosts", Vec::<Value>::new().into()),
        ("dashboard_hosts", Vec::<Value>::new().into()),
        ("redis_url", DEFAULT_REDIS_URL.into()),
        ("durability", "primary".into()),
        ("process_manager", "zinit".into()),
        ("zinit_socket", DEFAULT_ZINIT_SOCKET.into()),
        ("data_dir", state_dir().to_string_lossy().into_owned().into()),
        ("node", host_name().as_str().into()),
        ("queue_limit", DEFAULT_QUEUE_LIMIT.into()),
        ("named_queue_limit", 10_000.into()),
        ("lease", DEFAULT_LEASE.into()),
        ("drain_delay", DEFAULT_DRAIN_DELAY.into()),
        ("shutdown_timeout", DEFAULT_SHUTDOWN_TIMEOUT.into()),
        ("log_filter", DEFAULT_LOG_FILTER.into()),
        ("log_format", "text".into()),
        ("auth.anonymous", vec!["GetServerInfo"].into()),
        ("auth.permissions_claim", "permissions".into()),
        ("audit.delivery", "enforced".into()),
        ("audit.reads", false.into()),
        ("audit.rotate_bytes", audit::DEFAULT_ROTATE_BYTES.into()),
        ("audit.keep", audit::DEFAULT_KEEP.into()),
    ]
}

/// Returns the folder for files of the service: in `XDG_STATE_HOME`, or else in `/var/lib` for root and in `~/.local/state` for
/// other users.
pub fn state_dir() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let usual = || match nix::unistd::geteuid().is_root() {
        true => Some(PathBuf::from("/var/lib")),
        false => Some(folder("HOME")?.join(".local/state")),
    };
    let state = folder("XDG_STATE_HOME").or_else(usual);
    state.unwrap_or_else(std::env::temp_dir).join("hero-supervisor")
}

#[cfg(test)]
mod tests;
