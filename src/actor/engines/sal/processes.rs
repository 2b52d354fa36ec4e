//! Processes that run here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use nix::unistd::Pid;
use rhai::{Array, Dynamic, FLOAT, INT, ImmutableString, Map};

use super::context::{Called, Context, failed};
use super::registry::Registry;
use crate::actor::process_tree;

/// Ticks of a second in `/proc`; the same on every Linux that this runs on.
const TICKS: FLOAT = 100.0;
/// Bytes of a page.
const PAGE: FLOAT = 4096.0;

pub(super) fn write(registry: &mut Registry, context: &Arc<Context>) {
    registry.family(
        "Processes",
        "A process is a map with `pid`, `name` (its command line), `memory` (MiB) and `cpu` (percent, since its start).",
    );
    let about = "The processes whose command line holds the text; all with an empty one.";
    registry.add("process_list", &["pattern"], about, |pattern: ImmutableString| process_list(&pattern));
    let about =
        "The one process whose command line holds the text; throws when there is none or more than one.";
    registry.add("process_get", &["pattern"], about, |pattern: ImmutableString| process_get(&pattern));
    let w = Arc::clone(context);
    let about = "Ends the processes whose command line holds the text, of those that this script has started; all others only \
                 with `--allow-install`.";
    registry.add("kill", &["pattern"], about, move |pattern: ImmutableString| kill(&w, &pattern));
    let about = "Where a command is; empty when there is none.";
    let w = Arc::clone(context);
    registry.add("which", &["command"], about, move |command: ImmutableString| {
        find_command(&w, &command).unwrap_or_default()
    });
    let about = "Throws unless all commands are there; separate them by commas.";
    let w = Arc::clone(context);
    registry.add("cmd_ensure_exists", &["commands"], about, move |commands: ImmutableString| {
        let is_missing = |command: &&str| find_command(&w, command).is_none();
        let missing: Vec<&str> = commands.split(',').map(str::trim).filter(is_missing).collect();
        match missing.is_empty() {
            true => Ok(format!("all there: {commands}")),
            false => Err(failed("not found", &missing.join(", "))),
        }
    });
}

fn process_list(pattern: &str) -> Array {
    everyone()
        .filter(|process| process.name.contains(pattern))
        .map(|process| process.to_map().into())
        .collect()
}

fn process_get(pattern: &str) -> Called<Map> {
    let mut found: Vec<ProcessInfo> = everyone().filter(|process| process.name.contains(pattern)).collect();
    match (found.len(), found.pop()) {
        (1, Some(process)) => Ok(process.to_map()),
        (count, _) => Err(failed("process_get", &format!("{count} processes match {pattern:?}, not one"))),
    }
}

fn kill(context: &Context, pattern: &str) -> Called<INT> {
    if pattern.is_empty() {
        return Err("kill: say which processes".into());
    }
    let us = Pid::this().as_raw();
    let matches = |pid: i32| command_line(pid).is_some_and(|line| line.contains(pattern));
    let ours: Vec<i32> =
        process_tree::below(us).into_iter().filter(|pid| process_tree::is_alive(*pid)).collect();
    let chosen: Vec<i32> = match context.installs {
        true => everyone().map(|process| process.pid).filter(|pid| *pid != us && *pid != 1).collect(),
        false => ours,
    };
    let chosen: Vec<i32> = chosen.into_iter().filter(|pid| matches(*pid)).collect();
    chosen.iter().for_each(|pid| process_tree::kill_one(*pid));
    Ok(INT::try_from(chosen.len()).unwrap_or(INT::MAX))
}

/// The path of a command, where the commands of this job are looked for.
fn find_command(context: &Context, command: &str) -> Option<String> {
    let runs =
        |path: &Path| fs::metadata(path).is_ok_and(|at| at.is_file() && at.permissions().mode() & 0o111 != 0);
    if command.contains('/') {
        return runs(Path::new(command)).then(|| command.to_owned());
    }
    let path = context.path();
    let mut places = path.split(':').map(|folder| Path::new(folder).join(command));
    places.find(|path| !command.is_empty() && runs(path)).map(|path| path.display().to_string())
}

/// A command that a function of ours needs.
pub(super) fn need<'a>(context: &Context, command: &'a str) -> Called<&'a str> {
    match find_command(context, command) {
        Some(_) => Ok(command),
        None => Err(failed(command, &"is not on this machine")),
    }
}

/// A process as it was seen.
struct ProcessInfo {
    pid: i32,
    name: String,
    memory: FLOAT,
    cpu: FLOAT,
}

impl ProcessInfo {
    fn to_map(&self) -> Map {
        let pairs: [(&str, Dynamic); 4] = [
            ("pid", INT::from(self.pid).into()),
            ("name", self.name.clone().into()),
            ("memory", self.memory.into()),
            ("cpu", self.cpu.into()),
        ];
        pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }
}

fn everyone() -> impl Iterator<Item = ProcessInfo> {
    let up = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let up: FLOAT = up.split(' ').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0.0);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(move |pid| read(pid, up))
}

fn read(pid: i32, up: FLOAT) -> Option<ProcessInfo> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<FLOAT>().ok());
    // Fields 14, 15, 22 and 24 of proc(5), counted from the state.
    let (used, start, pages) = (number(11)? + number(12)?, number(19)?, number(21)?);
    let lived = (up - start / TICKS).max(0.01);
    let name = command_line(pid).unwrap_or_else(|| name.to_owned());
    Some(ProcessInfo { pid, name, memory: pages * PAGE / 1048576.0, cpu: used / TICKS / lived * 100.0 })
}

/// Reads the command line of a process; None for the kernel's own, which have no arguments.
fn command_line(pid: i32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let line = String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned();
    (!line.is_empty()).then_some(line)
}
