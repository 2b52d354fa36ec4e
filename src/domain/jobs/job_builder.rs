//! A job, described step by step.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::model::id::ActorId;
use crate::domain::model::job::{JobSpec, RetryPolicy};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::Violations;
use crate::error::SupervisorError;

/// Describes a job step by step.
#[derive(Debug, Clone)]
pub struct JobBuilder {
    pub(super) script_type: Option<ScriptType>,
    pub(super) spec: JobSpec,
}

impl JobBuilder {
    /// Sets the kind of actor; required.
    pub fn script_type(mut self, script_type: ScriptType) -> Self {
        self.script_type = Some(script_type);
        self
    }

    /// Sets the text to run; required.
    pub fn script_content(mut self, script: String) -> Self {
        self.spec.script = script;
        self
    }

    /// Sets the input of the script: JSON text, which the script sees parsed, as `INPUT`.
    pub fn input(mut self, json: impl Into<String>) -> Self {
        self.spec.input = Some(json.into());
        self
    }

    /// Sets who asks, instead of the supervisor's own `caller_id`.
    pub fn caller_id(mut self, caller_id: impl Into<String>) -> Self {
        self.spec.caller_id = caller_id.into();
        self
    }

    /// Sets for which context, instead of the supervisor's own `context_id`.
    pub fn context_id(mut self, context_id: impl Into<String>) -> Self {
        self.spec.context_id = context_id.into();
        self
    }

    /// Sets the limit of one attempt.
    pub fn timeout(mut self, run_timeout: Duration) -> Self {
        self.spec.run_timeout = run_timeout;
        self
    }

    /// Sets the environment of the script.
    pub fn env(mut self, env: BTreeMap<String, String>) -> Self {
        self.spec.env = env;
        self
    }

    /// Sets attempts and the wait between them.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.spec.retry = retry;
        self
    }

    /// Pins the job to one actor.
    pub fn target_actor(mut self, actor: ActorId) -> Self {
        self.spec.target_actor = Some(actor);
        self
    }

    /// Checks the description.
    ///
    /// # Errors
    /// `Invalid` with every field that is missing or breaks a rule.
    pub fn build(self) -> Result<JobSpec, SupervisorError> {
        let mut violations = Violations::new();
        match self.script_type {
            Some(script_type) => {
                let spec = JobSpec { script_type, ..self.spec };
                spec.validate()?;
                Ok(spec)
            }
            None => {
                violations.add("script_type", "is not set: use osis, sal, v or python");
                if let Err(more) = self.spec.validate() {
                    violations.append(more);
                }
                Err(violations.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::job::MAX_INPUT_BYTES;

    #[test]
    fn the_input_is_taken_as_it_is_and_bounded() {
        let with = |input: &str| {
            let spec = JobSpec::new(ScriptType::SAL, "1");
            JobBuilder { script_type: Some(ScriptType::OSIS), spec }.input(input).build()
        };
        assert_eq!(with(r#"{"a": 1}"#).unwrap().input.as_deref(), Some(r#"{"a": 1}"#));
        let error = with(&"1".repeat(MAX_INPUT_BYTES + 1)).unwrap_err().to_string();
        assert!(error.contains("input") && error.contains("1048577 bytes"), "{error}");
    }
}
