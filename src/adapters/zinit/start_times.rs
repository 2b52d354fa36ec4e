//! Start times of processes, as the kernel has them: Zinit does not tell them.

use std::collections::HashMap;
use std::mem;
use std::time::SystemTime;

use super::proc::Stat;
use crate::lock::Lock;
use crate::ports::process_manager::ProcessInfo;

/// Start times of the listed processes, by pid. The kernel is asked once for each.
#[derive(Debug, Default)]
pub(super) struct StartTimes {
    known: Lock<HashMap<u32, SystemTime>>,
}

impl StartTimes {
    /// Adds its start time to each process. The pids have to be those that we see.
    pub(super) fn add_to(&self, list: &mut [ProcessInfo]) {
        let mut known = self.known.lock();
        let before = mem::take(&mut *known);
        for info in list {
            let Some(pid) = info.state.pid() else { continue };
            let ask = || Some(Stat::of(pid.try_into().ok()?)?.process.started_at());
            info.started_at = before.get(&pid).copied().or_else(ask);
            known.extend(info.started_at.map(|at| (pid, at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::process_manager::ProcessState;

    fn info(state: ProcessState) -> ProcessInfo {
        let (name, detail) = ("a".to_owned(), String::new());
        ProcessInfo { name, state, started_at: None, detail, failed_check: None, foreign: false }
    }

    #[test]
    fn a_process_keeps_its_start_time_while_it_is_listed() {
        let times = StartTimes::default();
        let pid = std::process::id();
        let look = || {
            let mut list = [info(ProcessState::Running { pid }), info(ProcessState::Down { exit: None })];
            times.add_to(&mut list);
            assert_eq!(list[1].started_at, None, "there is no process");
            list[0].started_at.unwrap()
        };
        let first = look();
        assert_eq!(look(), first);
        times.known.lock().insert(pid, SystemTime::UNIX_EPOCH);
        assert_eq!(look(), SystemTime::UNIX_EPOCH, "it is not asked for again");
        times.add_to(&mut []);
        assert!(look() > SystemTime::UNIX_EPOCH, "it was forgotten");
    }
}
