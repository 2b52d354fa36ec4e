//! Options of `token create`: what the token allows.

use std::time::{Duration, SystemTime};

use clap::Args;

use crate::cli::Failure;
use crate::cli::values::span;
use crate::config::TokenGrant;

/// Rights of a new token.
#[derive(Debug, Clone, Args)]
pub struct GrantArgs {
    /// Role: viewer, submitter, operator or admin; can be repeated
    #[arg(long = "role", value_name = "ROLE", required = true)]
    pub roles: Vec<String>,
    /// Name for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub name: String,
    /// Public id [default: a random one]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Caller whose jobs it may submit and see, with a trailing * for all that begin so; can be repeated. The first one without *
    /// is filled in where a job names none
    #[arg(long = "caller", value_name = "NAME")]
    pub callers: Vec<String>,
    /// Context of its jobs, with a trailing * for all that begin so; can be repeated [default: the empty one]
    #[arg(long = "context", value_name = "NAME")]
    pub contexts: Vec<String>,
    /// Script type of its jobs, or *; can be repeated
    #[arg(long = "script-type", value_name = "TYPE")]
    pub script_types: Vec<String>,
    /// Actor that its jobs may be for, with a trailing * for all that begin so; can be repeated [default: none]
    #[arg(long = "target-actor", value_name = "NAME")]
    pub target_actors: Vec<String>,
    /// Let a viewer see scripts, results and logs
    #[arg(long)]
    pub see_payloads: bool,
    /// Most calls a second at each supervisor
    #[arg(long, value_name = "CALLS")]
    pub rps: Option<u32>,
    /// Most jobs that may wait, in all queues
    #[arg(long, value_name = "JOBS")]
    pub max_queued: Option<u32>,
    /// Most jobs that may run when it submits one more
    #[arg(long, value_name = "JOBS")]
    pub max_running: Option<u32>,
    /// Time for which the token is valid, 90d for instance [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = span, conflicts_with = "not_after")]
    pub ttl: Option<Duration>,
    /// End of the token, 2027-06-30T00:00:00Z for instance
    #[arg(long, value_name = "DATE")]
    pub not_after: Option<String>,
}

impl GrantArgs {
    /// Returns what is written into the file.
    ///
    /// # Errors
    /// An end that is no time, or lies in the past.
    pub(super) fn grant(&self, now: SystemTime) -> Result<TokenGrant, Failure> {
        let said = self.not_after.as_deref().map(|text| {
            humantime::parse_rfc3339(text).map_err(|_invalid| {
                Failure::usage(format!("--not-after {text:?} is not a time: use 2027-06-30T00:00:00Z"))
            })
        });
        let not_after = said.transpose()?.or_else(|| now.checked_add(self.ttl?));
        if not_after.is_some_and(|end| end <= now) {
            return Err(Failure::usage(
                "the end of the token has passed: use a later --not-after, or a longer --ttl",
            ));
        }
        Ok(TokenGrant {
            name: self.name.clone(),
            roles: self.roles.clone(),
            callers: self.callers.clone(),
            contexts: self.contexts.clone(),
            script_types: self.script_types.clone(),
            target_actors: self.target_actors.clone(),
            see_payloads: self.see_payloads,
            rps: self.rps,
            max_queued: self.max_queued,
            max_running: self.max_running,
            not_after,
        })
    }
}
