//! Confinement of a process: its user, and its limits.

use std::time::Duration;

use crate::domain::model::text::quoted;
use crate::domain::model::violation::Violations;

/// Less address space starts no program.
const LEAST_MEMORY: u64 = 1024 * 1024;
/// Fewer open files start no program.
const LEAST_FILES: u64 = 8;
/// Most supplementary groups; more than anybody has.
const MAX_GROUPS: usize = 64;
/// Longest name of a user or group.
const MAX_NAME: usize = 64;

/// Settings of a process between its start and its program. Nothing by default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Confinement {
    /// User of the process; that of the process manager by default.
    pub run_as: Option<RunAs>,
    /// Resource limits of the process.
    pub limits: ResourceLimits,
    /// Neither it nor its children ever gain rights, by setuid programs for instance.
    pub no_new_privileges: bool,
    /// True if the process is killed when its process manager dies.
    pub die_with_manager: bool,
}

/// A user and groups, by name or number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RunAs {
    /// The user.
    pub user: String,
    /// The group; the user's own by default.
    pub group: Option<String>,
    /// Further groups; those of the user, as the system knows them, when there are none here.
    pub supplementary_groups: Vec<String>,
}

/// Limits that the kernel holds a process to. Those that are not set are as the process manager has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ResourceLimits {
    /// Bytes of address space.
    pub memory_bytes: Option<u64>,
    /// Open files.
    pub open_files: Option<u64>,
    /// Processor time, in whole seconds.
    pub cpu_time: Option<Duration>,
    /// Processes and threads of its user, all counted together.
    pub processes: Option<u64>,
    /// Bytes of a core dump; 0 for none.
    pub core_bytes: Option<u64>,
}

impl Confinement {
    /// Nothing is asked for.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the subset that also applies to helper processes such as health checks.
    pub fn of_helpers(&self) -> Self {
        Self {
            run_as: self.run_as.clone(),
            no_new_privileges: self.no_new_privileges,
            limits: ResourceLimits::default(),
            die_with_manager: false,
        }
    }

    /// Notes what is wrong, with field names as in the proto message `ActorConfig`.
    pub(super) fn check(&self, violations: &mut Violations) {
        if let Some(run_as) = &self.run_as {
            let mut part = Violations::new();
            run_as.check(&mut part);
            violations.nest("run_as", part);
        }
        let mut part = Violations::new();
        self.limits.check(&mut part);
        violations.nest("limits", part);
    }
}

impl RunAs {
    fn check(&self, violations: &mut Violations) {
        check_name("user", &self.user, violations);
        if let Some(group) = &self.group {
            check_name("group", group, violations);
        }
        if self.supplementary_groups.len() > MAX_GROUPS {
            let count = self.supplementary_groups.len();
            violations.add("supplementary_groups", format!("has {count} items, more than {MAX_GROUPS}"));
        }
        for (index, group) in self.supplementary_groups.iter().enumerate().take(MAX_GROUPS) {
            check_name(&format!("supplementary_groups[{index}]"), group, violations);
        }
    }
}

fn check_name(field: &str, name: &str, violations: &mut Violations) {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ':' | '/');
    if name.is_empty() || name.len() > MAX_NAME || name.starts_with('-') || name.contains(odd) {
        violations.add(
            field,
            format!("{} is neither a name nor a number: use a name such as hero, or a number", quoted(name)),
        );
    }
}

impl ResourceLimits {
    fn check(self, violations: &mut Violations) {
        if self.memory_bytes.is_some_and(|bytes| bytes < LEAST_MEMORY) {
            violations.add(
                "memory_bytes",
                format!("is too little to start a program: use at least {LEAST_MEMORY}"),
            );
        }
        if self.open_files.is_some_and(|files| files < LEAST_FILES) {
            violations
                .add("open_files", format!("is too little to start a program: use at least {LEAST_FILES}"));
        }
        if self.cpu_time.is_some_and(|time| time < Duration::from_secs(1) || time.subsec_nanos() > 0) {
            violations.add("cpu_time", "is not a number of seconds: use whole seconds, at least 1");
        }
        if self.processes == Some(0) {
            violations.add("processes", "is 0, so that it could not even run itself: use at least 1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named() {
        let run_as = RunAs {
            user: String::new(),
            group: Some("a b".to_owned()),
            supplementary_groups: vec!["ok".to_owned(), "-x".to_owned()],
        };
        let limits = ResourceLimits {
            memory_bytes: Some(1),
            open_files: Some(2),
            cpu_time: Some(Duration::from_millis(1500)),
            processes: Some(0),
            core_bytes: Some(0),
        };
        let mut violations = Violations::new();
        Confinement { run_as: Some(run_as), limits, ..Confinement::default() }.check(&mut violations);
        let fields: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
        let expected = [
            "run_as.user",
            "run_as.group",
            "run_as.supplementary_groups[1]",
            "limits.memory_bytes",
            "limits.open_files",
            "limits.cpu_time",
            "limits.processes",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn users_are_named_or_numbered() {
        for user in ["hero", "1000", "svc_osis-1", "user.name"] {
            let mut violations = Violations::new();
            RunAs { user: user.to_owned(), ..RunAs::default() }.check(&mut violations);
            assert!(violations.is_empty(), "{user}: {violations}");
        }
    }
}
