//! Random sequences of calls against a model of the order: on memory and on Redis alike.

use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{JobSpec, JobState};
use hero_supervisor::ports::job_queue::Reprioritized;
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::{TakenJob, Work, WorkQueue};
use proptest::prelude::*;

use super::priorities::level;
use super::queue_contract::{
    Kind, OSIS, QueueContract, actor_id, failure, finish, killed, submission, success, text, until_state,
    with_attempts,
};

/// Attempts of each job.
const ATTEMPTS: u32 = 3;

/// A call. An index picks one of the jobs that there are at that moment.
#[derive(Debug, Clone)]
enum Step {
    Submit(Vec<i64>),
    Take(usize),
    Finish(usize),
    Fail(usize),
    Release(usize),
    Cancel(usize),
    Reprioritize(usize, i64),
    Pause(bool),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let levels = || prop_oneof![3 => Just(3_i64), 2 => 1_i64..=5];
    prop_oneof![
        4 => proptest::collection::vec(levels(), 1..4).prop_map(Step::Submit),
        1 => proptest::collection::vec(levels(), 30..50).prop_map(Step::Submit),
        1 => (30_usize..50).prop_map(|count| Step::Submit(vec![3; count])),
        6 => (1_usize..4).prop_map(Step::Take),
        3 => any::<usize>().prop_map(Step::Finish),
        1 => any::<usize>().prop_map(Step::Fail),
        2 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Cancel),
        3 => (any::<usize>(), levels()).prop_map(|(index, level)| Step::Reprioritize(index, level)),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => Just(Step::Crash),
    ]
}

/// A job of the model.
#[derive(Debug, Clone)]
struct Known {
    id: JobId,
    level: i64,
    number: usize,
    begun: bool,
}

impl Known {
    fn rank(&self) -> (i64, usize) {
        (self.level, self.number)
    }
}

struct Model {
    bench: QueueContract,
    queue: Arc<dyn Queue>,
    actor: Arc<dyn WorkQueue>,
    pid: u32,
    paused: bool,
    submitted: usize,
    waiting: Vec<Known>,
    held: Vec<(Known, TakenJob)>,
    /// Jobs that have ended, with their states.
    ended: Vec<(JobId, JobState)>,
}

impl Model {
    async fn start(kind: Kind) -> Self {
        let bench = kind.bench().await;
        let (queue, actor) = (bench.supervisor(), bench.actor("osis_actor_0", 100).await);
        queue.set_ageing(OSIS.into(), Duration::ZERO);
        let (waiting, held, ended) = Default::default();
        Self { bench, queue, actor, pid: 100, paused: false, submitted: 0, waiting, held, ended }
    }

    async fn play(&mut self, step: &Step) {
        match step {
            Step::Submit(levels) => self.submit(levels).await,
            Step::Take(most) => self.take(*most, Duration::ZERO).await,
            Step::Finish(index) => self.end(*index, true).await,
            Step::Fail(index) => self.end(*index, false).await,
            Step::Release(index) => self.release(*index).await,
            Step::Cancel(index) => self.cancel(*index).await,
            Step::Reprioritize(index, to) => self.reprioritize(*index, *to).await,
            Step::Pause(paused) => {
                self.paused = *paused;
                match paused {
                    true => self.queue.pause(OSIS.into(), "", None).await.unwrap(),
                    false => self.queue.resume(OSIS.into()).await.unwrap(),
                };
            }
            Step::Crash => self.crash().await,
        }
        let depth = self.queue.depth(OSIS.into()).await.unwrap();
        let expected = (self.waiting.len(), self.held.len());
        assert_eq!((depth.queued as usize, depth.running as usize), expected, "after {step:?}");
    }

    async fn submit(&mut self, levels: &[i64]) {
        let batch = levels
            .iter()
            .map(|to| submission(JobSpec { priority: level(*to), ..with_attempts("1", ATTEMPTS) }));
        let answers = self.queue.submit(batch.collect()).await.unwrap();
        for (level, answer) in levels.iter().zip(answers) {
            let (id, number) = (answer.unwrap().job.id, self.submitted);
            self.submitted += 1;
            self.waiting.push(Known { id, level: *level, number, begun: false });
        }
    }

    /// Takes jobs, and compares each with the one whose turn it is.
    async fn take(&mut self, most: usize, wait: Duration) {
        // A read between two functions hands out what the last function has left at the front.
        self.queue.maintain().await.unwrap();
        let work = self.actor.take(most, wait).await.unwrap();
        let jobs: Vec<Box<TakenJob>> = work
            .into_iter()
            .filter_map(|work| match work {
                Work::Job(job) => Some(job),
                Work::Drain { .. } | Work::Cancelled { .. } => None,
            })
            .collect();
        assert!(jobs.len() <= most && (jobs.is_empty() || !self.paused), "{jobs:?}");
        for job in jobs {
            let index = self.waiting.iter().position(|known| known.id == job.lease.job_id);
            let taken = self.waiting.remove(index.expect("only what waits is handed out"));
            // While all have one priority, what an actor has read too much and returned may come before what has begun.
            let plain = |known: &Known| known.begun || known.level == 3;
            let all_plain = plain(&taken) && self.waiting.iter().all(plain);
            let before = self.waiting.iter().find(|other| match (taken.begun, other.begun) {
                (true, _) => false,
                (false, true) => !all_plain,
                (false, false) => other.rank() < taken.rank(),
            });
            assert!(before.is_none(), "{taken:?} was taken before {before:?}");
            self.held.push((taken, *job));
        }
    }

    async fn end(&mut self, index: usize, well: bool) {
        let Some((mut known, job)) = self.take_held(index) else { return };
        let end = match well {
            true => success(&self.bench, &job.lease, text("1")),
            false => failure(&self.bench, &job.lease, "bad luck"),
        };
        assert!(finish(&self.actor, end).await);
        if well {
            self.ended.push((known.id, JobState::Succeeded));
        } else if job.attempt == ATTEMPTS {
            self.ended.push((known.id, JobState::Failed));
        } else {
            until_state(&self.queue, &known.id, JobState::Queued).await;
            known.begun = true;
            self.waiting.push(known);
        }
    }

    fn take_held(&mut self, index: usize) -> Option<(Known, TakenJob)> {
        let count = self.held.len();
        (count > 0).then(|| self.held.swap_remove(index % count))
    }

    async fn release(&mut self, index: usize) {
        let Some((known, job)) = self.take_held(index) else { return };
        self.actor.release(&[job.lease]).await.unwrap();
        self.waiting.push(known);
    }

    async fn cancel(&mut self, index: usize) {
        let count = self.waiting.len() + self.held.len();
        if count == 0 {
            return;
        }
        let index = index % count;
        let known = match index.checked_sub(self.waiting.len()) {
            None => self.waiting.swap_remove(index),
            Some(held) => self.held.swap_remove(held).0,
        };
        assert!(self.queue.cancel(&known.id, "").await.unwrap().unwrap().changed);
        self.ended.push((known.id, JobState::Cancelled));
    }

    async fn reprioritize(&mut self, index: usize, to: i64) {
        let count = self.waiting.len() + self.held.len() + self.ended.len();
        if count == 0 {
            return;
        }
        let (id, expected) = self.expected(index % count, to);
        let answer = match self.queue.reprioritize(&id, level(to)).await.unwrap() {
            Reprioritized::Done { job, changed } => {
                assert_eq!(job.spec.priority, level(to));
                Ok(changed)
            }
            Reprioritized::NotWaiting(state) => Err(state),
            Reprioritized::Unknown => panic!("{id} is known"),
        };
        assert_eq!(answer, expected);
    }

    /// Returns the answer to another priority for the job with this number, and notes it.
    fn expected(&mut self, index: usize, to: i64) -> (JobId, Result<bool, JobState>) {
        if let Some(known) = self.waiting.get_mut(index) {
            let changed = known.level != to;
            known.level = to;
            return (known.id.clone(), Ok(changed));
        }
        let index = index - self.waiting.len();
        match self.held.get(index) {
            Some((known, _job)) => (known.id.clone(), Err(JobState::Running)),
            None => {
                let (id, state) = &self.ended[index - self.held.len()];
                (id.clone(), Err(*state))
            }
        }
    }

    /// The process dies, and all that it had is tried again or fails.
    async fn crash(&mut self) {
        self.queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), self.pid, &killed()).await.unwrap();
        for (mut known, job) in std::mem::take(&mut self.held) {
            if job.attempt == ATTEMPTS {
                self.ended.push((known.id, JobState::Failed));
            } else {
                known.begun = true;
                self.waiting.push(known);
            }
        }
        self.pid += 1;
        self.actor = self.bench.actor("osis_actor_0", self.pid).await;
    }

    /// Ends everything; nothing is lost, and nothing is handed out twice.
    async fn settle(&mut self) {
        self.play(&Step::Pause(false)).await;
        let mut tries = 0;
        while !self.waiting.is_empty() || !self.held.is_empty() {
            tries += 1;
            assert!(tries < 10_000, "these are not handed out: {:?}", self.waiting);
            self.take(3, Duration::from_millis(20)).await;
            while !self.held.is_empty() {
                self.end(0, true).await;
            }
        }
        assert_eq!(self.ended.len(), self.submitted);
        for (id, state) in &self.ended {
            let job = super::queue_contract::read(&self.queue, id).await;
            assert_eq!(job.state, *state, "{job:?}");
        }
        self.queue.close().await;
        self.actor.close().await;
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

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn the_order_is_that_of_the_model_on_memory(steps in proptest::collection::vec(step(), 1..60)) {
        play(Kind::Memory, &steps);
    }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn the_order_is_that_of_the_model_on_redis(steps in proptest::collection::vec(step(), 1..60)) {
        play(Kind::Redis, &steps);
    }
}
