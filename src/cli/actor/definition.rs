//! The definition of an actor as flags: complete for a new actor, partial for a change.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::confine::ConfineArgs;
use crate::cli::Failure;
use crate::cli::values::{pair, span, to_proto};
use crate::proto::{ActorConfig, actor_config, health_policy, restart_policy};

/// The definition without name, type and program.
#[derive(Debug, Default, Args)]
pub(super) struct DefinitionArgs {
    /// Environment variable; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Environment variable with its value in a file, read at each start, mode 0600; can be repeated
    #[arg(long, value_name = "NAME=FILE", value_parser = pair)]
    env_from_file: Vec<(String, String)>,
    /// Environment variable whose value only admins may see, whatever its name; can be repeated
    #[arg(long, value_name = "NAME")]
    secret_env: Vec<String>,
    /// Label for selectors; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Shell command that must succeed before the actor counts as started
    #[arg(long, value_name = "COMMAND")]
    health_check: Option<String>,
    /// Actor or service that must run first; can be repeated
    #[arg(long, value_name = "NAME")]
    after: Vec<String>,
    /// Working folder
    #[arg(long, value_name = "DIR")]
    working_dir: Option<PathBuf>,
    /// SHA-256 of the program, checked before each start
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Time for running jobs to finish before a stop kills the process [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = span)]
    drain_timeout: Option<Duration>,
    /// Longest time until a started actor runs [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = span)]
    start_timeout: Option<Duration>,
    /// Condition under which the actor counts as started
    #[arg(long, value_enum, value_name = "WHAT")]
    readiness: Option<Readiness>,
    /// Ends of the process that lead to a restart
    #[arg(long, value_enum, value_name = "WHEN")]
    restart: Option<Restart>,
    /// Most restarts within --restart-window; 0 means no limit
    #[arg(long, value_name = "N")]
    max_restarts: Option<i32>,
    /// Time in which restarts are counted
    #[arg(long, value_name = "TIME", value_parser = span)]
    restart_window: Option<Duration>,
    /// Delay before the first restart; it doubles with each further one
    #[arg(long, value_name = "TIME", value_parser = span)]
    initial_backoff: Option<Duration>,
    /// Longest delay before a restart
    #[arg(long, value_name = "TIME", value_parser = span)]
    max_backoff: Option<Duration>,
    /// Time without a job after which the actor is pinged [default: that of its script type]
    #[arg(long, value_name = "TIME", value_parser = span)]
    idle_after: Option<Duration>,
    /// Time after which an unanswered ping is missed [default: that of its script type]
    #[arg(long, value_name = "TIME", value_parser = span)]
    ping_timeout: Option<Duration>,
    /// Missed pings in a row that make the actor unhealthy [default: those of its script type]
    #[arg(long, value_name = "N")]
    failure_threshold: Option<i32>,
    /// Action if the actor is unhealthy [default: that of its script type]
    #[arg(long, value_enum, value_name = "WHAT")]
    on_unhealthy: Option<OnUnhealthy>,
    /// User, groups and limits.
    #[command(flatten)]
    confine: ConfineArgs,
    /// Arguments of the program, after `--`
    #[arg(last = true, value_name = "ARG")]
    args: Vec<String>,
}

/// Condition under which an actor counts as started.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Readiness {
    /// The actor has announced itself at its queue
    Queue,
    /// The process runs
    Process,
}

/// Ends of the process that lead to a restart.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Restart {
    /// Every end
    Always,
    /// Every end except exit code 0
    OnFailure,
    /// No end
    Never,
}

/// Action for an unhealthy actor.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum OnUnhealthy {
    /// Restart the actor
    Restart,
    /// Only report it
    ReportOnly,
}

impl OnUnhealthy {
    /// Returns the value of the API.
    pub(in crate::cli) fn action(self) -> health_policy::Action {
        match self {
            Self::Restart => health_policy::Action::Restart,
            Self::ReportOnly => health_policy::Action::ReportOnly,
        }
    }
}

impl DefinitionArgs {
    /// Writes the given flags into a definition. Returns the API names of the written fields.
    ///
    /// # Errors
    /// A path that cannot be made absolute.
    pub(super) fn write(self, config: &mut ActorConfig) -> Result<Vec<&'static str>, Failure> {
        let mut touched = Touched::default();
        if touched.if_any("env", &self.env) {
            config.env.extend(self.env);
        }
        if touched.if_any("env_from_file", &self.env_from_file) {
            for (name, file) in self.env_from_file {
                config.env_from_file.insert(name, absolute(PathBuf::from(file))?);
            }
        }
        if touched.if_any("secret_env", &self.secret_env) {
            config.secret_env.extend(self.secret_env);
        }
        if touched.if_any("labels", &self.label) {
            config.labels.extend(self.label);
        }
        if touched.if_any("dependencies", &self.after) {
            config.dependencies = self.after;
        }
        if touched.if_any("args", &self.args) {
            config.args = self.args;
        }
        touched.set("health_check", &mut config.health_check, self.health_check);
        let working_dir = self.working_dir.map(absolute).transpose()?;
        touched.set("working_dir", &mut config.working_dir, working_dir);
        touched.set("binary_sha256", &mut config.binary_sha256, self.sha256);
        touched.set("drain_timeout", &mut config.drain_timeout, self.drain_timeout.map(to_proto));
        touched.set("start_timeout", &mut config.start_timeout, self.start_timeout.map(to_proto));
        let readiness = self.readiness.map(|readiness| match readiness {
            Readiness::Queue => actor_config::Readiness::Queue.into(),
            Readiness::Process => actor_config::Readiness::Process.into(),
        });
        touched.set("readiness", &mut config.readiness, readiness);

        let mut restart = config.restart_policy.unwrap_or_default();
        let mode = self.restart.map(|restart| match restart {
            Restart::Always => restart_policy::Mode::Always.into(),
            Restart::OnFailure => restart_policy::Mode::OnFailure.into(),
            Restart::Never => restart_policy::Mode::Never.into(),
        });
        touched.set("restart_policy", &mut restart.mode, mode);
        touched.set("restart_policy", &mut restart.max_restarts, self.max_restarts.map(Some));
        touched.set("restart_policy", &mut restart.window, self.restart_window.map(to_proto));
        touched.set("restart_policy", &mut restart.initial_backoff, self.initial_backoff.map(to_proto));
        touched.set("restart_policy", &mut restart.max_backoff, self.max_backoff.map(to_proto));
        config.restart_policy = touched.has("restart_policy").then_some(restart).or(config.restart_policy);

        let mut health = config.health_policy.clone().unwrap_or_default();
        touched.set("health_policy", &mut health.idle_after, self.idle_after.map(to_proto));
        touched.set("health_policy", &mut health.ping_timeout, self.ping_timeout.map(to_proto));
        touched.set("health_policy", &mut health.failure_threshold, self.failure_threshold.map(Some));
        let action = self.on_unhealthy.map(|action| action.action().into());
        touched.set("health_policy", &mut health.action, action);
        if touched.has("health_policy") {
            config.health_policy = Some(health);
        }

        let run_as = self.confine.run_as().map(Some);
        touched.set("run_as", &mut config.run_as, run_as);
        let limits = self.confine.limits(config.limits.unwrap_or_default()).map(Some);
        touched.set("limits", &mut config.limits, limits);
        let no_new = self.confine.no_new_privileges.then_some(true);
        touched.set("no_new_privileges", &mut config.no_new_privileges, no_new);
        let dies = self.confine.die_with_process_manager.then_some(true);
        touched.set("die_with_process_manager", &mut config.die_with_process_manager, dies);
        Ok(touched.fields)
    }
}

/// The written fields.
#[derive(Default)]
struct Touched {
    fields: Vec<&'static str>,
}

impl Touched {
    fn has(&self, field: &'static str) -> bool {
        self.fields.contains(&field)
    }

    fn note(&mut self, field: &'static str) {
        if !self.has(field) {
            self.fields.push(field);
        }
    }

    fn if_any<T>(&mut self, field: &'static str, given: &[T]) -> bool {
        if !given.is_empty() {
            self.note(field);
        }
        !given.is_empty()
    }

    fn set<T>(&mut self, field: &'static str, place: &mut T, given: Option<T>) {
        if let Some(given) = given {
            *place = given;
            self.note(field);
        }
    }
}

/// Makes a path absolute, because the server has another working folder.
pub(in crate::cli) fn absolute(path: PathBuf) -> Result<String, Failure> {
    std::path::absolute(&path)
        .map(|path| path.to_string_lossy().into_owned())
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_written_and_named_and_the_rest_stays() {
        let mut config = ActorConfig { health_check: "true".to_owned(), ..ActorConfig::default() };
        config.env.insert("A".to_owned(), "1".to_owned());
        config.restart_policy.get_or_insert_default().max_restarts = Some(3);
        let given = DefinitionArgs {
            env: vec![("B".to_owned(), "2".to_owned())],
            restart_window: Some(Duration::from_secs(5)),
            max_backoff: Some(Duration::from_secs(9)),
            ..DefinitionArgs::default()
        };
        assert_eq!(given.write(&mut config).unwrap(), ["env", "restart_policy"]);
        let policy = config.restart_policy.unwrap();
        assert_eq!((policy.max_restarts, policy.window.unwrap().seconds), (Some(3), 5));
        assert_eq!((config.env.len(), config.health_check.as_str()), (2, "true"));
        assert_eq!(config.health_policy, None);
        let before = config.clone();
        assert!(DefinitionArgs::default().write(&mut config).unwrap().is_empty());
        assert_eq!(config, before);
    }
}
