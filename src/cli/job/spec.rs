//! A job as flags, and where its script comes from.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::Failure;
use crate::cli::values::{pair, script_type, span, to_proto};
use crate::domain::model::id::JobId;
use crate::proto::{self, JobSpec, RetryPolicy, SubmitJobRequest};

/// A job to hand in.
#[derive(Debug, Clone, Args)]
pub struct SpecArgs {
    /// The script itself, or - to read it from standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    script: Option<String>,
    /// Read the script from this file; - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Which actors can run it: osis, sal, v or python
    #[arg(short, long = "type", value_name = "TYPE", value_parser = script_type, default_value = "osis")]
    script_type: proto::ScriptType,
    /// Who asks
    #[arg(long, value_name = "ID", default_value = "")]
    caller: String,
    /// For which context
    #[arg(long, value_name = "ID", default_value = "")]
    context: String,
    /// A variable of the script's environment; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// A mark for lists; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Limit of one attempt [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = span)]
    run_timeout: Option<Duration>,
    /// Fail if no actor took it within this time
    #[arg(long, value_name = "TIME", value_parser = span)]
    queue_timeout: Option<Duration>,
    /// Attempts in all; 1 is at most once [default: 1]
    #[arg(long, value_name = "N")]
    max_attempts: Option<i32>,
    /// How long its record is kept after the end [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = span)]
    result_ttl: Option<Duration>,
    /// Only this actor may run it
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// The id of the job [default: a fresh one]
    #[arg(long, value_name = "ID")]
    job_id: Option<String>,
    /// Makes repeats of this command harmless: the same id is the same job [default: the job's id]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

impl SpecArgs {
    /// Reads the script and puts the request together.
    pub(super) fn into_request(self) -> Result<SubmitJobRequest, Failure> {
        let script = self.read_script()?;
        let retry_policy = self
            .max_attempts
            .map(|max_attempts| RetryPolicy { max_attempts: Some(max_attempts), ..RetryPolicy::default() });
        // Named here, so that an answer that was lost on the way does not leave a job that nobody knows. With a request
        // id of the caller's, the id is the one of its first use.
        let job_id = match (self.job_id, &self.request_id) {
            (Some(chosen), _) => chosen,
            (None, Some(_)) => String::new(),
            (None, None) => JobId::mint().to_string(),
        };
        let job = JobSpec {
            script_type: self.script_type.into(),
            script,
            caller_id: self.caller,
            context_id: self.context,
            env: self.env.into_iter().collect(),
            labels: self.label.into_iter().collect(),
            run_timeout: self.run_timeout.and_then(to_proto),
            queue_timeout: self.queue_timeout.and_then(to_proto),
            retry_policy,
            result_ttl: self.result_ttl.and_then(to_proto),
            schedule_time: None,
            target_actor_id: self.actor.unwrap_or_default(),
        };
        let request_id = self.request_id.unwrap_or_else(|| job_id.clone());
        Ok(SubmitJobRequest { job: Some(job), job_id, request_id })
    }

    fn read_script(&self) -> Result<String, Failure> {
        let unreadable =
            |what: &str, error: std::io::Error| Failure::usage(format!("cannot read {what}: {error}"));
        match (&self.file, &self.script) {
            (Some(file), _) if file.as_os_str() != "-" => std::fs::read_to_string(file)
                .map_err(|error| unreadable(&format!("the script {}", file.display()), error)),
            (None, Some(script)) if script != "-" => Ok(script.clone()),
            (_, _standard_input) => {
                let mut script = String::new();
                std::io::stdin()
                    .read_to_string(&mut script)
                    .map_err(|error| unreadable("the script from standard input", error))?;
                Ok(script)
            }
        }
    }
}
