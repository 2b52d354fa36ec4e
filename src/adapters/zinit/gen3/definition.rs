//! A process as a service of Zinit: how it is written down, and whether one that is there says the same.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::shim::{Shim, quoted, text};
use super::TOMBSTONE;
use crate::domain::model::actor::RestartMode;
use crate::ports::process_manager::{ACTOR_MARK, ProcessError, ProcessSpec};

/// Zinit gives the whole command line to a shell as one string, and Linux takes no longer one.
const MAX_EXEC_BYTES: usize = 128 * 1024 - 1;

/// A service as Zinit is told it.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) name: String,
    /// True if the environment has something beside our mark of an actor, which may be a secret.
    pub(super) has_env: bool,
    config: Value,
}

/// Fields of a service that are part of its definition; the others are Zinit's defaults.
const PARTS: &[&str] = &[
    "/service/exec",
    "/service/dir",
    "/service/env",
    "/service/oneshot",
    "/service/status",
    "/lifecycle/restart",
    "/lifecycle/restart_delay_ms",
    "/lifecycle/restart_delay_max_ms",
    "/lifecycle/max_restarts",
    "/lifecycle/stability_period_ms",
    "/lifecycle/start_timeout_ms",
    "/lifecycle/stop_timeout_ms",
    "/lifecycle/stop_signal",
    "/health",
];

impl Definition {
    /// # Errors
    /// `Rejected` when Zinit could not run it exactly as it stands.
    pub(super) fn new(spec: &ProcessSpec, shim: &Shim) -> Result<Self, ProcessError> {
        let refuse =
            |what: String| ProcessError::Rejected { reason: format!("process {:?} {what}", spec.name) };
        if spec.name.starts_with(TOMBSTONE) {
            return Err(refuse(format!("bears a reserved name: it starts with {TOMBSTONE}")));
        }
        let check = shim.health_check(spec).map_err(refuse)?;
        let note = check.as_ref().and_then(|_check| shim.note(&spec.name));
        let exec = command_line(shim.argv(spec).map_err(refuse)?, note.as_deref()).map_err(refuse)?;
        if spec.env.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(refuse("has a variable with a NUL character".to_owned()));
        }
        let mut env = spec.env.clone();
        env.insert(ACTOR_MARK.to_owned(), spec.name.clone());
        let mut service = json!({
            "name": spec.name,
            "exec": exec,
            "env": env,
            "oneshot": false,
            "status": "start",
        });
        if let Some(dir) = &spec.working_dir {
            service["dir"] = text(dir).map_err(refuse)?.into();
        }
        let restart = match spec.restart.mode {
            RestartMode::Always => "always",
            RestartMode::OnFailure => "on-failure",
            RestartMode::Never => "never",
        };
        let mut config = json!({
            "service": service,
            "lifecycle": {
                "restart": restart,
                // A delay of zero would be a busy loop.
                "restart_delay_ms": millis(spec.restart.backoff.initial()).max(1),
                "restart_delay_max_ms": millis(spec.restart.backoff.max()).max(1),
                // Unlimited: when to give up is decided, and told, by the supervisor.
                "max_restarts": 0,
                "stability_period_ms": millis(spec.restart.reset_after),
                "start_timeout_ms": millis(spec.start_timeout),
                "stop_timeout_ms": millis(spec.stop_grace),
                "stop_signal": "SIGTERM",
            },
        });
        if let Some(check) = check {
            config["health"] = health(spec, &check, shim).map_err(refuse)?;
        }
        Ok(Self { name: spec.name.clone(), has_env: !spec.env.is_empty(), config })
    }

    /// Returns the parameters of `service.set`.
    pub(super) fn params(&self) -> Value {
        json!({ "config": self.config })
    }

    /// Returns true if a service that is there was defined like this.
    pub(super) fn matches(&self, config: &Value) -> bool {
        PARTS.iter().all(|part| same(self.config.pointer(part), config.pointer(part)))
    }
}

/// The part of a service that decides about its restarts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifecycle {
    pub(super) restart: RestartMode,
    pub(super) restart_delay_max: Duration,
    /// True if the service is restarted however often it ends.
    pub(super) unlimited: bool,
    pub(super) stop_timeout: Duration,
}

impl Lifecycle {
    /// Reads it from a service's configuration.
    pub(super) fn of(config: &Value) -> Self {
        let lifecycle = &config["lifecycle"];
        let span = |field: &str, default| Duration::from_millis(lifecycle[field].as_u64().unwrap_or(default));
        let restart = match lifecycle["restart"].as_str() {
            Some("always") => RestartMode::Always,
            Some("never") => RestartMode::Never,
            Some(_) | None => RestartMode::OnFailure,
        };
        let oneshot = config["service"]["oneshot"].as_bool().unwrap_or(false);
        Self {
            restart: if oneshot { RestartMode::Never } else { restart },
            restart_delay_max: span("restart_delay_max_ms", 300_000),
            unlimited: lifecycle["max_restarts"].as_u64() == Some(0),
            stop_timeout: span("stop_timeout_ms", 10_000),
        }
    }
}

/// Zinit passes `exec` to `/bin/sh -c` and first looks whether its first word is a program. So the first word is one,
/// and what follows becomes the shell's own process: the pid that Zinit knows is the program's. A note about the health check of
/// an earlier process is removed before.
fn command_line(argv: Vec<String>, note: Option<&Path>) -> Result<String, String> {
    let command = quoted(&argv)?;
    let exec = match note.and_then(Path::to_str) {
        Some(note) => format!("/bin/rm -f {}; exec {command}", quoted(&[note.to_owned()])?),
        None => format!("/bin/true && exec {command}"),
    };
    if exec.len() > MAX_EXEC_BYTES {
        return Err(format!(
            "has a command line of {} bytes: zinit passes it on as one string of at most {MAX_EXEC_BYTES}",
            exec.len()
        ));
    }
    Ok(exec)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A check that is repeated until the start timeout is over. Zinit counts failures instead of time, and kills the
/// process after the last one.
fn health(spec: &ProcessSpec, check: &str, shim: &Shim) -> Result<Value, String> {
    let start_timeout = spec.start_timeout;
    let interval = (start_timeout / 20).clamp(Duration::from_millis(100), Duration::from_secs(1));
    let time_limit = (start_timeout / 2).clamp(Duration::from_secs(1), Duration::from_secs(5));
    let retries = start_timeout.as_millis().div_ceil(interval.as_millis()).max(1);
    let retries = u32::try_from(retries).unwrap_or(u32::MAX);
    let check = shim.limited_check(&spec.name, retries, time_limit, check);
    Ok(json!({
        "type": "exec",
        // Zinit gives up a check that takes too long, and leaves its process running.
        "target": format!("exec {}", quoted(&check)?),
        "interval_ms": millis(interval),
        "timeout_ms": millis(time_limit),
        "retries": retries,
        "start_period_ms": 0,
    }))
}

/// Equal, where something that is not there, null and an empty table are the same.
fn same(ours: Option<&Value>, theirs: Option<&Value>) -> bool {
    let there = |value: &&Value| {
        !value.is_null() && value.as_object().is_none_or(|table: &Map<_, _>| !table.is_empty())
    };
    ours.filter(there) == theirs.filter(there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::actor::RestartPolicy;
    use crate::domain::model::confinement::Confinement;

    fn spec() -> ProcessSpec {
        ProcessSpec {
            name: "osis_actor_0".to_owned(),
            program: "/bin/osis actor".into(),
            args: vec!["it's".to_owned(), String::new()],
            env: [].into(),
            env_from_file: [].into(),
            working_dir: None,
            health_check: None,
            restart: RestartPolicy::default(),
            stop_grace: Duration::from_secs(40),
            start_timeout: Duration::from_secs(30),
            after: Vec::new(),
            sha256: None,
            confinement: Confinement::default(),
        }
    }

    #[test]
    fn the_program_replaces_the_shell_and_gets_its_arguments_quoted() {
        let definition = Definition::new(&spec(), &Shim::default()).unwrap();
        assert_eq!(definition.config["service"]["exec"], "/bin/true && exec '/bin/osis actor' \"it's\" ''");
        assert_eq!(definition.config["lifecycle"]["stop_timeout_ms"], 40_000);
        assert_eq!(definition.config["lifecycle"]["restart_delay_max_ms"], 60_000);
    }

    #[test]
    fn what_zinit_could_not_run_exactly_is_refused() {
        let mut long = spec();
        long.args = vec!["x".repeat(100_000), "y".repeat(40_000)];
        let mut nul = spec();
        nul.args = vec!["a\0b".to_owned()];
        let mut variable = spec();
        variable.env.insert("A".to_owned(), "\0".to_owned());
        let mut reserved = spec();
        reserved.name = format!("{TOMBSTONE}x");
        for bad in [long, nul, variable, reserved] {
            assert!(matches!(Definition::new(&bad, &Shim::default()), Err(ProcessError::Rejected { .. })));
        }
    }

    #[test]
    fn defaults_that_zinit_adds_do_not_count_as_a_change() {
        let definition = Definition::new(&spec(), &Shim::default()).unwrap();
        let mut theirs = definition.config.clone();
        theirs["service"]["class"] = "user".into();
        theirs["service"]["dir"] = Value::Null;
        theirs["logging"] = json!({"buffer_lines": 1000});
        assert!(definition.matches(&theirs));
        theirs["service"]["env"]["A"] = "b".into();
        assert!(!definition.matches(&theirs));
        let mut checked = spec();
        checked.health_check = Some("true".to_owned());
        assert!(!Definition::new(&checked, &Shim::default()).unwrap().matches(&definition.config));
        assert!(!definition.matches(&Definition::new(&checked, &Shim::default()).unwrap().config));
    }

    #[test]
    fn how_a_check_failed_is_noted_beside_the_socket_and_forgotten_at_each_start() {
        let shim = Shim::new(Some(Path::new("/bin/hero-supervisor")), Path::new("/run/z.sock"));
        let checked = ProcessSpec { health_check: Some("exit 1".to_owned()), ..spec() };
        let config = Definition::new(&checked, &shim).unwrap().config;
        let exec = config["service"]["exec"].as_str().unwrap();
        assert!(exec.starts_with("/bin/rm -f /run/z.sock.check-osis_actor_0; exec /bin/hero-"), "{exec}");
        let target =
            "exec /bin/hero-supervisor exec-shim check-report /run/z.sock.check-osis_actor_0 30 5 'exit 1'";
        assert_eq!(config["health"]["target"], target);
        assert_eq!(config["health"]["retries"], 30);
    }

    #[test]
    fn health_checks_go_on_for_the_whole_start_timeout() {
        for seconds in [1, 30, 3600] {
            let timeout = Duration::from_secs(seconds);
            let spec = ProcessSpec { start_timeout: timeout, ..spec() };
            let health = health(&spec, "true", &Shim::default()).unwrap();
            let spent = health["retries"].as_u64().unwrap() * health["interval_ms"].as_u64().unwrap();
            assert!(u128::from(spent) >= timeout.as_millis(), "{health}");
        }
    }
}
