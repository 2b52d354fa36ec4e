//! User, groups and limits of an actor, as flags.

use std::time::Duration;

use clap::Args;

use crate::cli::values::{bytes, or_dash, span, to_proto};
use crate::proto::{ActorConfig, ResourceLimits, RunAs};

/// User, groups and limits of an actor.
#[derive(Debug, Default, Args)]
pub(super) struct ConfineArgs {
    /// User and group of the process, each by name or number
    #[arg(long, value_name = "USER[:GROUP]")]
    run_as: Option<String>,
    /// Supplementary group [default: those of the user]; can be repeated
    #[arg(long, value_name = "GROUP", requires = "run_as")]
    group: Vec<String>,
    /// Largest address space: 512M, 2G
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    memory_limit: Option<i64>,
    /// Most open files
    #[arg(long, value_name = "N")]
    open_files: Option<i32>,
    /// Most processor time
    #[arg(long, value_name = "TIME", value_parser = span)]
    cpu_time: Option<Duration>,
    /// Most processes and threads of the user
    #[arg(long, value_name = "N")]
    processes: Option<i32>,
    /// Largest core dump; 0 for none
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    core_limit: Option<i64>,
    /// Prevent the process from gaining privileges, for instance by setuid programs
    #[arg(long)]
    pub(super) no_new_privileges: bool,
    /// Kill the process when its process manager dies
    #[arg(long)]
    pub(super) die_with_process_manager: bool,
}

impl ConfineArgs {
    pub(super) fn run_as(&self) -> Option<RunAs> {
        let run_as = self.run_as.as_deref()?;
        let (user, group) = run_as.split_once(':').unwrap_or((run_as, ""));
        Some(RunAs {
            user: user.to_owned(),
            group: group.to_owned(),
            supplementary_groups: self.group.clone(),
        })
    }

    /// Returns the old limits with the given ones in their place; None if none is given.
    pub(super) fn limits(&self, old: ResourceLimits) -> Option<ResourceLimits> {
        let limits = ResourceLimits {
            memory_bytes: self.memory_limit.or(old.memory_bytes),
            open_files: self.open_files.or(old.open_files),
            cpu_time: self.cpu_time.and_then(to_proto).or(old.cpu_time),
            processes: self.processes.or(old.processes),
            core_bytes: self.core_limit.or(old.core_bytes),
        };
        (limits != old).then_some(limits)
    }
}

/// Renders user and limits for people; a dash for none.
pub(super) fn shown(config: &ActorConfig) -> String {
    let mut words = Vec::new();
    if let Some(run_as) = &config.run_as {
        let names = [run_as.user.as_str(), run_as.group.as_str()];
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        words.push(format!("as {}", names.join(":")));
    }
    let limits = config.limits.unwrap_or_default();
    words.extend(limits.memory_bytes.map(|bytes| format!("memory {bytes}")));
    words.extend(limits.open_files.map(|files| format!("files {files}")));
    words.extend(limits.cpu_time.map(|time| format!("cpu {} s", time.seconds)));
    words.extend(limits.processes.map(|processes| format!("processes {processes}")));
    words.extend(limits.core_bytes.map(|bytes| format!("core {bytes}")));
    if config.no_new_privileges {
        words.push("no new privileges".to_owned());
    }
    if config.die_with_process_manager {
        words.push("dies with the process manager".to_owned());
    }
    or_dash(&words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_stands_behind_the_user() {
        let run_as = |text: &str| {
            let args = ConfineArgs { run_as: Some(text.to_owned()), ..ConfineArgs::default() };
            args.run_as().map(|run_as| (run_as.user, run_as.group))
        };
        assert_eq!(run_as("hero"), Some(("hero".to_owned(), String::new())));
        assert_eq!(run_as("1000:www"), Some(("1000".to_owned(), "www".to_owned())));
        assert_eq!(ConfineArgs::default().limits(ResourceLimits::default()), None);
    }
}
