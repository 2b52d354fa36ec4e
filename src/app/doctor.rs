//! `doctor`: checks everything that the service needs on this machine, and gives advice.

mod acl;
mod actors;
mod clock;
mod cluster;
mod host;
mod processes;
mod redis;
mod replication;
mod sentinel;
mod tls;

use serde::Serialize;

use super::runtime;
use super::serve::no_runtime;
use crate::cli::{DoctorArgs, Exit, Failure, Output, table};
use crate::config::Config;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// No fault.
    Ok,
    /// Nothing was checked: a fact to know.
    Note,
    /// Works, with a surprise.
    Warn,
    /// Does not work, or jobs can be lost.
    Fail,
}

/// One finding.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    verdict: Verdict,
    /// The observation.
    found: String,
    /// The advice; empty if there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    todo: String,
}

impl Finding {
    /// The same, found at one of several servers.
    fn at(self, server: &str) -> Self {
        Self { found: format!("{server}: {}", self.found), ..self }
    }

    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), todo: String::new() }
    }

    fn note(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Note, found: found.into(), todo: String::new() }
    }

    fn warn(check: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), todo: todo.into() }
    }

    fn fail(check: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), todo: todo.into() }
    }
}

/// All findings.
#[derive(Debug, Serialize)]
struct Report {
    healthy: bool,
    findings: Vec<Finding>,
}

/// Runs all checks and prints them. The exit code is 0 if none fails and 1 otherwise.
///
/// # Errors
/// An invalid configuration.
pub fn doctor(args: DoctorArgs) -> Result<Exit, Failure> {
    if args.print_acl {
        return acl::print(args.for_backups, args.script_type, args.queue, args.acl_password_file.as_deref());
    }
    let output = args.output;
    let actor_dir = args.actor_dir.clone();
    let config = Config::load(args.serve.layers())?.config;
    let runtime = runtime::build(None).map_err(|error| no_runtime(&error))?;
    let findings = runtime.block_on(async {
        let mut findings = host::check(&config);
        findings.extend(tls::check(&config));
        let (redis, processes) = tokio::join!(redis::check(&config), processes::check(&config));
        // The programs of actors ask Redis as well, and are not to blame for it.
        let ask = !redis.iter().any(|finding| finding.verdict == Verdict::Fail);
        findings.extend(redis);
        findings.extend(processes);
        findings.extend(actors::check(actor_dir.as_deref(), ask.then_some(&config)).await);
        findings
    });
    let healthy = findings.iter().all(|finding| finding.verdict != Verdict::Fail);
    let report = Report { healthy, findings };
    let text = output.render(&report)?.unwrap_or_else(|| render(&report));
    Output::new(output, false).data(&text)?;
    Ok(if healthy { Exit::Ok } else { Exit::JobFailed })
}

fn render(report: &Report) -> String {
    let word = |verdict| match verdict {
        Verdict::Ok => "ok",
        Verdict::Note => "note",
        Verdict::Warn => "WARN",
        Verdict::Fail => "FAIL",
    };
    // The advice is a row of its own: a row is one line, whatever is in it.
    let rows = |finding: &Finding| {
        let found = [word(finding.verdict).to_owned(), finding.check.to_owned(), finding.found.clone()];
        let todo = (!finding.todo.is_empty())
            .then(|| [String::new(), String::new(), format!("  -> {}", finding.todo)]);
        [Some(found), todo].into_iter().flatten()
    };
    let summary = match report.findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
        0 => "\nnothing stands in the way\n".to_owned(),
        1 => "\n1 thing stands in the way\n".to_owned(),
        many => format!("\n{many} things stand in the way\n"),
    };
    let found = table(["VERDICT", "CHECK", "FOUND"], report.findings.iter().flat_map(rows));
    format!("{found}{summary}")
}
