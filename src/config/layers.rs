//! The four layers and what is remembered of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Empty, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};
use serde::de::DeserializeOwned;

use super::actors::{self, FileActors};
use super::script_types::{self, FileScriptTypes};
use super::{ConfigError, KEYS, Problem, Setting};

/// What our variables start with.
const ENV_PREFIX: &str = "HERO_SUPERVISOR_";
/// Read by the command line itself: where the client finds its server, and the file of the second layer.
const ENV_OF_THE_CLI: [&str; 2] = ["HERO_SUPERVISOR_SERVER", "HERO_SUPERVISOR_CONFIG"];

/// Who said a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody.
    Default,
    /// A line of this file.
    File(PathBuf),
    /// This variable.
    Env(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// The flags of the service, one for each key. Read as text, like the other layers, so that all are judged alike.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Flags {
    /// Serve gRPC here: IP:PORT or unix:PATH; can be repeated [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<String>,
    /// Allow addresses that other machines can reach, without TLS and authentication
    #[arg(long)]
    pub insecure: bool,
    /// Speak gRPC-Web with pages from this origin, https://HOST for instance, * for any; can be repeated [default: no]
    #[arg(long = "grpc-web-origin", value_name = "ORIGIN")]
    pub grpc_web_origins: Vec<String>,
    /// The Redis that holds jobs and actors [default: redis://127.0.0.1:6379]
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
    /// Who runs the actors: zinit or local [default: zinit]
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
    /// How long an actor may be silent before its jobs go to another [default: 15s]
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
    /// Send traces to this OpenTelemetry collector, http://HOST:4317 [default: nowhere]
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// What to log: info or info,hero_supervisor=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// How to log: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

impl Flags {
    /// The flags that were given, by key.
    pub(super) fn given(&self) -> Dict {
        let single = [
            ("redis_url", &self.redis_url),
            ("process_manager", &self.process_manager),
            ("zinit_socket", &self.zinit_socket),
            ("data_dir", &self.data_dir),
            ("ready_file", &self.ready_file),
            ("node", &self.node),
            ("queue_limit", &self.queue_limit),
            ("lease", &self.lease),
            ("drain_delay", &self.drain_delay),
            ("shutdown_timeout", &self.shutdown_timeout),
            ("worker_threads", &self.worker_threads),
            ("metrics_listen", &self.metrics_listen),
            ("otlp_endpoint", &self.otlp_endpoint),
            ("log_filter", &self.log_filter),
            ("log_format", &self.log_format),
        ];
        let given = single.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let mut dict: Dict = given.map(|(key, value)| (key.to_owned(), Value::from(value.clone()))).collect();
        if !self.listen.is_empty() {
            dict.insert("listen".to_owned(), Value::from(self.listen.clone()));
        }
        if !self.grpc_web_origins.is_empty() {
            dict.insert("grpc_web_origins".to_owned(), Value::from(self.grpc_web_origins.clone()));
        }
        if !self.metrics_hosts.is_empty() {
            dict.insert("metrics_hosts".to_owned(), Value::from(self.metrics_hosts.clone()));
        }
        if self.insecure {
            dict.insert("insecure".to_owned(), Value::from(true));
        }
        dict
    }
}

/// The variables of our prefix.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// Those of this process.
    pub fn of_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self::of(std::env::vars_os().map(|(name, value)| (text(name), text(value))))
    }

    /// Those of these that are ours.
    pub fn of(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = |(name, _): &(String, String)| {
            name.strip_prefix(ENV_PREFIX).is_some_and(|rest| !is_service_link(rest))
                && !ENV_OF_THE_CLI.contains(&name.as_str())
        };
        Self(vars.into_iter().filter(ours).collect())
    }

    /// By key. Lists are separated by commas.
    fn given(&self) -> Dict {
        let value = |key: &str, raw: &String| match key {
            "listen" | "grpc_web_origins" | "metrics_hosts" => {
                Value::from(raw.split(',').map(str::trim).map(str::to_owned).collect::<Vec<_>>())
            }
            _single => Value::from(raw.clone()),
        };
        let keyed = self.0.iter().map(|(name, raw)| (name[ENV_PREFIX.len()..].to_ascii_lowercase(), raw));
        keyed.map(|(key, raw)| (key.clone(), value(&key, raw))).collect()
    }
}

/// Kubernetes gives every pod `<SERVICE>_SERVICE_HOST`, `<SERVICE>_PORT_50051_TCP`, …: with a service that is called
/// hero-supervisor they bear our prefix, and nobody misspelled anything.
fn is_service_link(rest: &str) -> bool {
    rest == "PORT"
        || rest.starts_with("PORT_")
        || rest.starts_with("SERVICE_HOST")
        || rest.starts_with("SERVICE_PORT")
}

/// What a configuration is made of, the lowest layer first.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// A value for every key that needs one.
    pub defaults: Vec<(&'static str, Value)>,
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: Env,
    /// The command line.
    pub flags: Flags,
}

impl Layers {
    /// What of the file is not a setting.
    pub(super) fn tables(&self) -> (FileActors, FileScriptTypes) {
        let Some(path) = &self.file else { return Default::default() };
        // A file that cannot be read is told with the settings.
        let values = read_whole_file(path).map(|layer| layer.values).unwrap_or_default();
        let actors = actors::read(values.get(actors::KEY), path);
        (actors, script_types::read(values.get(script_types::KEY), path))
    }

    /// Merges the layers into a `T`.
    ///
    /// # Errors
    /// Unknown keys, or values that are not of their type; all of them, with their places.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<(T, Vec<Setting>), ConfigError> {
        let defaults: Dict = self.defaults.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut figment = Figment::from(Layer { name: DEFAULTS, source: None, values: defaults.clone() });
        if let Some(path) = &self.file {
            figment = figment.merge(read_file(path)?);
        }
        figment = figment.merge(Layer { name: ENV, source: None, values: self.env.given() });
        figment = figment.merge(Layer { name: FLAGS, source: None, values: self.flags.given() });

        let settings = settings(&figment)?;
        let mut problems = Vec::new();
        loop {
            match figment.extract_lossy::<T>() {
                Ok(value) if problems.is_empty() => return Ok((value, settings)),
                Ok(_partial) => return Err(ConfigError(problems)),
                Err(error) => {
                    let Some(key) = error.path.first().filter(|key| KEYS.contains(&key.as_str())).cloned()
                    else {
                        let what = error.kind.to_string();
                        problems.push(Problem { key: "config".to_owned(), origin: Origin::Default, what });
                        return Err(ConfigError(problems));
                    };
                    let origin = origin_of(&figment, &key);
                    if problems.iter().any(|problem: &Problem| problem.key == key) {
                        return Err(ConfigError(problems));
                    }
                    // Put a good value in place of the bad one, to find what else is wrong.
                    let good = defaults.get(&key).cloned().unwrap_or(Value::Empty(Tag::Default, Empty::None));
                    let values = Dict::from([(key.clone(), good)]);
                    figment = figment.merge(Layer { name: DEFAULTS, source: None, values });
                    problems.push(Problem { key, origin, what: error.kind.to_string() });
                }
            }
        }
    }
}

const DEFAULTS: &str = "defaults";
const ENV: &str = "environment";
const FLAGS: &str = "flags";

/// Values of one layer.
struct Layer {
    name: &'static str,
    source: Option<PathBuf>,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let metadata = Metadata::named(self.name);
        match &self.source {
            Some(path) => metadata.source(Source::File(path.clone())),
            None => metadata,
        }
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// The second layer: the settings of the file.
fn read_file(path: &Path) -> Result<Layer, ConfigError> {
    let mut layer = read_whole_file(path)?;
    for key in [actors::KEY, script_types::KEY] {
        layer.values.remove(key);
    }
    Ok(layer)
}

fn read_whole_file(path: &Path) -> Result<Layer, ConfigError> {
    let problem = |what: String| {
        ConfigError(vec![Problem { key: "config".to_owned(), origin: Origin::File(path.to_owned()), what }])
    };
    let text = std::fs::read_to_string(path).map_err(|error| problem(format!("cannot be read: {error}")))?;
    let values = Toml::from_str(&text)
        .map_err(|error| problem(format!("is not TOML: {}", without_secrets(&error.to_string()))))?;
    Ok(Layer { name: "file", source: Some(path.to_owned()), values })
}

/// What the reader of TOML says, with the line that it shows only if that is an open setting: any other may be, or be a part
/// of, a secret.
fn without_secrets(said: &str) -> String {
    let source = |line: &str| {
        let (number, source) = line.split_once('|')?;
        number.trim().parse::<u64>().is_ok().then(|| source.to_owned())
    };
    let is_open = |source: String| {
        let key = source.split('=').next().unwrap_or_default().trim();
        KEYS.contains(&key) && key != "redis_url" && !source.contains("://")
    };
    if said.lines().filter_map(source).all(is_open) {
        return said.to_owned();
    }
    let kept = said.lines().filter(|line| source(line).is_none() && !line.trim_start().starts_with('|'));
    kept.collect::<Vec<_>>().join("\n")
}

/// Every value with its origin; refuses keys that nobody knows.
fn settings(figment: &Figment) -> Result<Vec<Setting>, ConfigError> {
    let dict: Dict = figment.extract().map_err(|error| {
        ConfigError(vec![Problem {
            key: "config".to_owned(),
            origin: Origin::Default,
            what: error.to_string(),
        }])
    })?;
    let unknown: Vec<Problem> = dict
        .keys()
        .filter(|key| !KEYS.contains(&key.as_str()))
        .map(|key| Problem { key: key.clone(), origin: origin_of(figment, key), what: unknown_key(key) })
        .collect();
    if !unknown.is_empty() {
        return Err(ConfigError(unknown));
    }
    let known = KEYS.into_iter().filter_map(|key| Some((key, dict.get(key)?)));
    Ok(known
        .map(|(key, value)| Setting { key, value: value.clone(), origin: origin_of(figment, key) })
        .collect())
}

fn unknown_key(key: &str) -> String {
    unknown_among(key, &KEYS)
}

/// What to say to a key that is none of these.
pub(super) fn unknown_among(key: &str, all: &[&str]) -> String {
    let near = all
        .iter()
        .copied()
        .filter(|known| known.starts_with(key) || key.starts_with(known) || differ_little(key, known));
    match near.collect::<Vec<_>>().as_slice() {
        [] => format!("is not a setting: known are {}", all.join(", ")),
        near => format!("is not a setting: did you mean {}?", near.join(" or ")),
    }
}

/// Whether two words differ in at most two places.
fn differ_little(a: &str, b: &str) -> bool {
    let common_start = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    let (rest_a, rest_b) = (&a.as_bytes()[common_start..], &b.as_bytes()[common_start..]);
    let common_end = rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(x, y)| x == y).count();
    rest_a.len().max(rest_b.len()) - common_end <= 2
}

fn origin_of(figment: &Figment, key: &str) -> Origin {
    let tag = figment.find_value(key).map_or(Tag::Default, |value| value.tag());
    let Some(metadata) = figment.get_metadata(tag) else { return Origin::Default };
    match (&metadata.source, metadata.name.as_ref()) {
        (Some(Source::File(path)), _) => Origin::File(path.clone()),
        (_, ENV) => Origin::Env(format!("{ENV_PREFIX}{}", key.to_ascii_uppercase())),
        (_, FLAGS) => Origin::Flag(format!("--{}", key.replace('_', "-"))),
        (_, _defaults) => Origin::Default,
    }
}
