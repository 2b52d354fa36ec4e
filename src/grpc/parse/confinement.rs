//! User, groups and limits of a process.

use crate::domain::model::confinement::{Confinement, ResourceLimits, RunAs};
use crate::domain::model::violation::Violations;
use crate::grpc::parse::value::{count, duration, given, optional};
use crate::proto as pb;

/// Parses the fields that are set, and records violations.
pub(super) fn of(
    run_as: Option<pb::RunAs>,
    limits: Option<pb::ResourceLimits>,
    no_new_privileges: bool,
    die_with_manager: bool,
    violations: &mut Violations,
) -> Confinement {
    let run_as = run_as.map(|run_as| RunAs {
        user: run_as.user,
        group: given(run_as.group),
        supplementary_groups: run_as.supplementary_groups,
    });
    let mut part = Violations::new();
    let limits = limits.map(|limits| resource_limits(limits, &mut part)).unwrap_or_default();
    violations.nest("limits", part);
    Confinement { run_as, limits, no_new_privileges, die_with_manager }
}

fn resource_limits(limits: pb::ResourceLimits, violations: &mut Violations) -> ResourceLimits {
    let v = violations;
    ResourceLimits {
        memory_bytes: optional(v, "memory_bytes", limits.memory_bytes, bytes),
        open_files: optional(v, "open_files", limits.open_files, count).map(u64::from),
        cpu_time: optional(v, "cpu_time", limits.cpu_time, duration),
        processes: optional(v, "processes", limits.processes, count).map(u64::from),
        core_bytes: optional(v, "core_bytes", limits.core_bytes, bytes),
    }
}

fn bytes(raw: i64) -> Result<u64, String> {
    u64::try_from(raw).map_err(|_| format!("is {raw}: use 0 or more"))
}
