//! The definition of an actor.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use super::environment::{self, MAX_ITEMS};
use crate::domain::model::backoff::Backoff;
use crate::domain::model::confinement::Confinement;
use crate::domain::model::health::HealthSettings;
use crate::domain::model::id::ActorId;
use crate::domain::model::job::check_labels;
use crate::domain::model::limits::MAX_TIMEOUT;
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::text::quoted;
use crate::domain::model::violation::Violations;

/// Most bytes of all texts of one definition together. A definition is part of every answer about its actor and stands
/// in Redis once for each actor made from it; Linux would refuse a single argument of this length.
pub const MAX_CONFIG_BYTES: usize = 128 * 1024;
/// Longest name of a dependency.
const MAX_DEPENDENCY_BYTES: usize = 255;

/// Condition for the restart of a process that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RestartMode {
    /// However it ended.
    #[default]
    Always,
    /// Restarts unless the exit code was 0.
    OnFailure,
    /// Never restarts.
    Never,
}

/// Restarts of an actor whose process ended without being asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RestartPolicy {
    /// Exits that lead to a restart.
    pub mode: RestartMode,
    /// Wait before the restart: 1 s doubling to 60 s by default. Less than 0.4 s is taken as 0.4 s, so that every end is
    /// seen.
    pub backoff: Backoff,
    /// Running this long makes the next failure the first one again; 60 s by default.
    pub reset_after: Duration,
    /// Restarts within `window` after which the actor is given up as CRASH_LOOP; 0 means never. 10 by default.
    pub max_restarts: u32,
    /// Span in which restarts are counted, 10 minutes by default.
    pub window: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            mode: RestartMode::Always,
            backoff: Backoff::of_millis(1_000, 60_000),
            reset_after: Duration::from_secs(60),
            max_restarts: 10,
            window: Duration::from_secs(600),
        }
    }
}

/// Condition that makes a started actor RUNNING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Readiness {
    /// The actor has announced itself at its queue, so it can take jobs.
    #[default]
    Queue,
    /// The process runs (and passed `health_check`, if there is one); for programs that do not speak the actor
    /// protocol.
    Process,
}

/// Definition of one actor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ActorConfig {
    /// Name of the actor; see [`ActorId`] for the rules.
    pub name: String,
    /// Absolute path of the program; empty for the program that this machine has for the script type.
    pub binary: PathBuf,
    /// The language that it runs.
    pub script_type: ScriptType,
    /// The queue that it takes jobs from; None for the default queue of its script type.
    pub queue: Option<QueueName>,
    /// Arguments, each passed on exactly as it stands.
    pub args: Vec<String>,
    /// Environment, beside what the supervisor gives every actor: `HERO_ACTOR_ID`, `REDIS_URL` and others.
    pub env: BTreeMap<String, String>,
    /// Variables whose values are read from files at each start of the process.
    pub env_from_file: BTreeMap<String, PathBuf>,
    /// Variables whose values are secret, beside those whose names tell it.
    pub secret_env: BTreeSet<String>,
    /// Shell command that must succeed before the actor counts as started (Zinit's `test`).
    pub health_check: Option<String>,
    /// Actors, or services of the process manager, that must run before this one starts.
    pub dependencies: Vec<String>,
    /// Working folder; the process manager's own by default.
    pub working_dir: Option<PathBuf>,
    /// Expected SHA-256 of the program in hex; checked before every start.
    pub sha256: Option<String>,
    /// Time for running jobs to end before a stop kills the process, 30 s by default.
    pub drain_timeout: Duration,
    /// Time to become RUNNING, 30 s by default.
    pub start_timeout: Duration,
    /// Condition that makes the actor RUNNING.
    pub readiness: Readiness,
    /// Restarts after an unasked end.
    pub restart: RestartPolicy,
    /// Free marks for selectors and lists.
    pub labels: BTreeMap<String, String>,
    /// Ping policy; unset fields are those of the script type.
    pub health: HealthSettings,
    /// User and limits of the process; nothing special by default.
    pub confinement: Confinement,
}

impl ActorConfig {
    /// The queue that it takes jobs from.
    pub fn queue(&self) -> QueueName {
        self.queue.unwrap_or_else(|| self.script_type.into())
    }

    /// The queue that it takes jobs from, with the script type.
    pub fn typed_queue(&self) -> TypedQueue {
        TypedQueue { name: self.queue(), script_type: self.script_type }
    }

    /// An actor with all defaults.
    pub fn new(name: String, binary: PathBuf, script_type: ScriptType) -> Self {
        Self {
            name,
            binary,
            script_type,
            queue: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            env_from_file: BTreeMap::new(),
            secret_env: BTreeSet::new(),
            health_check: None,
            dependencies: Vec::new(),
            working_dir: None,
            sha256: None,
            drain_timeout: Duration::from_secs(30),
            start_timeout: Duration::from_secs(30),
            readiness: Readiness::default(),
            restart: RestartPolicy::default(),
            labels: BTreeMap::new(),
            health: HealthSettings::default(),
            confinement: Confinement::default(),
        }
    }

    /// Returns true if a process that was started from `self` may keep running under `other` without a restart.
    pub fn runs_like(&self, other: &Self) -> bool {
        Self { secret_env: other.secret_env.clone(), ..self.running_under(other) } == *other
    }

    /// Returns the definition of a process that was started from `self` and runs under `other`, which it takes as far as
    /// that needs no restart. A value that is secret under one of them is secret.
    pub fn running_under(&self, other: &Self) -> Self {
        Self {
            readiness: other.readiness,
            labels: other.labels.clone(),
            health: other.health,
            secret_env: self.secret_env.union(&other.secret_env).cloned().collect(),
            ..self.clone()
        }
    }

    /// Sets the arguments.
    pub fn with_args(mut self, args: Vec<String>) -> Self {
        self.args = args;
        self
    }

    /// Sets the queue that it takes jobs from. The default queue of its script type is the same as none.
    pub fn with_queue(mut self, queue: QueueName) -> Self {
        self.queue = Some(queue).filter(|queue| *queue != QueueName::default_of(self.script_type));
        self
    }

    /// Sets the environment.
    pub fn with_env(mut self, env: HashMap<String, String>) -> Self {
        self.env = env.into_iter().collect();
        self
    }

    /// Sets the shell command that must succeed before the actor counts as started.
    pub fn with_health_check(mut self, command: String) -> Self {
        self.health_check = Some(command);
        self
    }

    /// Sets what must run before this actor starts.
    pub fn with_dependencies(mut self, dependencies: Vec<String>) -> Self {
        self.dependencies = dependencies;
        self
    }

    /// Sets the expected SHA-256 of the program, in hex.
    pub fn with_sha256(mut self, sha256: String) -> Self {
        self.sha256 = Some(sha256);
        self
    }

    /// Sets the time for running jobs to end before a stop kills the process.
    pub fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Sets the time to become RUNNING.
    pub fn with_start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Sets what counts as started.
    pub fn with_readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// Sets the restarts after an unasked end.
    pub fn with_restart(mut self, restart: RestartPolicy) -> Self {
        self.restart = restart;
        self
    }

    /// Sets when it is pinged, where that differs from its script type.
    pub fn with_health(mut self, health: HealthSettings) -> Self {
        self.health = health;
        self
    }

    /// Sets whom it runs as, and its limits.
    pub fn with_confinement(mut self, confinement: Confinement) -> Self {
        self.confinement = confinement;
        self
    }

    /// The name as an id.
    ///
    /// # Errors
    /// When the name breaks the rules of [`ActorId`].
    pub fn id(&self) -> Result<ActorId, Violations> {
        ActorId::parse(&self.name).map_err(|description| Violations::one("actor_id", description))
    }

    /// Checks every field but the name, without looking at the disk.
    ///
    /// # Errors
    /// All violations at once, with field names as in the proto message `ActorConfig`.
    pub fn validate(&self) -> Result<(), Violations> {
        let mut violations = Violations::new();
        let bytes = self.text_bytes();
        if bytes > MAX_CONFIG_BYTES {
            let description = format!(
                "has {bytes} bytes of text, more than {MAX_CONFIG_BYTES}: put what is long into a file"
            );
            violations.add("", description);
        }
        if !self.binary.as_os_str().is_empty() && !self.binary.is_absolute() {
            let path = quoted(&self.binary.to_string_lossy());
            violations.add("binary_path", format!("{path} is not an absolute path"));
        }
        if let Some(other) = self.queue.and_then(|queue| queue.default_type()) {
            let own = self.script_type;
            violations
                .add("queue", format!("is {other}, which takes {other} jobs, and the actor runs {own}"));
        }
        if self.binary.to_string_lossy().contains('\0') {
            violations.add("binary_path", "has a NUL character");
        }
        check_items("args", &self.args, &mut violations);
        environment::check(&self.env, &self.env_from_file, &self.secret_env, &mut violations);
        if let Some(command) = &self.health_check
            && (command.trim().is_empty() || command.contains('\0'))
        {
            violations.add("health_check", "is empty or has a NUL character: leave it out or name a command");
        }
        self.check_dependencies(&mut violations);
        if let Some(dir) = &self.working_dir
            && !dir.is_absolute()
        {
            let dir = quoted(&dir.to_string_lossy());
            violations.add("working_dir", format!("{dir} is not an absolute path"));
        }
        if let Some(sha256) = &self.sha256
            && (sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()))
        {
            violations.add("binary_sha256", "is not a SHA-256: use 64 hexadecimal digits");
        }
        let spans = [
            ("drain_timeout", self.drain_timeout),
            ("start_timeout", self.start_timeout),
            ("restart_policy.initial_backoff", self.restart.backoff.initial()),
            ("restart_policy.max_backoff", self.restart.backoff.max()),
            ("restart_policy.reset_after", self.restart.reset_after),
            ("restart_policy.window", self.restart.window),
        ];
        for (field, span) in spans {
            if span > MAX_TIMEOUT {
                violations.add(field, format!("is {span:?}: use at most 24 hours"));
            }
        }
        check_labels(&self.labels, &mut violations);
        violations.nest("health_policy", self.health.validate().err().unwrap_or_default());
        self.confinement.check(&mut violations);
        violations.into_result()
    }
}

impl ActorConfig {
    fn check_dependencies(&self, violations: &mut Violations) {
        check_items("dependencies", &self.dependencies, violations);
        for (index, dependency) in self.dependencies.iter().enumerate().take(MAX_ITEMS) {
            if dependency.is_empty() {
                violations.add(format!("dependencies[{index}]"), "is empty: name an actor or a service");
            } else if dependency.len() > MAX_DEPENDENCY_BYTES {
                let description =
                    format!("has more than {MAX_DEPENDENCY_BYTES} bytes: name an actor or a service");
                violations.add(format!("dependencies[{index}]"), description);
            } else if *dependency == self.name {
                violations.add(format!("dependencies[{index}]"), "is the actor itself");
            }
        }
    }

    /// Returns the bytes of all texts together.
    fn text_bytes(&self) -> usize {
        let pairs = |map: &BTreeMap<String, String>| -> usize {
            map.iter().map(|(name, value)| name.len() + value.len()).sum()
        };
        let items = |items: &[String]| -> usize { items.iter().map(String::len).sum() };
        let paths = [Some(&self.binary), self.working_dir.as_ref()];
        let run_as = self.confinement.run_as.iter();
        self.name.len()
            + paths.into_iter().flatten().map(|path| path.as_os_str().len()).sum::<usize>()
            + items(&self.args)
            + pairs(&self.env)
            + self.env_from_file.iter().map(|(name, path)| name.len() + path.as_os_str().len()).sum::<usize>()
            + self.secret_env.iter().map(String::len).sum::<usize>()
            + self.health_check.as_ref().map_or(0, String::len)
            + items(&self.dependencies)
            + pairs(&self.labels)
            + run_as.map(|run_as| items(&run_as.supplementary_groups)).sum::<usize>()
    }
}

/// Notes a list that is too long, and items that no process can be given.
fn check_items(field: &str, items: &[String], violations: &mut Violations) {
    if items.len() > MAX_ITEMS {
        violations.add(field, format!("has {} items, more than {MAX_ITEMS}", items.len()));
    }
    for (index, item) in items.iter().enumerate().take(MAX_ITEMS) {
        if item.contains('\0') {
            violations.add(format!("{field}[{index}]"), "has a NUL character");
        }
    }
}

#[cfg(test)]
mod tests;
