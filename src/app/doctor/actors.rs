//! Checks of the actor programs: presence and health check.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::{Finding, Verdict};
use crate::adapters::program_files::{self, program_name};
use crate::config::Config;
use crate::domain::model::script_type::ScriptType;

/// Limit of a health check, which starts an interpreter or a compiler and asks Redis.
const CHECK_LIMIT: Duration = Duration::from_secs(40);

/// Checks the programs of actors; without a configuration whose Redis can be asked, only that they are there.
pub(super) async fn check(dir: Option<&Path>, config: Option<&Config>) -> Vec<Finding> {
    let checks = ScriptType::ALL.map(|script_type| check_program(dir, script_type, config));
    let mut findings = futures::future::join_all(checks).await;
    if findings.iter().all(|finding| finding.verdict == Verdict::Warn) {
        let todo =
            "build them (cargo build --release) and put them beside hero-supervisor or into /usr/local/bin";
        findings.push(Finding::fail(
            "actors",
            "no program of any actor was found: no job would ever be run",
            todo,
        ));
    }
    findings
}

async fn check_program(dir: Option<&Path>, script_type: ScriptType, config: Option<&Config>) -> Finding {
    let name: &'static str = match script_type {
        ScriptType::OSIS => "osis_actor",
        ScriptType::SAL => "sal_actor",
        ScriptType::V => "v_actor",
        ScriptType::Python => "python_actor",
    };
    let Some(path) = find(dir, script_type) else {
        return Finding::warn(name, "not found", format!("install it if you want to run {script_type} jobs"));
    };
    let shown = path.display().to_string();
    let Some(config) = config else {
        return Finding::note(name, format!("{shown}; not run, because it asks Redis"));
    };
    let run = Command::new(&path)
        .arg("--health-check")
        .env("REDIS_URL", config.redis_url.expose())
        .envs(access_env(config))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let todo = format!("run `{shown} --health-check --redis-url URL` to see more");
    match timeout(CHECK_LIMIT, run).await {
        Ok(Ok(output)) if output.status.success() => {
            Finding::ok(name, format!("{shown}: {}", last_line(&output.stdout, "healthy")))
        }
        Ok(Ok(output)) => {
            let said = last_line(&output.stderr, &last_line(&output.stdout, "it said nothing"));
            let found = format!("{shown} is not well ({}): {said}", output.status);
            match script_type {
                // The V actor is installed with the others on machines that never run V scripts; its jobs report the
                // missing compiler.
                ScriptType::V if found.contains("there is no V compiler") => {
                    Finding::warn(name, found, "install V if you want to run v jobs")
                }
                ScriptType::V => Finding::warn(name, found, todo),
                ScriptType::OSIS | ScriptType::SAL | ScriptType::Python => Finding::fail(name, found, todo),
            }
        }
        Ok(Err(error)) => {
            Finding::fail(name, format!("{shown} cannot be run: {error}"), "chmod +x it, or build it anew")
        }
        Err(_elapsed) => Finding::fail(name, format!("{shown} did not answer within {CHECK_LIMIT:?}"), todo),
    }
}

/// The variables by which an actor gets to Redis as the service does.
fn access_env(config: &Config) -> Vec<(&'static str, OsString)> {
    let path = |name, path: &Option<PathBuf>| path.clone().map(|path| (name, path.into_os_string()));
    let all = [
        config.redis_user.clone().map(|user| ("REDIS_USER", OsString::from(user))),
        path("REDIS_PASSWORD_FILE", &config.redis_password_file),
        path("REDIS_TLS_CA", &config.redis_tls_ca),
        path("REDIS_TLS_CERT", &config.redis_tls_cert),
        path("REDIS_TLS_KEY", &config.redis_tls_key),
        config.redis_sentinel_user.clone().map(|user| ("REDIS_SENTINEL_USER", OsString::from(user))),
        path("REDIS_SENTINEL_PASSWORD_FILE", &config.redis_sentinel_password_file),
    ];
    all.into_iter().flatten().collect()
}

/// Finds a program in the given folder, or where actors get theirs.
fn find(dir: Option<&Path>, script_type: ScriptType) -> Option<PathBuf> {
    match dir {
        Some(dir) => Some(dir.join(program_name(script_type))).filter(|path| path.is_file()),
        None => program_files::find(script_type),
    }
}

fn last_line(output: &[u8], otherwise: &str) -> String {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or(otherwise).trim().to_owned()
}
