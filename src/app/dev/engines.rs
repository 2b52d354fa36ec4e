//! Demo actors that run but lack the program of their engine.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::domain::model::actor::ActorConfig;
use crate::domain::model::script_type::ScriptType;

/// Limit of the check. The actors start at the same time.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Returns true if there may be a V compiler: `V_BIN` names one, or a program in PATH has its name.
pub(super) fn may_have_v() -> bool {
    let is_set = std::env::var_os("V_BIN").is_some_and(|path| !path.is_empty());
    is_set || is_in_path("v", &std::env::var_os("PATH").unwrap_or_default())
}

fn is_in_path(program: &str, search_path: &OsStr) -> bool {
    std::env::split_paths(search_path).any(|folder| {
        let found = folder.join(program).metadata();
        found.is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

/// Returns names of actors and what they lack. Only V is checked, since its compiler is often missing.
pub(super) async fn unavailable(demo: &[ActorConfig]) -> Vec<(String, String)> {
    let v = || demo.iter().filter(|config| config.script_type == ScriptType::V);
    let Some(first) = v().next() else { return Vec::new() };
    match missing(first).await {
        Some(reason) => v().map(|config| (config.name.clone(), reason.clone())).collect(),
        None => Vec::new(),
    }
}

async fn missing(config: &ActorConfig) -> Option<String> {
    let check =
        Command::new(&config.binary).arg("--health-check").stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(TIME_LIMIT, check).await.ok()?.ok()?;
    if output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it is not well");
    // The reason follows the names of the program and of the part.
    Some(line.rsplit_once("engine: ").map_or(line, |(_, reason)| reason).to_owned())
}
