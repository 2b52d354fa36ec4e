//! A process as a service of GEN2: the content of its file, and whether one that is there says the same.

use serde_json::{Map, Value, json};

use super::super::shim::{Shim, quoted, text};
use crate::domain::actor::RestartMode;
use crate::ports::process_manager::{ProcessError, ProcessSpec};

/// Zinit hands the whole command line on; Linux takes no longer argument.
const MAX_EXEC_BYTES: usize = 128 * 1024 - 1;

/// A service as Zinit is told it.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) name: String,
    /// It has something in its environment, which may be a secret.
    pub(super) has_env: bool,
    pub(super) content: Value,
}

impl Definition {
    /// # Errors
    /// `Rejected` when Zinit could not run it exactly as it stands.
    pub(super) fn new(spec: &ProcessSpec, shim: &Shim) -> Result<Self, ProcessError> {
        let refuse =
            |what: String| ProcessError::Rejected { reason: format!("process {:?} {what}", spec.name) };
        let exec = quoted(&shim.argv(spec).map_err(refuse)?).map_err(refuse)?;
        if exec.len() > MAX_EXEC_BYTES {
            let length = exec.len();
            return Err(refuse(format!("has a command line of {length} bytes, more than {MAX_EXEC_BYTES}")));
        }
        if spec.env.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(refuse("has a variable with a NUL character".to_owned()));
        }
        let mut content = json!({ "exec": exec });
        if let Some(check) = shim.health_check(spec).map_err(refuse)? {
            content["test"] = test(check).map_err(refuse)?.into();
        }
        // A oneshot is run once; anything else is started again after 2 s, however it ended.
        content["oneshot"] = (spec.restart.mode == RestartMode::Never).into();
        if !spec.after.is_empty() {
            content["after"] = json!(spec.after);
        }
        if !spec.env.is_empty() {
            content["env"] = json!(spec.env);
        }
        if let Some(dir) = &spec.working_dir {
            content["dir"] = text(dir).map_err(refuse)?.into();
        }
        Ok(Self { name: spec.name.clone(), has_env: !spec.env.is_empty(), content })
    }

    /// Whether a service that is there was defined like this. Zinit adds its defaults.
    pub(super) fn matches(&self, theirs: &Value) -> bool {
        let parts = ["exec", "test", "oneshot", "after", "env", "dir"];
        parts.into_iter().all(|part| same(part, &self.content[part], &theirs[part]))
    }
}

/// Whether a service that is there is run only once.
pub(super) fn is_oneshot(content: &Value) -> bool {
    content["oneshot"].as_bool().unwrap_or(false)
}

/// A check is a line for a shell, and Zinit has none: it only takes lines apart at spaces. Most checks need no more.
fn test(check: String) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " _./:=@%+,-".contains(c);
    if check.chars().all(plain) && !is_builtin(&check) {
        return Ok(check);
    }
    quoted(&["/bin/sh".to_owned(), "-c".to_owned(), check])
}

/// Words that only a shell knows, and assignments before a command.
fn is_builtin(check: &str) -> bool {
    let first = check.split(' ').next().unwrap_or_default();
    first.contains('=')
        || matches!(first, ":" | "." | "exit" | "command" | "type" | "exec" | "cd" | "wait" | "if")
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
        (false, false) => texts(ours) == texts(theirs),
        (_, _) => false,
    }
}

/// YAML may have read the value of a variable as a number.
fn texts(value: &Value) -> Value {
    let text = |value: &Value| match value {
        Value::Number(_) | Value::Bool(_) => Value::String(value.to_string()),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => value.clone(),
    };
    match value {
        Value::Object(table) => Value::Object(
            table.iter().map(|(name, value)| (name.clone(), text(value))).collect::<Map<_, _>>(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::actor::RestartPolicy;
    use crate::domain::confinement::{Confinement, ResourceLimits};

    fn spec() -> ProcessSpec {
        let args = ["--redis-url", "redis://localhost:6379", "--actor-id", "osis_actor_0"];
        let env = [("RUST_LOG", "info"), ("ACTOR_TYPE", "osis")];
        ProcessSpec {
            name: "osis_actor_0".to_owned(),
            program: "/usr/local/bin/osis_actor".into(),
            args: args.map(str::to_owned).to_vec(),
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
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
            "test": "/usr/local/bin/osis_actor --health-check",
            "oneshot": false,
            "after": ["redis"],
            "env": {"RUST_LOG": "info", "ACTOR_TYPE": "osis"},
        });
        assert_eq!(content(&spec()), documented);
    }

    #[test]
    fn arguments_are_quoted_and_a_check_that_needs_a_shell_gets_one() {
        let mut odd = spec();
        odd.args = vec!["a b".to_owned(), String::new(), "$HOME".to_owned()];
        odd.health_check = Some("test -e /x && test -e '/y'".to_owned());
        let content = content(&odd);
        let words = |part: &str| shlex::split(content[part].as_str().unwrap()).unwrap();
        assert_eq!(words("exec"), ["/usr/local/bin/osis_actor", "a b", "", "$HOME"]);
        assert_eq!(words("test"), ["/bin/sh", "-c", "test -e /x && test -e '/y'"]);
    }

    #[test]
    fn limits_go_through_the_shim_and_need_it() {
        let mut limited = spec();
        limited.confinement.limits = ResourceLimits { open_files: Some(64), ..ResourceLimits::default() };
        assert!(matches!(Definition::new(&limited, &Shim::default()), Err(ProcessError::Rejected { .. })));
        let shim = Shim(vec!["/bin/hero-supervisor".to_owned(), "exec-shim".to_owned()]);
        let exec = Definition::new(&limited, &shim).unwrap().content["exec"].as_str().unwrap().to_owned();
        assert!(
            exec.starts_with("/bin/hero-supervisor exec-shim --files 64 -- /usr/local/bin/osis_actor "),
            "{exec}"
        );
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
        assert!(!definition.matches(&Value::Null));
    }
}
