//! Confinement in the record of an actor. Only the parts that are set are written.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::model::confinement::{Confinement, ResourceLimits, RunAs};

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ConfinementRecord {
    run_as: Option<RunAsRecord>,
    memory_bytes: Option<u64>,
    open_files: Option<u64>,
    cpu_seconds: Option<u64>,
    processes: Option<u64>,
    core_bytes: Option<u64>,
    no_new_privileges: bool,
    die_with_manager: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct RunAsRecord {
    user: String,
    group: Option<String>,
    #[serde(default)]
    supplementary_groups: Vec<String>,
}

impl ConfinementRecord {
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn of(confinement: Confinement) -> Self {
        let Confinement { run_as, limits, no_new_privileges, die_with_manager } = confinement;
        let ResourceLimits { memory_bytes, open_files, cpu_time, processes, core_bytes } = limits;
        let run_as = run_as.map(|run_as| {
            let RunAs { user, group, supplementary_groups } = run_as;
            RunAsRecord { user, group, supplementary_groups }
        });
        let cpu_seconds = cpu_time.map(|time| time.as_secs());
        Self {
            run_as,
            memory_bytes,
            open_files,
            cpu_seconds,
            processes,
            core_bytes,
            no_new_privileges,
            die_with_manager,
        }
    }
}

impl From<ConfinementRecord> for Confinement {
    fn from(record: ConfinementRecord) -> Self {
        let run_as = record.run_as.map(|run_as| {
            let RunAsRecord { user, group, supplementary_groups } = run_as;
            RunAs { user, group, supplementary_groups }
        });
        let limits = ResourceLimits {
            memory_bytes: record.memory_bytes,
            open_files: record.open_files,
            cpu_time: record.cpu_seconds.map(Duration::from_secs),
            processes: record.processes,
            core_bytes: record.core_bytes,
        };
        let ConfinementRecord { no_new_privileges, die_with_manager, .. } = record;
        Self { run_as, limits, no_new_privileges, die_with_manager }
    }
}
