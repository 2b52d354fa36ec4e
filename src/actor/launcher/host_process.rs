//! One host as its owner sees it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::time::Instant;

use super::sockets::Link;
use crate::actor::frame::{ToHost, encode_job, encode_to_host};
use crate::actor::hosts::Host;
use crate::actor::process_tree;
use crate::ports::work_queue::TakenJob;

/// A running host.
#[derive(Debug)]
pub struct HostProcess {
    pub(super) link: Arc<Link>,
    pub(super) group: Pid,
    /// A request to end goes to its scripts alone.
    pub(super) spared: bool,
}

impl HostProcess {
    fn signal(&self, signal: Signal) {
        // Once it is reaped, its number may belong to somebody else.
        if !self.link.reaped.load(Ordering::SeqCst) {
            // Those that have left its group are not reached by a signal to the group.
            let host = self.group.as_raw();
            let has_left = |pid: &i32| process_tree::group_of(*pid).is_some_and(|group| group != host);
            process_tree::below(host)
                .into_iter()
                .filter(has_left)
                .for_each(|pid| process_tree::signal_one(pid, signal));
            if signal == Signal::SIGKILL || !self.spared {
                process_tree::signal_group(self.group, signal);
            }
        }
    }
}

impl Host for HostProcess {
    fn submit(&mut self, seq: u64, job: &TakenJob, start_by: Instant) {
        self.link.remember(seq, &job.spec.context_id);
        encode_job(&mut self.link.out().jobs, seq, job, start_by);
    }

    fn flush(&mut self) {
        self.link.resume(self.group);
        if !self.link.write() {
            self.link.wake.notify_one();
        }
    }

    fn call_back(&mut self, upto: u64) {
        encode_to_host(&mut self.link.out().control, &ToHost::CallBack { upto });
        self.flush();
    }

    fn terminate(&mut self) {
        self.signal(Signal::SIGTERM);
    }

    fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
