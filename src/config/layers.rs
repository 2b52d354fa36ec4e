//! The four layers of the configuration, and the origin of each value.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Empty, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};
use serde::de::DeserializeOwned;

use super::actors::{self, FileActors};
use super::auth::{self, FileAuth};
use super::flags::Flags;
use super::nested::nested;
use super::queues::{self, FileQueues};
use super::script_types::{self, FileScriptTypes};
use super::{ConfigError, KEYS, Problem, Setting, suggest};

/// Prefix of the environment variables.
const ENV_PREFIX: &str = "HERO_SUPERVISOR_";
/// Keys whose values are lists of texts.
const LISTS: [&str; 5] = ["listen", "grpc_web_origins", "metrics_hosts", "dashboard_hosts", "auth.anonymous"];
/// Variables that the command line reads itself: the file of the second layer, the address of the server, and what a
/// caller shows it.
const ENV_OF_THE_CLI: [&str; 8] = [
    "HERO_SUPERVISOR_CONFIG",
    "HERO_SUPERVISOR_SERVER",
    "HERO_SUPERVISOR_CONTEXT",
    "HERO_SUPERVISOR_CACERT",
    "HERO_SUPERVISOR_CLIENT_CERT",
    "HERO_SUPERVISOR_CLIENT_KEY",
    "HERO_SUPERVISOR_TOKEN",
    "HERO_SUPERVISOR_TOKEN_FILE",
];

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The default.
    Default,
    /// A line of the file.
    File(PathBuf),
    /// An environment variable, by name.
    Env(String),
    /// A flag, by name.
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

/// The environment variables with the prefix of the service.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// Reads the variables of this process.
    pub fn of_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self::of(std::env::vars_os().map(|(name, value)| (text(name), text(value))))
    }

    /// Keeps the variables that are settings.
    pub fn of(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = |(name, _): &(String, String)| {
            name.strip_prefix(ENV_PREFIX).is_some_and(|rest| !is_service_link(rest))
                && !ENV_OF_THE_CLI.contains(&name.as_str())
        };
        Self(vars.into_iter().filter(ours).collect())
    }

    /// Returns the values by key. Items of lists are separated by commas.
    fn given(&self) -> Dict {
        let value = |key: &str, raw: &String| match LISTS.contains(&key) {
            true => Value::from(raw.split(',').map(str::trim).map(str::to_owned).collect::<Vec<_>>()),
            false => Value::from(raw.clone()),
        };
        let key = |name: &str| name[ENV_PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
        let keyed = self.0.iter().map(|(name, raw)| (key(name), raw));
        nested(keyed.map(|(key, raw)| (key.clone(), value(&key, raw))))
    }
}

/// Returns true for a variable that Kubernetes sets in every pod: `<SERVICE>_SERVICE_HOST`, `<SERVICE>_PORT_50051_TCP` and
/// others. A service named hero-supervisor gives them the prefix of the settings.
fn is_service_link(rest: &str) -> bool {
    rest == "PORT"
        || rest.starts_with("PORT_")
        || rest.starts_with("SERVICE_HOST")
        || rest.starts_with("SERVICE_PORT")
}

/// The layers of a configuration, the lowest first.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The defaults.
    pub defaults: Vec<(&'static str, Value)>,
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: Env,
    /// The command line.
    pub flags: Flags,
}

impl Layers {
    /// Reads the actors, queues, script types and rules of identities of the file.
    pub(super) fn tables(&self) -> (FileActors, FileQueues, FileScriptTypes, FileAuth) {
        let Some(path) = &self.file else { return Default::default() };
        // An unreadable file is reported with the settings.
        let values = read_whole_file(path).map(|layer| layer.values).unwrap_or_default();
        let actors = actors::read(values.get(actors::KEY), path);
        let queues = queues::read(values.get(queues::KEY), &actors.actors, path);
        (
            actors,
            queues,
            script_types::read(values.get(script_types::KEY), path),
            auth::read(values.get(auth::KEY), path),
        )
    }

    /// Merges the layers into a `T`.
    ///
    /// # Errors
    /// Every unknown key and every value of the wrong type, with their origins.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<(T, Vec<Setting>), ConfigError> {
        let defaults: Dict = self.defaults.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let values = nested(defaults.clone());
        let mut figment = Figment::from(Layer { name: DEFAULTS, source: None, values });
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
                    let Some(key) = key_at(&error.path) else {
                        let what = error.kind.to_string();
                        problems.push(Problem { key: "config".to_owned(), origin: Origin::Default, what });
                        return Err(ConfigError(problems));
                    };
                    let origin = origin_of(&figment, key);
                    if problems.iter().any(|problem: &Problem| problem.key == key) {
                        return Err(ConfigError(problems));
                    }
                    // Replace the wrong value by the default, to find the next wrong one.
                    let good = defaults.get(key).cloned().unwrap_or(Value::Empty(Tag::Default, Empty::None));
                    let values = nested([(key.to_owned(), good)]);
                    figment = figment.merge(Layer { name: DEFAULTS, source: None, values });
                    problems.push(Problem { key: key.to_owned(), origin, what: error.kind.to_string() });
                }
            }
        }
    }
}

const DEFAULTS: &str = "defaults";
const ENV: &str = "environment";
const FLAGS: &str = "flags";

/// The values of one layer.
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

/// Reads the second layer: the settings of the file.
fn read_file(path: &Path) -> Result<Layer, ConfigError> {
    let mut layer = read_whole_file(path)?;
    for key in [actors::KEY, queues::KEY, script_types::KEY] {
        layer.values.remove(key);
    }
    if let Some(Value::Dict(_, auth)) = layer.values.get_mut(auth::KEY) {
        auth.retain(|key, _| !auth::LISTS.contains(&key.as_str()));
    }
    for key in LISTS {
        if let Some(value) = value_at(&mut layer.values, key) {
            make_list(value);
        }
    }
    Ok(layer)
}

/// Returns the value of a key, which may lie in a table: `table.key`.
fn value_at<'a>(values: &'a mut Dict, key: &str) -> Option<&'a mut Value> {
    match key.split_once('.') {
        None => values.get_mut(key),
        Some((table, key)) => match values.get_mut(table) {
            Some(Value::Dict(_, inner)) => inner.get_mut(key),
            Some(_) | None => None,
        },
    }
}

/// Makes a list of a text that stands for a list of one.
fn make_list(value: &mut Value) {
    if matches!(value, Value::String(..)) {
        let only = mem::replace(value, Value::Empty(Tag::Default, Empty::None));
        *value = Value::Array(only.tag(), vec![only]);
    }
}

/// Returns the keys of values with those of tables that have settings, each as `table.key`.
fn flat(values: &Dict) -> Vec<(String, &Value)> {
    let has_settings =
        |table: &str| KEYS.iter().any(|key| key.split_once('.').is_some_and(|(of, _)| of == table));
    let mut all = Vec::new();
    for (key, value) in values {
        if let Value::Dict(_, inner) = value
            && has_settings(key)
        {
            all.extend(inner.iter().map(|(name, value)| (format!("{key}.{name}"), value)));
        } else {
            all.push((key.clone(), value));
        }
    }
    all
}

/// Returns the key that a path lies in.
fn key_at(path: &[String]) -> Option<&'static str> {
    let full = path.join(".");
    KEYS.into_iter()
        .find(|key| full == *key || full.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
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

/// Returns the error text of the TOML parser. The line that it quotes is kept only for settings that are no secrets.
fn without_secrets(said: &str) -> String {
    let source = |line: &str| {
        let (number, source) = line.split_once('|')?;
        number.trim().parse::<u64>().is_ok().then(|| source.to_owned())
    };
    let is_open = |source: String| {
        let key = source.split('=').next().unwrap_or_default().trim();
        KEYS.contains(&key) && !key.ends_with("redis_url") && !source.contains("://")
    };
    if said.lines().filter_map(source).all(is_open) {
        return said.to_owned();
    }
    let kept = said.lines().filter(|line| source(line).is_none() && !line.trim_start().starts_with('|'));
    kept.collect::<Vec<_>>().join("\n")
}

/// Returns the value of every key, empty for one that has none, with its origin.
///
/// # Errors
/// Every unknown key.
fn settings(figment: &Figment) -> Result<Vec<Setting>, ConfigError> {
    let dict: Dict = figment.extract().map_err(|error| {
        ConfigError(vec![Problem {
            key: "config".to_owned(),
            origin: Origin::Default,
            what: error.to_string(),
        }])
    })?;
    let all = flat(&dict);
    let unknown: Vec<Problem> = all
        .iter()
        .filter(|(key, _)| !KEYS.contains(&key.as_str()))
        .map(|(key, _)| Problem {
            key: key.clone(),
            origin: origin_of(figment, key),
            what: suggest::unknown_key(key, &KEYS),
        })
        .collect();
    if !unknown.is_empty() {
        return Err(ConfigError(unknown));
    }
    let find = |key: &str| all.iter().find(|(known, _)| known == key).map(|(_, value)| (*value).clone());
    let setting = |key| {
        let value = find(key).unwrap_or(Value::Empty(Tag::Default, Empty::None));
        Setting { key, value, origin: origin_of(figment, key) }
    };
    Ok(KEYS.into_iter().map(setting).collect())
}

fn origin_of(figment: &Figment, key: &str) -> Origin {
    let tag = figment.find_value(key).map_or(Tag::Default, |value| value.tag());
    let Some(metadata) = figment.get_metadata(tag) else { return Origin::Default };
    match (&metadata.source, metadata.name.as_ref()) {
        (Some(Source::File(path)), _) => Origin::File(path.clone()),
        (_, ENV) => Origin::Env(format!("{ENV_PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())),
        (_, FLAGS) if key == "audit.path" => Origin::Flag("--audit-log".to_owned()),
        (_, FLAGS) => Origin::Flag(format!("--{}", key.replace(['_', '.'], "-"))),
        (_, _defaults) => Origin::Default,
    }
}
