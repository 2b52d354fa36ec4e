//! Random sequences of calls about one unique key against its promises: on memory and on Redis alike.
//!
//! * Two jobs of a key never run at once.
//! * After each submission at least one job of the key starts, or the submission was refused.
//! * In the end the key is free.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{JobSpec, JobState, OnConflict, Unique};
use hero_supervisor::ports::job_queue::{JobFilter, Retried};
use hero_supervisor::ports::job_submission::{Submission, SubmitRefused};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::{Lease, TakenJob, Work, WorkQueue};
use proptest::prelude::*;

use super::queue_contract::{
    Kind, OSIS, QueueContract, actor_id, failure, finish, killed, read, submission, success, text,
    with_attempts,
};

/// Attempts of each job.
const ATTEMPTS: u32 = 2;

#[derive(Debug, Clone)]
enum Step {
    Submit(Vec<OnConflict>),
    Take(usize),
    Finish,
    Fail,
    Release,
    Cancel(usize),
    LetGo,
    Retry(usize),
    Crash(usize),
    Later,
}

fn step(modes: &'static [OnConflict]) -> impl Strategy<Value = Step> {
    let mode = (0..modes.len()).prop_map(|index| modes[index]);
    prop_oneof![
        6 => proptest::collection::vec(mode, 1..4).prop_map(Step::Submit),
        6 => (0_usize..2).prop_map(Step::Take),
        4 => Just(Step::Finish),
        1 => Just(Step::Fail),
        1 => Just(Step::Release),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => Just(Step::LetGo),
        1 => any::<usize>().prop_map(Step::Retry),
        1 => (0_usize..2).prop_map(Step::Crash),
        1 => Just(Step::Later),
    ]
}

/// A job in the hands of an actor, which may have been cancelled since.
struct Held {
    actor: usize,
    job: TakenJob,
    void: bool,
}

struct Model {
    bench: QueueContract,
    queue: Arc<dyn Queue>,
    actors: Vec<(Arc<dyn WorkQueue>, u32)>,
    held: Vec<Held>,
    known: BTreeSet<JobId>,
    /// A run has to start, since a submission was accepted.
    wanted: bool,
}

impl Model {
    async fn start(kind: Kind) -> Self {
        let bench = kind.bench().await;
        let queue = bench.supervisor();
        let mut actors = Vec::new();
        for pid in 0..2_u32 {
            actors.push((bench.actor(&format!("osis_actor_{pid}"), 100 + pid).await, 100 + pid));
        }
        let (held, known) = Default::default();
        Self { bench, queue, actors, held, known, wanted: false }
    }

    async fn play(&mut self, step: &Step) {
        match step {
            Step::Submit(modes) => self.submit(modes).await,
            Step::Take(actor) => self.take(*actor, Duration::ZERO).await,
            Step::Finish => self.end(true).await,
            Step::Fail => self.end(false).await,
            Step::Release => self.release().await,
            Step::Cancel(index) => self.cancel(*index).await,
            Step::LetGo => self.let_go().await,
            Step::Retry(index) => self.retry(*index).await,
            Step::Crash(actor) => self.crash(*actor).await,
            Step::Later => self.queue.maintain().await.unwrap(),
        }
    }

    async fn submit(&mut self, modes: &[OnConflict]) {
        let job = |on_conflict: &OnConflict| -> Submission {
            let unique = Unique { on_conflict: *on_conflict, ..Unique::new("k") };
            submission(JobSpec { unique: Some(Box::new(unique)), ..with_attempts("1", ATTEMPTS) })
        };
        let answers = self.queue.submit(modes.iter().map(job).collect()).await.unwrap();
        for (mode, answer) in modes.iter().zip(answers) {
            match answer {
                Ok(submitted) => {
                    self.wanted |= *mode != OnConflict::ReturnExisting || !submitted.existing;
                    self.known.insert(submitted.job.id);
                }
                Err(SubmitRefused::KeyHeld { .. }) => {
                    assert!(matches!(mode, OnConflict::Reject | OnConflict::Replace), "{mode:?}");
                }
                Err(other) => panic!("{other}"),
            }
        }
        self.mark_void().await;
    }

    /// Notes which jobs were cancelled in the hands of their actors.
    async fn mark_void(&mut self) {
        for held in &mut self.held {
            held.void |= read(&self.queue, &held.job.lease.job_id).await.state == JobState::Cancelled;
        }
    }

    async fn take(&mut self, actor: usize, wait: Duration) {
        let work = self.actors[actor].0.take(3, wait).await.unwrap();
        let jobs: Vec<TakenJob> = work
            .into_iter()
            .filter_map(|work| match work {
                Work::Job(job) => Some(*job),
                Work::Drain { .. } | Work::Cancelled { .. } => None,
            })
            .collect();
        if jobs.is_empty() {
            return;
        }
        assert_eq!(jobs.len(), 1, "two jobs of a key at once: {jobs:?}");
        let running: Vec<&Lease> = self.held.iter().map(|held| &held.job.lease).collect();
        assert!(running.is_empty(), "{:?} was handed out beside {running:?}", jobs[0].lease);
        self.wanted = false;
        self.held.extend(jobs.into_iter().map(|job| Held { actor, job, void: false }));
    }

    async fn end(&mut self, well: bool) {
        let Some(held) = self.held.pop() else { return };
        let end = match well {
            true => success(&self.bench, &held.job.lease, text("1")),
            false => failure(&self.bench, &held.job.lease, "bad luck"),
        };
        assert_eq!(finish(&self.actors[held.actor].0, end).await, !held.void);
    }

    async fn release(&mut self) {
        if let Some(held) = self.held.pop() {
            self.actors[held.actor].0.release(std::slice::from_ref(&held.job.lease)).await.unwrap();
            if held.void {
                self.actors[held.actor].0.let_go(&[held.job.lease]).await.unwrap();
            } else {
                self.wanted = true;
            }
        }
    }

    async fn cancel(&mut self, index: usize) {
        let Some(id) = self.known.iter().nth(index % self.known.len().max(1)).cloned() else { return };
        self.queue.cancel(&id, "").await.unwrap();
        self.mark_void().await;
        // What was cancelled need not start.
        self.wanted = false;
    }

    async fn let_go(&mut self) {
        let void = self.held.iter().position(|held| held.void);
        if let Some(held) = void.map(|index| self.held.remove(index)) {
            self.actors[held.actor].0.let_go(&[held.job.lease]).await.unwrap();
        }
    }

    async fn retry(&mut self, index: usize) {
        let Some(id) = self.known.iter().nth(index % self.known.len().max(1)).cloned() else { return };
        if let Retried::Queued(_) = self.queue.retry(&id, true, None).await.unwrap() {
            self.wanted = true;
        }
    }

    /// The process dies, and all that it had is tried again or fails.
    async fn crash(&mut self, actor: usize) {
        let pid = self.actors[actor].1;
        // What was cancelled in its hands is waited for a lease; another test waits for that.
        for held in self.held.iter().filter(|held| held.actor == actor && held.void) {
            self.actors[actor].0.let_go(std::slice::from_ref(&held.job.lease)).await.unwrap();
        }
        let name = format!("osis_actor_{actor}");
        self.queue.reclaim(OSIS.into(), &actor_id(&name), pid, &killed()).await.unwrap();
        self.held.retain(|held| held.actor != actor);
        self.actors[actor] = (self.bench.actor(&name, pid + 2).await, pid + 2);
    }

    /// Ends everything: what has to start does, and the key is free then.
    async fn settle(&mut self) {
        for _round in 0..200 {
            while !self.held.is_empty() {
                let void = self.held.iter().any(|held| held.void);
                if void { self.let_go().await } else { self.end(true).await }
            }
            let filter = JobFilter { unique_keys: vec![Unique::new("k").text()], ..JobFilter::default() };
            if self.queue.list(&filter, None, 10).await.unwrap().jobs.is_empty() {
                assert!(!self.wanted, "no run has started after the last submission");
                self.queue.close().await;
                return;
            }
            self.queue.maintain().await.unwrap();
            for actor in 0..2 {
                if self.held.is_empty() {
                    self.take(actor, Duration::from_millis(20)).await;
                }
            }
        }
        let mut left = Vec::new();
        for id in &self.known {
            left.push(read(&self.queue, id).await);
        }
        left.retain(|job| !job.state.is_terminal());
        panic!("the key is not free: {left:?}");
    }
}

fn play(kind: Kind, steps: &[Step]) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(kind == Kind::Memory).build().unwrap();
    runtime.block_on(async {
        let mut model = Model::start(kind).await;
        for step in steps {
            model.play(step).await;
        }
        model.settle().await;
    });
}

fn config(cases: u32) -> ProptestConfig {
    let persistence = proptest::test_runner::FileFailurePersistence::SourceParallel("proptest-regressions");
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(persistence)),
        max_shrink_time: 30_000,
        ..ProptestConfig::default()
    }
}

const ONE_MORE: &[OnConflict] = &[OnConflict::RunOnceMore];

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn promises_of_a_key_hold_on_memory(steps in proptest::collection::vec(step(&OnConflict::ALL), 1..60)) {
        play(Kind::Memory, &steps);
    }

    #[test]
    fn one_more_run_starts_after_each_submission_on_memory(
        steps in proptest::collection::vec(step(ONE_MORE), 1..60),
    ) {
        play(Kind::Memory, &steps);
    }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn promises_of_a_key_hold_on_redis(steps in proptest::collection::vec(step(&OnConflict::ALL), 1..60)) {
        play(Kind::Redis, &steps);
    }

    #[test]
    fn one_more_run_starts_after_each_submission_on_redis(
        steps in proptest::collection::vec(step(ONE_MORE), 1..60),
    ) {
        play(Kind::Redis, &steps);
    }
}
