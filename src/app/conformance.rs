//! `actor conformance`: runs an actor of any language against a private Redis and reports, case by case, which parts
//! of the actor protocol (`docs/actor-protocol.md`) it keeps.

mod cases;
mod faults;
mod kit;
mod scripts;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::dev::{Folders, PrivateRedis};
use super::runtime;
use super::serve::no_runtime;
use crate::cli::{ConformanceArgs, Exit, Failure, Format, Output, table};
use crate::domain::model::script_type::ScriptType;

use kit::Kit;
use scripts::Scripts;

/// The result of a case.
#[derive(Debug, Serialize)]
struct Row {
    case: &'static str,
    passed: bool,
    /// The fault; empty for a case that has passed.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    took_ms: u128,
}

/// Runs the cases and prints a table. The exit code is 0 if all pass and 1 otherwise.
///
/// # Errors
/// An unusable command line, or a machine without Redis.
pub fn conformance(args: &ConformanceArgs, output: Format) -> Result<Exit, Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let exec = shlex::split(&args.exec).filter(|words| !words.is_empty());
    let exec = exec.ok_or_else(|| usage(format!("--exec {:?} is not a command line", args.exec)))?;
    let script_type = args.script_type;
    let scripts = match &args.scripts {
        Some(file) => Scripts::read(file).map_err(usage)?,
        None => Scripts::of(script_type).ok_or_else(|| {
            usage(format!(
                "the kit has no scripts for {script_type}: name a file with --scripts (see docs/actor-protocol.md)"
            ))
        })?,
    };
    let runtime = runtime::build(None).map_err(|error| no_runtime(&error))?;
    let rows = runtime.block_on(run(args, script_type, exec, scripts))?;
    let failed = rows.iter().filter(|row| !row.passed).count();
    let out = Output::new(output, false);
    match output.render(&rows)? {
        Some(text) => out.data(&text)?,
        None => {
            let row = |row: &Row| {
                let verdict = if row.passed { "pass" } else { "FAIL" };
                [row.case.to_owned(), verdict.to_owned(), format!("{} ms", row.took_ms), row.reason.clone()]
            };
            let mut text = table(["CASE", "", "TOOK", "REASON"], rows.iter().map(row));
            text.push_str(&format!("\n{} of {} cases pass\n", rows.len() - failed, rows.len()));
            out.data(&text)?;
        }
    }
    Ok(if failed == 0 { Exit::Ok } else { Exit::JobFailed })
}

async fn run(
    args: &ConformanceArgs,
    script_type: ScriptType,
    exec: Vec<String>,
    scripts: Scripts,
) -> Result<Vec<Row>, Failure> {
    let dir = Scratch::new();
    let folders = Folders::of(Some(&dir.0));
    let _held = folders.make()?;
    let redis = PrivateRedis::start(&folders).await?;
    let time_factor = args.time_factor.max(1);
    let left_out = scripts.reports.is_none().then_some(cases::PROGRESS);
    let mut rows: Vec<Row> = Vec::new();
    let mut is_there = true;
    for (name, case) in cases::ALL.iter().chain(faults::ALL) {
        if !args.cases.is_empty() && !args.cases.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        if left_out == Some(*name) {
            continue;
        }
        if !is_there {
            let reason = "not tried, because the actor does not announce itself".to_owned();
            rows.push(Row { case: name, passed: false, reason, took_ms: 0 });
            continue;
        }
        let begun = Instant::now();
        let kit = Kit::new(
            folders.redis_url(),
            script_type,
            exec.clone(),
            scripts.clone(),
            time_factor,
            dir.0.clone(),
        );
        let outcome = match kit {
            Ok(kit) => {
                let outcome = kit.while_kept(case(&kit)).await;
                // Further cases make sense for an actor that announces itself but ends badly. Without an announcement
                // every case would time out.
                if *name == cases::FIRST && outcome.is_err() {
                    is_there = kit.while_kept(async { kit.actor("again").await.map(drop) }).await.is_ok();
                }
                kit.clear().await;
                outcome
            }
            Err(error) => Err(error),
        };
        let (passed, reason) = match outcome {
            Ok(()) => (true, String::new()),
            Err(reason) => (false, reason),
        };
        rows.push(Row { case: name, passed, reason, took_ms: begun.elapsed().as_millis() });
    }
    redis.stop(&CancellationToken::new()).await;
    Ok(rows)
}

/// A folder that is removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        Self(std::env::temp_dir().join(format!("hero-conformance-{}", &nonce[..12])))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Lease of the private queue, short enough for tests.
const LEASE: Duration = Duration::from_secs(3);
