//! The library of Redis Functions: its text, the names of its functions, and calls of them.

use redis::{Cmd, ToRedisArgs};

use super::keys;
use crate::domain::model::queue_name::QueueName;

/// The library as Redis loads it: the files in the order in which they use each other. A changed function needs a higher
/// `REVISION` in `common.lua`; a changed meaning of keys or arguments needs a new library beside this one, so that two versions
/// can run together.
///
/// A chunk of Lua can have 200 locals at once. So what no later file uses stands in a block of its own.
pub(super) const LIBRARY: &str = concat!(
    include_str!("lua/common.lua"),
    include_str!("lua/backlog.lua"),
    include_str!("lua/quotas.lua"),
    include_str!("lua/marks.lua"),
    include_str!("lua/records.lua"),
    "do\n",
    include_str!("lua/unique.lua"),
    "end do\n",
    include_str!("lua/flow.lua"),
    include_str!("lua/flow_rounds.lua"),
    "end\n",
    include_str!("lua/jobs.lua"),
    include_str!("lua/queues.lua"),
    include_str!("lua/registry.lua"),
    "do\n",
    include_str!("lua/submission.lua"),
    "end do\n",
    include_str!("lua/output.lua"),
    include_str!("lua/leases.lua"),
    "end do\n",
    include_str!("lua/presence.lua"),
    "end do\n",
    include_str!("lua/maintenance.lua"),
    "end do\n",
    include_str!("lua/positions.lua"),
    "end do\n",
    include_str!("lua/events.lua"),
    "end do\n",
    include_str!("lua/stores.lua"),
    "end do\n",
    include_str!("lua/objects.lua"),
    "end do\n",
    include_str!("lua/node_calls.lua"),
    "end do\n",
    include_str!("lua/backup.lua"),
    "end do\n",
    include_str!("lua/restore.lua"),
    "end\n",
);

/// The oldest revision with whose functions this version does its work, some of its newer promises aside: what it calls is there and
/// means the same.
pub(super) const OLDEST_USABLE: i64 = 12;

macro_rules! functions {
    ($($function:ident = $name:literal),* $(,)?) => {
        /// A function of [`LIBRARY`]. Its arguments and answers stand above it in its Lua file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function {
            $($function),*
        }

        impl Function {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$function),*];

            /// The name by which Redis knows the function.
            fn name(self) -> &'static str {
                match self {
                    $(Self::$function => $name),*
                }
            }
        }
    };
}

functions! {
    Announce = "hero_announce",
    Attach = "hero_attach",
    BackupExtent = "hero_backup_extent",
    BackupJobs = "hero_backup_jobs",
    BackupObjects = "hero_backup_objects",
    Cancel = "hero_cancel",
    ClearQueue = "hero_clear_queue",
    CompareAndSet = "hero_compare_and_set",
    CreateQueue = "hero_create_queue",
    Delete = "hero_delete",
    DeleteQueue = "hero_delete_queue",
    Depth = "hero_depth_page",
    Drain = "hero_drain",
    Elsewhere = "hero_elsewhere",
    Emit = "hero_emit",
    End = "hero_end",
    Epoch = "hero_epoch",
    Extent = "hero_extent",
    Finish = "hero_finish",
    Flow = "hero_flow",
    FlowHeld = "hero_flow_held",
    FlowKey = "hero_flow_key",
    FlowOpen = "hero_flow_open",
    ForgetActor = "hero_forget_actor",
    ForgetDelayed = "hero_forget_delayed",
    Holders = "hero_holders",
    Inboxes = "hero_inboxes",
    JobEnds = "hero_job_ends",
    Lead = "hero_lead",
    Leave = "hero_leave",
    LetGo = "hero_let_go",
    Log = "hero_log",
    NodeSend = "hero_node_send",
    NodeTake = "hero_node_take",
    Nodes = "hero_nodes",
    ObjectDelete = "hero_object_delete",
    ObjectPage = "hero_object_page",
    ObjectPut = "hero_object_put",
    OpenReplies = "hero_open_replies",
    Pause = "hero_pause",
    Position = "hero_position",
    PresencePage = "hero_presence_page",
    Probe = "hero_probe",
    Purge = "hero_purge",
    QueueState = "hero_queue_state",
    Reclaim = "hero_reclaim",
    Reject = "hero_reject",
    Release = "hero_release",
    RestoreJobs = "hero_restore_jobs",
    RestoreObject = "hero_restore_object",
    RestoreQueue = "hero_restore_queue",
    Resume = "hero_resume",
    Retry = "hero_retry",
    Revision = "hero_revision",
    Set = "hero_set",
    Start = "hero_start",
    StepDown = "hero_step_down",
    Submit = "hero_submit",
    Sweep = "hero_sweep",
    Tick = "hero_tick",
    Trim = "hero_trim",
    Update = "hero_update",
    Wake = "hero_wake",
}

impl Function {
    /// A call with this key; arguments are added to it.
    pub(super) fn on(self, key: impl ToRedisArgs) -> Cmd {
        let mut command = redis::cmd("FCALL");
        command.arg(self.name()).arg(1).arg(key);
        command
    }

    /// A call on a queue.
    pub(super) fn on_queue(self, queue: QueueName) -> Cmd {
        self.on(keys::queue(queue))
    }

    /// A call without a key.
    pub(super) fn without_key(self) -> Cmd {
        let mut command = redis::cmd("FCALL");
        command.arg(self.name()).arg(0);
        command
    }
}

/// The revision of [`LIBRARY`].
pub(super) fn revision() -> i64 {
    let line = LIBRARY.lines().find_map(|line| line.strip_prefix("local REVISION = "));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
