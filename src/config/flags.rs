//! The flags of the service, which are the uppermost layer of the configuration.

use figment::value::{Dict, Value};

use super::audit::AuditFlags;
use super::auth::AuthFlags;
use super::nested::nested;
use super::redis::RedisFlags;
use super::tls::TlsFlags;

/// The flags of the service, one for each key, each field under the name of its key. Values are read as text, like those of
/// the other layers, so that one check serves all.
#[derive(Debug, Clone, Default, clap::Args, serde::Serialize)]
pub struct Flags {
    /// Serve gRPC here: IP:PORT or unix:PATH; can be repeated [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<String>,
    /// Allow addresses that other machines can reach without TLS, or without authentication
    #[arg(long)]
    pub insecure: bool,
    /// Speak gRPC-Web with pages from this origin, https://HOST for instance, * for any; can be repeated [default: no]
    #[arg(long = "grpc-web-origin", value_name = "ORIGIN")]
    pub grpc_web_origins: Vec<String>,
    /// The Redis that holds jobs and actors [default: redis://127.0.0.1:6379]
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
    /// URL of the same Redis for actors, with another user for instance [default: as --redis-url]
    #[arg(long, value_name = "URL")]
    pub actor_redis_url: Option<String>,
    /// Login to Redis.
    #[command(flatten)]
    #[serde(flatten)]
    pub redis: RedisFlags,
    /// Process manager of the actors: zinit or local [default: zinit]
    #[arg(long, value_name = "WHO")]
    pub process_manager: Option<String>,
    /// Zinit's socket [default: /var/run/zinit.sock]
    #[arg(long, value_name = "PATH")]
    pub zinit_socket: Option<String>,
    /// Folder for own files
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Write pid and addresses to this file when serving
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<String>,
    /// Name of this machine among the supervisors on one Redis [default: host name]
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Jobs of one script type that may wait [default: 1000000]
    #[arg(long, value_name = "JOBS")]
    pub queue_limit: Option<String>,
    /// Queues that may be created by name, 1 to 100000 [default: 10000]
    #[arg(long, value_name = "QUEUES")]
    pub named_queue_limit: Option<String>,
    /// Longest silence of an actor before its jobs go to another [default: 15s]
    #[arg(long, value_name = "TIME")]
    pub lease: Option<String>,
    /// Time between NOT_SERVING and the end of connections at a shutdown [default: 5s]
    #[arg(long, value_name = "TIME")]
    pub drain_delay: Option<String>,
    /// Limit of a whole shutdown [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub shutdown_timeout: Option<String>,
    /// Threads of the runtime [default: 1 up to four cores, one a core above]
    #[arg(long, value_name = "N")]
    pub worker_threads: Option<String>,
    /// Serve /metrics for Prometheus here: IP:PORT or unix:PATH [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<String>,
    /// Answer /metrics under this host name, * for any; can be repeated [default: addresses, localhost and the node's name]
    #[arg(long = "metrics-host", value_name = "NAME")]
    pub metrics_hosts: Vec<String>,
    /// Authentication of readers of /metrics, as viewers: required or off [default: required with authentication on an
    /// address that other machines can reach]
    #[arg(long, value_name = "MODE")]
    pub metrics_auth: Option<String>,
    /// Serve the dashboard here, with gRPC and gRPC-Web: IP:PORT or unix:PATH [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    pub dashboard_listen: Option<String>,
    /// Answer with the dashboard under this host name, * for any; can be repeated [default: addresses, localhost and the
    /// node's name]
    #[arg(long = "dashboard-host", value_name = "NAME")]
    pub dashboard_hosts: Vec<String>,
    /// Send traces to this OpenTelemetry collector, http://HOST:4317 [default: nowhere]
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Filter of the log: info or info,hero_supervisor=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// Format of the log: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// TLS of the TCP addresses.
    #[command(flatten)]
    #[serde(flatten)]
    pub tls: TlsFlags,
    /// Authentication of callers.
    #[command(flatten)]
    #[serde(flatten)]
    pub auth: AuthFlags,
    /// The log of who has called what.
    #[command(flatten)]
    #[serde(flatten)]
    pub audit: AuditFlags,
}

impl Flags {
    /// Returns the flags that were given, by key. The fields have the names of the keys.
    pub(super) fn given(&self) -> Dict {
        let flags = Value::serialize(self).ok().and_then(Value::into_dict).unwrap_or_default();
        nested(flags.into_iter().filter(|(_key, value)| is_given(value)))
    }
}

/// Returns false for the value of a flag that was left out.
fn is_given(value: &Value) -> bool {
    match value {
        Value::Empty(..) => false,
        Value::Bool(_, set) => *set,
        Value::Array(_, items) => !items.is_empty(),
        Value::String(..) | Value::Char(..) | Value::Num(..) | Value::Dict(..) => true,
    }
}
