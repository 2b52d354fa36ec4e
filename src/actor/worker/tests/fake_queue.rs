//! A queue that does what it is told and writes down what it is asked.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::domain::model::id::JobId;
use crate::domain::model::job::{JobError, JobSpec};
use crate::domain::model::output::OutputChunk;
use crate::domain::model::script_type::ScriptType;
use crate::ports::job_queue::QueueError;
use crate::ports::store_fault::StoreFault;
use crate::ports::work_queue::{AttemptEnd, Lease, LeaseOutput, TakenJob, Work, WorkQueue};

#[derive(Default)]
pub(super) struct State {
    pub(super) waiting: VecDeque<TakenJob>,
    pub(super) inbox: VecDeque<Work>,
    /// Delivered and not ended; given again by `recover`.
    pub(super) pending: Vec<TakenJob>,
    pub(super) void: BTreeSet<String>,
    pub(super) away: bool,
    /// Every call that would change something is refused.
    pub(super) refuses: bool,
    /// Ends of these are refused, alone or with others.
    pub(super) refused_ends: BTreeSet<String>,
    /// Answers to `finish` are lost on the way back.
    pub(super) loses_answers: bool,
    pub(super) ends: Vec<(String, Result<String, JobError>)>,
    pub(super) started: Vec<String>,
    pub(super) announced: Vec<bool>,
    pub(super) released: Vec<Vec<String>>,
    pub(super) takes: Vec<usize>,
    pub(super) beats: usize,
    /// The leases of the last heartbeat.
    pub(super) beaten: Vec<String>,
    /// Jobs that do not run any more, whose leases were void.
    pub(super) let_go: Vec<String>,
    pub(super) finish_calls: usize,
    pub(super) closed: bool,
    /// Output chunks that were received, and whether each came with an end.
    pub(super) heard: Vec<(String, OutputChunk, bool)>,
    pub(super) reports: usize,
    /// The next take that brings something is lost on its way.
    pub(super) loses_take: bool,
    /// Delay of the answer to a take.
    pub(super) take_takes: Duration,
    /// Delivered and taken back before it arrives.
    pub(super) forgets: BTreeSet<String>,
    /// Reports take this long.
    pub(super) report_takes: Duration,
    interrupted: bool,
}

#[derive(Default)]
pub(super) struct FakeQueue {
    state: Mutex<State>,
    changed: Notify,
}

impl FakeQueue {
    pub(super) fn new(scripts: &[&str]) -> Arc<Self> {
        let queue = Arc::new(Self::default());
        scripts.iter().for_each(|script| queue.add(script));
        queue
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Adds a job whose name is its script and whose timeout is a second.
    pub(super) fn add(&self, script: &str) {
        let mut spec = JobSpec::new(ScriptType::OSIS, script);
        spec.run_timeout = Duration::from_secs(1000);
        self.add_spec(spec);
    }

    pub(super) fn add_spec(&self, spec: JobSpec) {
        let name = spec.script.replace(' ', "_");
        let lease = Lease { token: name.clone(), job_id: JobId::parse(&name).unwrap() };
        self.state().waiting.push_back(TakenJob { lease, spec, attempt: 1 });
        self.changed.notify_one();
    }

    pub(super) fn send(&self, work: Work) {
        self.state().inbox.push_back(work);
        self.changed.notify_one();
    }

    /// Waits for a fact.
    pub(super) async fn until(&self, what: &str, fact: impl Fn(&State) -> bool) {
        let begun = Instant::now();
        while !fact(&self.state()) {
            assert!(begun.elapsed() < Duration::from_secs(3600), "not seen: {what}");
            sleep(Duration::from_millis(1)).await;
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.state().ends.iter().map(|(name, _)| name.clone()).collect()
    }

    fn call(&self) -> Result<MutexGuard<'_, State>, QueueError> {
        let state = self.state();
        if state.away {
            return Err(StoreFault::Unavailable("away".into()).into());
        }
        if state.refuses {
            return Err(StoreFault::Rejected { reason: "READONLY You can't write".to_owned() }.into());
        }
        Ok(state)
    }

    fn deliver(&self, max: usize) -> Result<Option<Vec<Work>>, QueueError> {
        let mut state = self.call()?;
        let mut work: Vec<Work> = state.inbox.drain(..).collect();
        let count = max.min(state.waiting.len());
        let jobs: Vec<TakenJob> = state.waiting.drain(..count).collect();
        state.pending.extend(jobs.iter().cloned());
        work.extend(jobs.into_iter().map(|job| Work::Job(Box::new(job))));
        let interrupted = std::mem::take(&mut state.interrupted);
        Ok((interrupted || !work.is_empty()).then_some(work))
    }
}

#[async_trait]
impl WorkQueue for FakeQueue {
    async fn announce(&self, draining: bool) -> Result<(), QueueError> {
        self.call()?.announced.push(draining);
        Ok(())
    }

    async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Work>, QueueError> {
        self.state().takes.push(max);
        let deliver = async {
            loop {
                if let Some(work) = self.deliver(max)? {
                    return Ok(work);
                }
                self.changed.notified().await;
            }
        };
        let delivered = timeout(wait, deliver).await.unwrap_or(Ok(Vec::new()));
        if delivered.as_ref().is_ok_and(|work| !work.is_empty()) {
            let takes = self.state().take_takes;
            sleep(takes).await;
        }
        let brings = delivered.as_ref().is_ok_and(|work| !work.is_empty());
        let mut state = self.state();
        if brings && std::mem::take(&mut state.loses_take) {
            return Err(StoreFault::Unavailable("cut".into()).into());
        }
        let forgotten = std::mem::take(&mut state.forgets);
        state.pending.retain(|job| !forgotten.contains(&job.lease.token));
        drop(state);
        delivered
    }

    async fn interrupt_take(&self) -> Result<(), QueueError> {
        self.call()?.interrupted = true;
        self.changed.notify_one();
        Ok(())
    }

    async fn recover(&self, known: &[Lease]) -> Result<Vec<Work>, QueueError> {
        let state = self.call()?;
        let lost = state.pending.iter().filter(|job| !known.contains(&job.lease));
        Ok(lost.map(|job| Work::Job(Box::new(job.clone()))).collect())
    }

    async fn heartbeat(&self, leases: &[Lease]) -> Result<Vec<Lease>, QueueError> {
        let mut state = self.call()?;
        state.beats += 1;
        state.beaten = leases.iter().map(|lease| lease.token.clone()).collect();
        Ok(leases.iter().filter(|lease| state.void.contains(&lease.token)).cloned().collect())
    }

    async fn start(&self, started: &[(Lease, SystemTime)]) -> Result<Vec<Lease>, QueueError> {
        let mut state = self.call()?;
        state.started.extend(started.iter().map(|(lease, _)| lease.token.clone()));
        Ok(Vec::new())
    }

    async fn report_output(&self, output: &[LeaseOutput]) -> Result<Vec<Lease>, QueueError> {
        let takes = self.state().report_takes;
        sleep(takes).await;
        let mut state = self.call()?;
        state.reports += 1;
        let mut void = Vec::new();
        for LeaseOutput { lease, chunks } in output {
            if state.void.contains(&lease.token) {
                void.push(lease.clone());
                continue;
            }
            let chunks = chunks.iter().map(|chunk| (lease.token.clone(), chunk.clone(), false));
            state.heard.extend(chunks);
        }
        Ok(void)
    }

    async fn let_go(&self, leases: &[Lease]) -> Result<(), QueueError> {
        self.call()?.let_go.extend(leases.iter().map(|lease| lease.token.clone()));
        Ok(())
    }

    async fn finish(&self, ends: Vec<AttemptEnd>) -> Result<Vec<bool>, QueueError> {
        let mut state = self.call()?;
        state.finish_calls += 1;
        if ends.iter().any(|end| state.refused_ends.contains(&end.lease.token)) {
            return Err(StoreFault::Rejected { reason: "WRONGTYPE".to_owned() }.into());
        }
        let mut accepted = Vec::new();
        for end in ends {
            let good = !state.void.contains(&end.lease.token)
                && state.pending.iter().any(|job| job.lease == end.lease);
            accepted.push(good);
            if good {
                state.pending.retain(|job| job.lease != end.lease);
                let chunks = end.output.into_iter().map(|chunk| (end.lease.token.clone(), chunk, true));
                state.heard.extend(chunks);
                let outcome = end.outcome.map(|result| result.text).map_err(|failed| failed.error);
                state.ends.push((end.lease.token, outcome));
            }
        }
        match state.loses_answers {
            true => Err(StoreFault::TimedOut { after: Duration::from_secs(2) }.into()),
            false => Ok(accepted),
        }
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), QueueError> {
        let mut state = self.call()?;
        for lease in leases.iter().rev() {
            if let Some(at) = state.pending.iter().position(|job| job.lease == *lease) {
                let job = state.pending.remove(at);
                state.waiting.push_front(job);
            }
        }
        state.released.push(leases.iter().map(|lease| lease.token.clone()).collect());
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(15)
    }

    async fn close(&self) {
        self.state().closed = true;
    }
}
