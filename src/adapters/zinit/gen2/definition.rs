//! A process as a service of GEN2: the content of its file, and whether one that is there says the same.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::owners::Env;
use super::super::shim::{Shim, quoted, text};
use crate::domain::model::actor::RestartMode;
use crate::ports::process_manager::{ACTOR_MARK, ProcessError, ProcessSpec};

/// Zinit takes the command line apart itself, and Linux takes no longer argument.
const MAX_ARGUMENT_BYTES: usize = 128 * 1024 - 1;
/// A single run of a health check takes no longer, however long the process may take to start.
const LONGEST_CHECK: Duration = Duration::from_secs(30);
/// Variable with the restart mode of an actor, where the service does not have it itself.
const RESTART_MARK: &str = "HERO_RESTART";

/// Prefix of the variables by which a supervisor tells an actor its identity.
const OURS: &str = "HERO_";

/// A service as Zinit is told it.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) name: String,
    /// True if the environment has something beside what a supervisor tells every actor, which may be a secret.
    pub(super) has_env: bool,
    pub(super) content: Value,
}

impl Definition {
    /// # Errors
    /// `Rejected` when Zinit could not run it exactly as it stands.
    pub(super) fn new(spec: &ProcessSpec, shim: &Shim) -> Result<Self, ProcessError> {
        let refuse =
            |what: String| ProcessError::Rejected { reason: format!("process {:?} {what}", spec.name) };
        if spec.name.contains(['/', '\\', '.']) {
            return Err(refuse(
                "has a name that this zinit does not take: without '.', '/' and '\\'".to_owned(),
            ));
        }
        let argv = shim.argv(spec).map_err(refuse)?;
        if let Some(length) = argv.iter().map(String::len).find(|length| *length > MAX_ARGUMENT_BYTES) {
            return Err(refuse(format!("has an argument of {length} bytes, more than {MAX_ARGUMENT_BYTES}")));
        }
        if spec.env.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(refuse("has a variable with a NUL character".to_owned()));
        }
        let mut content = json!({ "exec": quoted(&argv).map_err(refuse)? });
        let check = shim.health_check(spec).map_err(refuse)?;
        if let Some(check) = &check {
            let limit = spec.start_timeout.min(LONGEST_CHECK);
            // Nothing is killed for its check here.
            let check = shim.limited_check(&spec.name, u32::MAX, limit, check);
            content["test"] = test(&check).map_err(refuse)?.into();
        }
        // A oneshot is run once; anything else is started again after 2 s, however it ended. The check of a oneshot is
        // never run, so one that has a check is stopped at its end instead.
        let oneshot = spec.restart.mode == RestartMode::Never && check.is_none();
        content["oneshot"] = oneshot.into();
        if !spec.after.is_empty() {
            content["after"] = json!(spec.after);
        }
        let mut env = spec.env.clone();
        env.insert(ACTOR_MARK.to_owned(), spec.name.clone());
        match spec.restart.mode {
            RestartMode::OnFailure => drop(env.insert(RESTART_MARK.to_owned(), "on-failure".to_owned())),
            RestartMode::Never if !oneshot => drop(env.insert(RESTART_MARK.to_owned(), "never".to_owned())),
            RestartMode::Never | RestartMode::Always => {}
        }
        content["env"] = json!(env);
        if let Some(dir) = &spec.working_dir {
            content["dir"] = text(dir).map_err(refuse)?.into();
        }
        Ok(Self {
            name: spec.name.clone(),
            has_env: spec.env.keys().any(|name| !name.starts_with(OURS)),
            content,
        })
    }

    /// Returns true if a service that is there was defined like this. Zinit adds its defaults.
    pub(super) fn matches(&self, theirs: &Value) -> bool {
        let parts = ["exec", "test", "oneshot", "after", "env", "dir"];
        parts.into_iter().all(|part| same(part, &self.content[part], &theirs[part]))
    }
}

/// Returns the restart mode of a service that is there.
pub(super) fn restart_mode(content: &Value) -> RestartMode {
    match content["env"][RESTART_MARK].as_str() {
        Some("on-failure") => RestartMode::OnFailure,
        Some("never") => RestartMode::Never,
        Some(_) | None if content["oneshot"].as_bool().unwrap_or(false) => RestartMode::Never,
        Some(_) | None => RestartMode::Always,
    }
}

/// The environment that a service was defined with. The name of an actor may look like a number, and come back as one.
pub(super) fn env_of(name: &str, content: &Value) -> Env {
    let variables = content["env"].as_object().into_iter().flatten();
    let read = |(variable, value): (&String, &Value)| {
        let value =
            if variable == ACTOR_MARK && reads_as(name, value) { name.to_owned() } else { plain(value)? };
        Some((variable.clone(), value))
    };
    variables.filter_map(read).collect()
}

/// A check is a line for a shell, and Zinit has none: it only takes lines apart at spaces. The shell is there for checks
/// without one as well, since Zinit tries a check whose program is missing again and again without a pause. `timeout` ends
/// a check that hangs, which Zinit would leave running.
fn test(check: &[String]) -> Result<String, String> {
    let run = format!("exec {}", quoted(check)?);
    quoted(&["/bin/sh".to_owned(), "-c".to_owned(), run])
}

/// Equal, where something that is not there, null, an empty text, list or table and the default are the same.
fn same(part: &str, ours: &Value, theirs: &Value) -> bool {
    let says_nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() || (part == "dir" && text == "/"),
        Value::Array(items) => items.is_empty(),
        Value::Object(table) => table.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    match (says_nothing(ours), says_nothing(theirs)) {
        (true, true) => true,
        (false, false) => match (ours, theirs) {
            (Value::Object(ours), Value::Object(theirs)) => same_variables(ours, theirs),
            (ours, theirs) => ours == theirs,
        },
        (_, _) => false,
    }
}

fn same_variables(ours: &Map<String, Value>, theirs: &Map<String, Value>) -> bool {
    let same = |(name, ours): (&String, &Value)| {
        theirs.get(name).is_some_and(|theirs| reads_as(ours.as_str().unwrap_or_default(), theirs))
    };
    ours.len() == theirs.len() && ours.iter().all(same)
}

/// Returns true if a text that was written into a YAML file may be read as this value: numbers lose their spelling.
fn reads_as(text: &str, value: &Value) -> bool {
    let spelled = || {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let radix = [("0b", 2), ("0o", 8), ("0x", 16)];
        let (digits, radix) =
            radix.iter().find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, *radix)))?;
        let number = i128::from_str_radix(digits, radix).ok()?;
        Some(if negative { -number } else { number })
    };
    match value {
        Value::String(theirs) => theirs == text,
        Value::Number(number) => {
            let theirs = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
            number.to_string() == text || (theirs.is_some() && spelled() == theirs)
        }
        Value::Bool(theirs) => text == if *theirs { "true" } else { "false" },
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// The text of a variable's value.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::model::actor::RestartPolicy;
    use crate::domain::model::confinement::{Confinement, ResourceLimits};

    fn spec() -> ProcessSpec {
        let args = ["--redis-url", "redis://localhost:6379", "--actor-id", "osis_actor_0"];
        let env = [("RUST_LOG", "info"), ("ACTOR_TYPE", "osis")];
        ProcessSpec {
            name: "osis_actor_0".to_owned(),
            program: "/usr/local/bin/osis_actor".into(),
            args: args.map(str::to_owned).to_vec(),
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            env_from_file: [].into(),
            working_dir: None,
            health_check: Some("/usr/local/bin/osis_actor --health-check".to_owned()),
            restart: RestartPolicy::default(),
            stop_grace: Duration::from_secs(30),
            start_timeout: Duration::from_secs(30),
            after: vec!["redis".to_owned()],
            sha256: None,
            confinement: Confinement::default(),
        }
    }

    fn content(spec: &ProcessSpec) -> Value {
        Definition::new(spec, &Shim::default()).unwrap().content
    }

    #[test]
    fn the_generated_service_is_the_documented_one() {
        let documented = json!({
            "exec": "/usr/local/bin/osis_actor --redis-url redis://localhost:6379 --actor-id osis_actor_0",
            "test": "/bin/sh -c \"exec timeout -k 1 30 /bin/sh -c '/usr/local/bin/osis_actor --health-check'\"",
            "oneshot": false,
            "after": ["redis"],
            "env": {"RUST_LOG": "info", "ACTOR_TYPE": "osis", "HERO_ACTOR_ID": "osis_actor_0"},
        });
        assert_eq!(content(&spec()), documented);
    }

    #[test]
    fn arguments_are_quoted_and_checks_have_a_shell_and_a_time_limit() {
        let mut odd = spec();
        odd.args = vec!["a b".to_owned(), String::new(), "$HOME".to_owned()];
        odd.health_check = Some("test -e /x && test -e '/y'".to_owned());
        odd.start_timeout = Duration::from_millis(3500);
        let content = content(&odd);
        let words = |text: &str| shlex::split(text).unwrap();
        let part = |part: &str| content[part].as_str().unwrap().to_owned();
        assert_eq!(words(&part("exec")), ["/usr/local/bin/osis_actor", "a b", "", "$HOME"]);
        let test = words(&part("test"));
        assert_eq!(test[..2], ["/bin/sh", "-c"]);
        let check = "test -e /x && test -e '/y'";
        assert_eq!(words(&test[2]), ["exec", "timeout", "-k", "1", "4", "/bin/sh", "-c", check]);
    }

    #[test]
    fn each_argument_has_a_limit_and_the_line_has_none() {
        let mut long = spec();
        long.args = vec!["x".repeat(120_000), "y".repeat(120_000)];
        assert!(Definition::new(&long, &Shim::default()).is_ok());
        long.args.push("z".repeat(128 * 1024));
        let refused = Definition::new(&long, &Shim::default()).unwrap_err().to_string();
        assert!(refused.contains("131072 bytes"), "{refused}");
        let mut dotted = spec();
        dotted.name = "a.b".to_owned();
        let refused = Definition::new(&dotted, &Shim::default()).unwrap_err().to_string();
        assert!(refused.contains("\"a.b\" has a name"), "{refused}");
    }

    #[test]
    fn the_mode_of_restarts_can_be_read_again() {
        for mode in [RestartMode::Always, RestartMode::OnFailure, RestartMode::Never] {
            for check in [None, Some("true".to_owned())] {
                let mut spec = spec();
                (spec.restart.mode, spec.health_check) = (mode, check.clone());
                let content = content(&spec);
                assert_eq!(restart_mode(&content), mode, "{content}");
                let never_checked = content["oneshot"] == true && !content["test"].is_null();
                assert!(!never_checked, "the check of a oneshot is not run: {content}");
            }
        }
    }

    #[test]
    fn numbers_are_the_same_however_they_are_spelled() {
        for (ours, theirs) in [
            ("0o17", json!(15)),
            ("0b11", json!(3)),
            ("-0x1F", json!(-31)),
            ("7", json!(7)),
            ("true", json!(true)),
        ] {
            assert!(reads_as(ours, &theirs), "{ours} {theirs}");
        }
        for (ours, theirs) in [("0o17", json!(17)), ("15", json!("0o17")), ("", json!(0)), ("x", json!(null))]
        {
            assert!(!reads_as(ours, &theirs), "{ours} {theirs}");
        }
        let content = json!({"env": {"HERO_ACTOR_ID": 3, "N": 7, "T": "t"}});
        let env = env_of("0b11", &content);
        assert_eq!((env["HERO_ACTOR_ID"].as_str(), env["N"].as_str(), env["T"].as_str()), ("0b11", "7", "t"));
    }

    #[test]
    fn limits_go_through_the_shim_and_need_it() {
        let mut limited = spec();
        limited.confinement.limits = ResourceLimits { open_files: Some(64), ..ResourceLimits::default() };
        assert!(matches!(Definition::new(&limited, &Shim::default()), Err(ProcessError::Rejected { .. })));
        let shim = Shim::new(Some(Path::new("/bin/hero-supervisor")), Path::new("/run/z"));
        let exec = Definition::new(&limited, &shim).unwrap().content["exec"].as_str().unwrap().to_owned();
        assert!(
            exec.starts_with(
                "/bin/hero-supervisor exec-shim --files 64 --utf8-output -- /usr/local/bin/osis_actor "
            ),
            "{exec}"
        );
    }

    #[test]
    fn the_output_of_other_programs_than_our_actors_is_filtered() {
        let shim = Shim::new(Some(Path::new("/usr/local/bin/hero-supervisor")), Path::new("/run/z"));
        let exec = |spec: &ProcessSpec| {
            Definition::new(spec, &shim).unwrap().content["exec"].as_str().unwrap().to_owned()
        };
        assert!(exec(&spec()).starts_with("/usr/local/bin/osis_actor "), "{}", exec(&spec()));
        let foreign = ProcessSpec { program: "/opt/osis_actor".into(), ..spec() };
        let filtered = "/usr/local/bin/hero-supervisor exec-shim --utf8-output -- /opt/osis_actor ";
        assert!(exec(&foreign).starts_with(filtered), "{}", exec(&foreign));
        let unfiltered = Definition::new(&foreign, &Shim::default()).unwrap();
        assert!(unfiltered.content["exec"].as_str().unwrap().starts_with("/opt/osis_actor "));
    }

    #[test]
    fn defaults_that_zinit_adds_do_not_count_as_a_change() {
        let definition = Definition::new(&spec(), &Shim::default()).unwrap();
        let mut theirs = definition.content.clone();
        theirs["dir"] = "/".into();
        theirs["log"] = "ring".into();
        theirs["shutdown_timeout"] = 10.into();
        assert!(definition.matches(&theirs));
        theirs["env"]["RUST_LOG"] = "debug".into();
        assert!(!definition.matches(&theirs));
        let mut numbered = spec();
        numbered.env.insert("N".to_owned(), "1".to_owned());
        let mut theirs = content(&numbered);
        theirs["env"]["N"] = 1.into();
        assert!(Definition::new(&numbered, &Shim::default()).unwrap().matches(&theirs));
        numbered.env.insert("V".to_owned(), "0o17".to_owned());
        theirs["env"]["V"] = 15.into();
        assert!(Definition::new(&numbered, &Shim::default()).unwrap().matches(&theirs));
        assert!(!definition.matches(&Value::Null));
    }
}
