//! A job as flags, and the source of its script.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::Failure;
use crate::cli::values::{pair, script_type, span, to_proto};
use crate::domain::model::id::JobId;
use crate::proto::{self, JobSpec, RetryPolicy, SubmitJobRequest};

/// A job to submit.
#[derive(Debug, Clone, Args)]
pub struct SpecArgs {
    /// The script, or - to read it from standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    script: Option<String>,
    /// Read the script from this file; - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Script type: osis, sal, v or python
    #[arg(short, long = "type", value_name = "TYPE", value_parser = script_type, default_value = "osis")]
    script_type: proto::ScriptType,
    /// The caller of the job
    #[arg(long, value_name = "ID", default_value = "")]
    caller: String,
    /// The context of the job
    #[arg(long, value_name = "ID", default_value = "")]
    context: String,
    /// Environment variable of the script; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Label of the job; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Time limit of one attempt [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = span)]
    run_timeout: Option<Duration>,
    /// Time limit of the wait for an actor [default: none]
    #[arg(long, value_name = "TIME", value_parser = span)]
    queue_timeout: Option<Duration>,
    /// Most attempts in all; 1 runs the script at most once [default: 1]
    #[arg(long, value_name = "N")]
    max_attempts: Option<i32>,
    /// Time for which the job is kept after its end [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = span)]
    result_ttl: Option<Duration>,
    /// The only actor that may run the job
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Id of the job [default: a new one]
    #[arg(long, value_name = "ID")]
    job_id: Option<String>,
    /// Request id: a repeat with the same id returns the same job [default: the id of the job]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

impl SpecArgs {
    /// Reads the script and makes the request.
    pub(super) fn into_request(self) -> Result<SubmitJobRequest, Failure> {
        let script = self.read_script()?;
        let retry_policy = self
            .max_attempts
            .map(|max_attempts| RetryPolicy { max_attempts: Some(max_attempts), ..RetryPolicy::default() });
        // The id is made here, so that a lost response leaves no job without a known id. A request id of the caller
        // stands for the id of its first use.
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
