//! Random histories: whatever happens in whatever order, every job ends once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{JobState, JobView, UnfinishedJobs};
use hero_supervisor::ports::job_queue::JobFilter;
use hero_supervisor::ports::job_submission::{Completion, Submission};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::{TakenJob, Work, WorkQueue};

use super::priorities::level;
use super::queue_contract::{
    Kind, LIMIT, OSIS, QueueContract, actor_id, failure, finish, killed, offer, spec, submission, success,
    text, with_attempts,
};
use super::quotas::unfinished;

/// Steps of one history.
const STEPS: usize = 400;
/// Histories of one run, each from its own seed.
const HISTORIES: u64 = 4;
/// Steps between two looks at the counts of unfinished jobs.
const LOOK_EACH: usize = 20;
/// The identity that submits every job.
const IDENTITY: &str = "token:history";

struct Process {
    queue: Arc<dyn WorkQueue>,
    name: &'static str,
    pid: u32,
    held: Vec<TakenJob>,
}

/// What the test knows of one job.
#[derive(Default)]
struct Known {
    max_attempts: u32,
    deliveries: u32,
    accepted_ends: u32,
    cancelled: bool,
    completion: Option<Completion>,
}

struct History {
    bench: QueueContract,
    queue: Arc<dyn Queue>,
    seed: u64,
    random: fastrand::Rng,
    processes: Vec<Process>,
    /// Leases of processes that were declared dead, and of jobs that were given back.
    stale: Vec<(Arc<dyn WorkQueue>, TakenJob)>,
    jobs: BTreeMap<JobId, Known>,
    next_pid: u32,
}

pub(super) async fn every_job_ends_once_whatever_happens(kind: Kind) {
    for seed in 0..HISTORIES {
        let bench = kind.bench().await;
        let queue = bench.supervisor();
        let random = fastrand::Rng::with_seed(seed);
        let mut history = History {
            bench,
            queue,
            seed,
            random,
            processes: Vec::new(),
            stale: Vec::new(),
            jobs: BTreeMap::new(),
            next_pid: 100,
        };
        for name in ["osis_actor_0", "osis_actor_1", "osis_actor_2"] {
            history.spawn(name).await;
        }
        for step in 0..STEPS {
            history.step().await;
            if step % LOOK_EACH == 0 {
                history.check_unfinished().await;
            }
        }
        history.settle().await;
    }
}

impl History {
    async fn spawn(&mut self, name: &'static str) {
        self.next_pid += 1;
        let queue = self.bench.actor(name, self.next_pid).await;
        self.processes.push(Process { queue, name, pid: self.next_pid, held: Vec::new() });
    }

    async fn step(&mut self) {
        match self.random.u32(0..100) {
            0..30 => self.submit().await,
            30..55 => self.take().await,
            55..75 => self.end().await,
            75..80 => self.crash().await,
            80..86 => self.cancel().await,
            86..91 => self.finish_stale().await,
            91..94 => self.release().await,
            94..97 => self.reprioritize().await,
            _ => self.queue.maintain().await.unwrap(),
        }
    }

    async fn submit(&mut self) {
        let max_attempts = self.random.u32(1..4);
        let wanted = self.random.bool();
        let mut job = with_attempts("1", max_attempts);
        job.submitted_by = Some(IDENTITY.to_owned());
        if self.random.bool() {
            job.priority = level(self.random.i64(1..=5));
        }
        if self.random.u32(0..10) == 0 {
            job.target_actor = Some(actor_id("osis_actor_0"));
        }
        let submitted = offer(&self.queue, Submission { wanted, ..submission(job) }).await.unwrap();
        assert_eq!(submitted.completion.is_some(), wanted);
        let known = Known { max_attempts, completion: submitted.completion, ..Known::default() };
        self.jobs.insert(submitted.job.id, known);
    }

    /// Compares what quotas and lists go by with the states of the jobs.
    async fn check_unfinished(&self) {
        let (mut states, mut ids) = (BTreeMap::new(), BTreeSet::new());
        for id in self.jobs.keys() {
            let job = self.queue.get(id, JobView::Basic).await.unwrap().unwrap();
            *states.entry(job.state == JobState::Running).or_insert(0) += u64::from(!job.state.is_terminal());
            if !job.state.is_terminal() {
                ids.insert(job.id);
            }
        }
        let states_left = JobState::ALL.into_iter().filter(|state| !state.is_terminal()).collect();
        let filter = JobFilter { states: states_left, ..JobFilter::default() };
        let listed = self.queue.list(&filter, None, STEPS).await.unwrap().jobs;
        assert_eq!(
            listed.into_iter().map(|job| job.id).collect::<BTreeSet<_>>(),
            ids,
            "history {}",
            self.seed
        );
        let count = |runs: bool| states.get(&runs).copied().unwrap_or_default();
        let counted = unfinished(&self.queue, IDENTITY).await;
        assert_eq!((counted.queued, counted.running), (count(false), count(true)), "history {}", self.seed);
    }

    async fn take(&mut self) {
        let process = self.random.usize(0..self.processes.len());
        let max = self.random.usize(1..5);
        let process = &mut self.processes[process];
        let mut jobs = 0;
        for work in process.queue.take(max, Duration::ZERO).await.unwrap() {
            let Work::Job(job) = work else { continue };
            jobs += 1;
            let known = self.jobs.get_mut(&job.lease.job_id).expect("only what was submitted is handed out");
            known.deliveries += 1;
            assert!(job.attempt <= known.max_attempts);
            process.held.push(*job);
        }
        assert!(jobs <= max);
    }

    /// One process ends one of its jobs, well or badly.
    async fn end(&mut self) {
        let process = self.random.usize(0..self.processes.len());
        let process = &mut self.processes[process];
        if process.held.is_empty() {
            return;
        }
        let job = process.held.swap_remove(self.random.usize(0..process.held.len()));
        if self.random.bool() {
            process.queue.start(&[(job.lease.clone(), self.bench.now())]).await.unwrap();
        }
        let bad = self.random.u32(0..3) == 0;
        let end = match bad {
            true => failure(&self.bench, &job.lease, "bad luck"),
            false => success(&self.bench, &job.lease, text("1")),
        };
        let accepted = finish(&process.queue, end).await;
        let known = self.jobs.get_mut(&job.lease.job_id).unwrap();
        assert_eq!(accepted, !known.cancelled, "a live lease is good, unless its job was cancelled");
        if accepted && (!bad || job.attempt == known.max_attempts) {
            known.accepted_ends += 1;
        }
        self.stale.push((process.queue.clone(), job));
    }

    /// A process dies, its supervisor takes back what it had, and a new one starts.
    async fn crash(&mut self) {
        let dead = self.processes.swap_remove(self.random.usize(0..self.processes.len()));
        self.queue.reclaim(OSIS.into(), &actor_id(dead.name), dead.pid, &killed()).await.unwrap();
        for job in dead.held {
            let known = self.jobs.get_mut(&job.lease.job_id).unwrap();
            if !known.cancelled && job.attempt == known.max_attempts {
                known.accepted_ends += 1;
            }
            self.stale.push((dead.queue.clone(), job));
        }
        self.spawn(dead.name).await;
    }

    async fn reprioritize(&mut self) {
        let Some(id) = self.random.choice(self.jobs.keys().cloned().collect::<Vec<_>>()) else { return };
        self.queue.reprioritize(&id, level(self.random.i64(1..=5))).await.unwrap();
    }

    async fn cancel(&mut self) {
        let Some(id) = self.random.choice(self.jobs.keys().cloned().collect::<Vec<_>>()) else { return };
        let cancelled = self.queue.cancel(&id, "").await.unwrap().unwrap();
        let known = self.jobs.get_mut(&id).unwrap();
        assert_eq!(cancelled.changed, known.accepted_ends == 0, "{id}");
        if cancelled.changed {
            known.cancelled = true;
            known.accepted_ends += 1;
        }
    }

    /// A process that is long out of it comes back with a result.
    async fn finish_stale(&mut self) {
        if self.stale.is_empty() {
            return;
        }
        let (queue, job) = &self.stale[self.random.usize(0..self.stale.len())];
        assert!(!finish(queue, success(&self.bench, &job.lease, text("too late"))).await);
    }

    async fn release(&mut self) {
        let process = self.random.usize(0..self.processes.len());
        let process = &mut self.processes[process];
        let leases: Vec<_> = process.held.iter().map(|job| job.lease.clone()).collect();
        process.queue.release(&leases).await.unwrap();
        for job in process.held.drain(..) {
            // Untouched: it does not count as delivered.
            self.jobs.get_mut(&job.lease.job_id).unwrap().deliveries -= 1;
            self.stale.push((process.queue.clone(), job));
        }
    }

    /// Lets everything come to its end, and checks all that is promised.
    async fn settle(mut self) {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            self.queue.maintain().await.unwrap();
            for index in 0..self.processes.len() {
                let process = &mut self.processes[index];
                let mut held = std::mem::take(&mut process.held);
                for work in process.queue.take(100, Duration::ZERO).await.unwrap() {
                    if let Work::Job(job) = work {
                        self.jobs.get_mut(&job.lease.job_id).unwrap().deliveries += 1;
                        held.push(*job);
                    }
                }
                for job in held {
                    if finish(&process.queue, success(&self.bench, &job.lease, text("1"))).await {
                        self.jobs.get_mut(&job.lease.job_id).unwrap().accepted_ends += 1;
                    }
                }
            }
            if self.jobs.values().all(|known| known.accepted_ends > 0) {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "some jobs of history {} do not end", self.seed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut states = BTreeSet::new();
        for (id, known) in self.jobs {
            let job = self.queue.get(&id, JobView::Basic).await.unwrap().unwrap();
            assert!(job.state.is_terminal(), "{job:?}");
            assert_eq!(known.accepted_ends, 1, "{id} of history {} ended once", self.seed);
            assert_eq!(job.state == JobState::Cancelled, known.cancelled);
            assert!(known.deliveries <= known.max_attempts, "{id} was delivered {} times", known.deliveries);
            if let Some(completion) = known.completion {
                let end = tokio::time::timeout(LIMIT, completion.wait()).await.unwrap().unwrap();
                assert_eq!(job.clone().finish(end), job);
            }
            states.insert(job.state);
        }
        assert_eq!(states.len(), 3, "the history was too tame: {states:?}");
        assert_eq!(unfinished(&self.queue, IDENTITY).await, UnfinishedJobs::default());
        assert_eq!(self.queue.depth(OSIS.into()).await.unwrap(), Default::default());
        let extra = offer(&self.queue, submission(spec("after all"))).await;
        assert!(extra.is_ok());
        self.queue.close().await;
    }
}
