//! What the service can be told, in four layers: defaults < `--config` file < `HERO_SUPERVISOR_*` < flags.
//!
//! One list of keys ([`KEYS`]) serves all four: `drain_delay` in the file is `HERO_SUPERVISOR_DRAIN_DELAY` in the
//! environment and `--drain-delay` on the command line. An unknown key is an error in the file and in the environment
//! alike, because a misspelled setting that is passed over in silence is found in production. All that is wrong
//! is told at once, each with its place.

mod actors;
mod layers;
mod listen;
mod origin;
mod script_types;
mod secret;
mod show;
mod table;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use figment::value::{Dict, Value};
use serde::Deserialize;

pub use actors::{FILE_LABEL, FileActor};
pub use layers::{Env, Flags, Layers, Origin};
pub(crate) use listen::LONGEST_SOCKET_PATH;
pub use listen::ListenAddr;
pub use script_types::FileScriptType;
pub use secret::RedisUrl;
pub use show::{Setting, render_json, render_toml};

use crate::domain::model::id::NodeName;

/// Every key, in the order in which they are shown.
pub const KEYS: [&str; 19] = [
    "listen",
    "insecure",
    "grpc_web_origins",
    "redis_url",
    "process_manager",
    "zinit_socket",
    "data_dir",
    "ready_file",
    "node",
    "queue_limit",
    "lease",
    "drain_delay",
    "shutdown_timeout",
    "worker_threads",
    "metrics_listen",
    "metrics_hosts",
    "otlp_endpoint",
    "log_filter",
    "log_format",
];

/// Loopback, because there is neither TLS nor authentication; the port is the customary one of gRPC.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:50051";
/// Where an installed Redis listens.
pub const DEFAULT_REDIS_URL: &str = "redis://127.0.0.1:6379";
/// Where Zinit's own documentation puts its socket.
pub const DEFAULT_ZINIT_SOCKET: &str = "/var/run/zinit.sock";
/// About 1 GB of Redis memory for small jobs: enough for a long outage of the actors, little enough to survive it.
pub const DEFAULT_QUEUE_LIMIT: u64 = 1_000_000;
/// A dead actor's jobs are taken back after this long; actors beat three times as often, so one lost beat is no harm.
pub const DEFAULT_LEASE: &str = "15s";
/// Load balancers ask for health every few seconds; this long they get NOT_SERVING before connections end.
pub const DEFAULT_DRAIN_DELAY: &str = "5s";
/// Service managers kill after 30 s to 90 s; we are gone by then.
pub const DEFAULT_SHUTDOWN_TIMEOUT: &str = "30s";
/// Changes of state and everything that went wrong.
pub const DEFAULT_LOG_FILTER: &str = "info";

/// Shorter leases are lost to a pause of the machine.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
/// Longer ones leave the jobs of a dead actor lying for hours.
const LONGEST_LEASE: Duration = Duration::from_secs(3600);
/// More threads than any machine has cores.
const MOST_THREADS: usize = 1024;

/// A complete, checked configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where gRPC is served; at least one.
    pub listen: Vec<ListenAddr>,
    /// Allows addresses that others can reach, although there is no TLS and no authentication.
    pub insecure: bool,
    /// Pages that may call over gRPC-Web, by their origins; `*` is any. Without one, gRPC-Web is not spoken.
    pub grpc_web_origins: Vec<String>,
    /// The Redis that holds jobs and actors.
    pub redis_url: RedisUrl,
    /// Who runs the actors.
    pub process_manager: ProcessManagerKind,
    /// Zinit's socket.
    pub zinit_socket: PathBuf,
    /// Own files. `dev` keeps its Redis there; `serve` keeps nothing on disk so far.
    pub data_dir: PathBuf,
    /// Written when the service answers, removed when it ends.
    pub ready_file: Option<PathBuf>,
    /// The name of this machine among the supervisors on one Redis.
    #[serde(deserialize_with = "node_name")]
    pub node: NodeName,
    /// Jobs of one script type that may wait.
    pub queue_limit: u64,
    /// How long an actor may be silent before its jobs are given to another, 1 s to 1 h.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// Time between NOT_SERVING and the end of connections at a shutdown.
    #[serde(with = "humantime_serde")]
    pub drain_delay: Duration,
    /// Limit of a whole shutdown.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
    /// Threads of the runtime; one up to four cores and one a core above, if not said.
    pub worker_threads: Option<NonZeroUsize>,
    /// Where Prometheus finds `/metrics`; nowhere, if not said. Any address may be used: whoever reads it sees numbers and
    /// the names of actors, and can change nothing.
    pub metrics_listen: Option<ListenAddr>,
    /// Names by which `/metrics` may be asked for beside addresses, `localhost` and the node's own; `*` is any.
    pub metrics_hosts: Vec<String>,
    /// The OpenTelemetry collector that gets traces (OTLP over gRPC); none, if not said.
    pub otlp_endpoint: Option<String>,
    /// What is logged, as `tracing` filters are written: `info,hero_supervisor=debug`.
    pub log_filter: String,
    /// How it is written.
    pub log_format: LogFormat,
}

/// Who runs the processes of actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProcessManagerKind {
    /// Zinit; actors go on without us.
    Zinit,
    /// The built-in runner; actors end with us.
    Local,
}

/// How log lines are written to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} ({origin}): {what}")]
pub struct Problem {
    /// Which key, as it was spelled.
    pub key: String,
    /// Who said it.
    pub origin: Origin,
    /// What is wrong and what to do.
    pub what: String,
}

/// Why there is no configuration: everything that is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("invalid configuration:{}", .0.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
pub struct ConfigError(pub Vec<Problem>);

/// A configuration that knows where each of its values came from.
#[derive(Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The same as they were written, with their origins, in the order of [`KEYS`].
    pub settings: Vec<Setting>,
    /// The actors of the file, dependencies first.
    pub actors: Vec<FileActor>,
    /// The rules of the file for script types.
    pub script_types: Vec<FileScriptType>,
    /// The actors as they were written.
    raw_actors: Vec<Dict>,
    /// The rules as they were written.
    raw_script_types: Dict,
}

impl Config {
    /// The layers of `serve`.
    pub fn layers(file: Option<PathBuf>, env: Env, flags: Flags) -> Layers {
        Layers { defaults: defaults(), file, env, flags }
    }

    /// Puts the layers together and checks the result.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn load(layers: Layers) -> Result<Loaded, ConfigError> {
        let (actors, mut script_types) = layers.tables();
        let mut problems = actors.problems;
        problems.append(&mut script_types.problems);
        let (config, settings) = layers.read::<Config>().map_err(|ConfigError(mut all)| {
            all.append(&mut problems);
            ConfigError(all)
        })?;
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
            raw_actors: actors.raw,
            raw_script_types: script_types.raw,
        })
    }

    /// What types cannot say.
    fn check(&self, mut wrong: impl FnMut(&str, String)) {
        if self.listen.is_empty() {
            wrong("listen", format!("is empty: name at least one address, {DEFAULT_LISTEN} for instance"));
        }
        for addr in &self.listen {
            if !self.insecure && !addr.is_private() {
                wrong("listen", listen::refusal(addr));
            }
        }
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
        if let Err(error) = crate::telemetry::parse_filter(&self.log_filter) {
            wrong(
                "log_filter",
                format!("is not a log filter ({error}): use info or info,hero_supervisor=debug"),
            );
        }
    }
}

/// The lowest layer of `serve`.
fn defaults() -> Vec<(&'static str, Value)> {
    vec![
        ("listen", vec![DEFAULT_LISTEN].into()),
        ("insecure", false.into()),
        ("grpc_web_origins", Vec::<Value>::new().into()),
        ("metrics_hosts", Vec::<Value>::new().into()),
        ("redis_url", DEFAULT_REDIS_URL.into()),
        ("process_manager", "zinit".into()),
        ("zinit_socket", DEFAULT_ZINIT_SOCKET.into()),
        ("data_dir", state_dir().to_string_lossy().into_owned().into()),
        ("node", host_name().as_str().into()),
        ("queue_limit", DEFAULT_QUEUE_LIMIT.into()),
        ("lease", DEFAULT_LEASE.into()),
        ("drain_delay", DEFAULT_DRAIN_DELAY.into()),
        ("shutdown_timeout", DEFAULT_SHUTDOWN_TIMEOUT.into()),
        ("log_filter", DEFAULT_LOG_FILTER.into()),
        ("log_format", "text".into()),
    ]
}

/// Where a service of this user keeps its files: `/var/lib` for root, the XDG state folder for others.
pub fn state_dir() -> PathBuf {
    let name = "hero-supervisor";
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib").join(name);
    }
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join(name)
}

/// The host name, fitted to the rules of [`NodeName`]: what actors made here belong to.
pub fn host_name() -> NodeName {
    let raw = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let fits = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = raw.chars().map(fits).take(63).collect();
    NodeName::parse(&name).unwrap_or_default()
}

fn node_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<NodeName, D::Error> {
    let raw = String::deserialize(deserializer)?;
    NodeName::parse(&raw).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests;
