//! The ends of calls, and the record that another supervisor writes as well.

use std::time::{Duration, SystemTime};

use super::{Delivery, OUR_RECORDS, Outstanding, World};
use crate::domain::actors::machine::protocol::{Answer, Call, Input};
use crate::domain::model::actor::{ActorRecord, ExitStatus, LastExit};
use crate::ports::actor_presence::Reclaimed;
use crate::ports::actor_store::Stored;
use crate::ports::process_manager::ProcessState;
use crate::ports::store_fault::StoreFault;

impl World {
    pub(in crate::domain::actors::machine::tests) fn deliver_last(&mut self, delivery: Delivery) {
        self.deliver(self.calls.len() - 1, delivery);
    }

    pub(in crate::domain::actors::machine::tests) fn deliver_all(&mut self) {
        for _bound in 0..100 {
            if self.calls.is_empty() {
                return;
            }
            self.deliver(0, Delivery::Arrives);
        }
        panic!("calls without end: {:?}", self.calls);
    }

    pub(in crate::domain::actors::machine::tests) fn deliver_writes(&mut self) {
        while let Some(index) = self.calls.iter().position(|out| matches!(out.call, Call::Write(_))) {
            self.deliver(index, Delivery::Arrives);
        }
    }

    /// Delivers, or loses, one of the calls under way.
    pub(in crate::domain::actors::machine::tests) fn deliver(&mut self, index: usize, delivery: Delivery) {
        let Outstanding { ticket, call } = self.calls.remove(index);
        let arrives = delivery == Delivery::Arrives;
        self.store_was_away |= !arrives;
        let answer = match call {
            Call::Read => Answer::Record(if arrives {
                Ok(self.stored.clone().map(Box::new))
            } else {
                Err(lost().into())
            }),
            Call::Write(next) if delivery == Delivery::Fails => {
                self.lose_leases(&next);
                Answer::Stored(Err(StoreFault::Unavailable("away".into()).into()))
            }
            Call::Write(next) => {
                if !arrives {
                    self.lose_leases(&next);
                }
                let stored = self.write(*next);
                Answer::Stored(if arrives { Ok(stored) } else { Err(lost().into()) })
            }
            Call::Epoch => Answer::Epoch(arrives.then(|| OUR_RECORDS.to_owned())),
            Call::EndOrphans { pids, grace: _ } => {
                if arrives {
                    self.orphans.retain(|pid, _realm| !pids.contains(pid));
                }
                Answer::Orphans(pids.into_iter().map(|pid| (pid, !arrives)).collect())
            }
            Call::LogTail => Answer::LogTail(Vec::new()),
            Call::Look => {
                self.look();
                Answer::Looked
            }
            Call::Reclaim { .. } => {
                Answer::Reclaimed(if arrives { Ok(Reclaimed::default()) } else { Err(lost().into()) })
            }
        };
        self.bring(Input::Answered(ticket, answer));
    }

    fn lose_leases(&mut self, next: &ActorRecord) {
        let stored = self.stored.as_ref().and_then(|stored| stored.operation.as_ref());
        let leases = next.operation.iter().chain(stored);
        self.lost_leases.extend(leases.map(|lease| lease.id.clone()));
    }

    fn write(&mut self, next: ActorRecord) -> Stored {
        let generation = next.generation + 1;
        match &self.stored {
            None => Stored::Missing,
            Some(stored) if stored.generation != next.generation => {
                Stored::Conflict(Box::new(stored.clone()))
            }
            Some(stored) => {
                if next.restart_count > stored.restart_count {
                    let pid = next.last_exit.as_ref().expect("it ended").pid;
                    assert!(self.counted_ends.insert(pid), "the end of {pid} is counted once");
                }
                self.keep(ActorRecord { generation, ..next });
                Stored::Written(generation)
            }
        }
    }

    fn keep(&mut self, record: ActorRecord) {
        self.history.insert(record.generation, record.clone());
        self.stored = Some(record);
    }

    /// Another supervisor of the node changes the record.
    pub(in crate::domain::actors::machine::tests) fn other_supervisor(
        &mut self,
        change: impl FnOnce(&mut ActorRecord),
    ) {
        if let Some(mut record) = self.stored.clone() {
            if let Some(pid) = self.ended_by_other.take() {
                let (status, at) = (ExitStatus::Signal(15), SystemTime::UNIX_EPOCH);
                record.last_exit = Some(LastExit {
                    status,
                    at,
                    pid,
                    requested: true,
                    reason: String::new(),
                    log_tail: Vec::new(),
                });
                record.last_pid = None;
                self.told_by_other.insert(pid);
            }
            change(&mut record);
            record.generation += 1;
            self.keep(record);
        }
    }

    pub(in crate::domain::actors::machine::tests) fn remove_record(&mut self) {
        self.stored = None;
        self.process = None;
    }

    /// Another supervisor that has a lease ends the process by it.
    pub(in crate::domain::actors::machine::tests) fn other_ends_process(&mut self) {
        let lease = self.stored.as_ref().and_then(|record| record.operation.as_ref());
        if lease.is_some_and(|lease| lease.verb.ends_process() && lease.id.starts_with("another")) {
            self.ended_by_other = self.process.and_then(ProcessState::pid).or(self.ended_by_other);
            self.end_process();
        }
    }

    /// Another supervisor records the end of a process, and which one runs instead, before we do.
    pub(in crate::domain::actors::machine::tests) fn other_records_end(&mut self) {
        let pid = self.process.and_then(ProcessState::pid);
        // What somebody is doing is left to him.
        let at_rest = self.stored.as_ref().filter(|record| record.operation.is_none());
        let last = at_rest.and_then(|record| record.last_pid);
        let Some(last) = last.filter(|last| Some(*last) != pid && !self.told_ends.contains(last)) else {
            return;
        };
        let is_crash = self.crashed.contains(&last);
        let is_new = is_crash && self.counted_ends.insert(last);
        self.told_by_other.insert(last);
        self.other_supervisor(|record| {
            let (status, at) = (ExitStatus::Unknown, SystemTime::UNIX_EPOCH);
            let requested = !is_crash;
            record.last_exit = Some(LastExit {
                status,
                at,
                pid: last,
                requested,
                reason: String::new(),
                log_tail: Vec::new(),
            });
            record.last_pid = pid;
            record.restart_count += u32::from(is_new);
        });
    }
}

fn lost() -> StoreFault {
    StoreFault::TimedOut { after: Duration::from_secs(2) }
}
