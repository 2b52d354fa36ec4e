//! Random sequences of calls against a model of flow by key: on memory and on Redis alike. No key exceeds its limit, and none that may
//! give a job keeps it.

use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::domain::model::flow::{FlowPause, FlowRule, FlowRules};
use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::{JobSpec, JobState};
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::{TakenJob, Work, WorkQueue};
use proptest::prelude::*;

use super::flow::{rule, set};
use super::priorities::level;
use super::queue_contract::{
    Kind, OSIS, QueueContract, actor_id, failure, finish, killed, submission, success, text, until_state,
    with_attempts,
};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const ATTEMPTS: u32 = 3;

/// A call. An index picks one of the jobs that there are at that moment.
#[derive(Debug, Clone)]
enum Step {
    Submit(Vec<(usize, i64)>),
    Take(usize),
    Finish(usize),
    Fail(usize),
    Release(usize),
    Cancel(usize),
    Reprioritize(usize, i64),
    Rules(Vec<(usize, u32, u32, bool)>),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let job = || (0..KEYS.len(), prop_oneof![3 => Just(3_i64), 1 => 1_i64..=5]);
    let rules = proptest::collection::vec((0..=KEYS.len(), 1_u32..5, 0_u32..4, any::<bool>()), 0..4);
    prop_oneof![
        4 => proptest::collection::vec(job(), 1..4).prop_map(Step::Submit),
        1 => proptest::collection::vec(job(), 15..30).prop_map(Step::Submit),
        6 => (1_usize..6).prop_map(Step::Take),
        4 => any::<usize>().prop_map(Step::Finish),
        2 => any::<usize>().prop_map(Step::Fail),
        2 => any::<usize>().prop_map(Step::Release),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => (any::<usize>(), 1_i64..=5).prop_map(|(index, to)| Step::Reprioritize(index, to)),
        2 => rules.prop_map(Step::Rules),
        1 => Just(Step::Crash),
    ]
}

#[derive(Debug, Clone)]
struct Known {
    id: JobId,
    key: &'static str,
}

struct Model {
    bench: QueueContract,
    queue: Arc<dyn Queue>,
    actor: Arc<dyn WorkQueue>,
    pid: u32,
    generation: u64,
    rules: FlowRules,
    waiting: Vec<Known>,
    held: Vec<(Known, TakenJob)>,
}

impl Model {
    async fn start(kind: Kind) -> Self {
        let bench = kind.bench().await;
        let (queue, actor) = (bench.supervisor(), bench.actor("osis_actor_0", 100).await);
        let (rules, waiting, held) = Default::default();
        Self { bench, queue, actor, pid: 100, generation: 0, rules, waiting, held }
    }

    async fn play(&mut self, step: &Step) {
        match step {
            Step::Submit(jobs) => self.submit(jobs).await,
            Step::Take(most) => self.take(*most).await,
            Step::Finish(index) => self.end(*index, true).await,
            Step::Fail(index) => self.end(*index, false).await,
            Step::Release(index) => {
                if let Some((known, job)) = self.take_held(*index) {
                    self.actor.release(&[job.lease]).await.unwrap();
                    self.waiting.push(known);
                }
            }
            Step::Cancel(index) => self.cancel(*index).await,
            Step::Reprioritize(index, to) => {
                if let Some(known) = self.waiting.get(index % self.waiting.len().max(1)) {
                    self.queue.reprioritize(&known.id, level(*to)).await.unwrap();
                }
            }
            Step::Rules(rules) => self.change_rules(rules).await,
            Step::Crash => self.crash().await,
        }
        let depth = self.queue.depth(OSIS.into()).await.unwrap();
        let expected = (self.waiting.len(), self.held.len());
        assert_eq!((depth.queued as usize, depth.running as usize), expected, "after {step:?}");
    }

    async fn submit(&mut self, jobs: &[(usize, i64)]) {
        let spec = |(key, to): &(usize, i64)| JobSpec {
            priority: level(*to),
            flow_key: Some(KEYS[*key].to_owned()),
            ..with_attempts("1", ATTEMPTS)
        };
        let batch = jobs.iter().map(|job| submission(spec(job))).collect();
        let answers = self.queue.submit(batch).await.unwrap();
        for ((key, _level), answer) in jobs.iter().zip(answers) {
            self.waiting.push(Known { id: answer.unwrap().job.id, key: KEYS[*key] });
        }
    }

    async fn change_rules(&mut self, rules: &[(usize, u32, u32, bool)]) {
        let mut all: Vec<FlowRule> = Vec::new();
        for (key, weight, most, is_paused) in rules {
            let key = KEYS.get(*key).map(|key| (*key).to_owned());
            let rule = FlowRule {
                key,
                weight: *weight,
                max_running: (*most > 0).then_some(*most),
                paused: is_paused.then(FlowPause::default),
                ..rule("")
            };
            if all.iter().all(|other| other.key != rule.key) {
                all.push(rule);
            }
        }
        self.rules = FlowRules::new(all.clone()).unwrap();
        self.generation += 1;
        set(&self.queue, self.generation, all).await;
    }

    fn running(&self, key: &str) -> u64 {
        self.held.iter().filter(|(known, _job)| known.key == key).count() as u64
    }

    /// True if a job of the key may be handed out.
    fn is_open(&self, key: &str) -> bool {
        self.rules.gate_of(key, self.running(key), self.bench.now()).is_none()
    }

    /// Takes jobs. If there are fewer than asked for, no key may have another one.
    async fn take(&mut self, most: usize) {
        let mut left = most;
        loop {
            self.queue.maintain().await.unwrap();
            let work = self.actor.take(left, Duration::ZERO).await.unwrap();
            let jobs = work.into_iter().filter_map(|work| match work {
                Work::Job(job) => Some(*job),
                Work::Drain { .. } | Work::Cancelled { .. } => None,
            });
            let before = left;
            for job in jobs {
                let index = self.waiting.iter().position(|known| known.id == job.lease.job_id);
                let taken = self.waiting.remove(index.expect("only what waits is handed out"));
                assert!(self.is_open(taken.key), "{taken:?} was taken: {:?}", self.rules);
                self.held.push((taken, job));
                left -= 1;
            }
            if left == 0 {
                return;
            }
            if left == before {
                let kept = self.waiting.iter().find(|known| self.is_open(known.key));
                assert!(kept.is_none(), "{kept:?} was not handed out: {:?}", self.rules);
                return;
            }
        }
    }

    fn take_held(&mut self, index: usize) -> Option<(Known, TakenJob)> {
        let count = self.held.len();
        (count > 0).then(|| self.held.swap_remove(index % count))
    }

    async fn end(&mut self, index: usize, well: bool) {
        let Some((known, job)) = self.take_held(index) else { return };
        let end = match well {
            true => success(&self.bench, &job.lease, text("1")),
            false => failure(&self.bench, &job.lease, "bad luck"),
        };
        assert!(finish(&self.actor, end).await);
        if !well && job.attempt < ATTEMPTS {
            until_state(&self.queue, &known.id, JobState::Queued).await;
            self.waiting.push(known);
        }
    }

    async fn cancel(&mut self, index: usize) {
        let count = self.waiting.len() + self.held.len();
        if count == 0 {
            return;
        }
        let index = index % count;
        match index.checked_sub(self.waiting.len()) {
            None => {
                let known = self.waiting.swap_remove(index);
                self.queue.cancel(&known.id, "").await.unwrap();
            }
            Some(held) => {
                let (known, job) = self.held.swap_remove(held);
                self.queue.cancel(&known.id, "").await.unwrap();
                self.actor.let_go(&[job.lease]).await.unwrap();
            }
        }
    }

    async fn crash(&mut self) {
        self.queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), self.pid, &killed()).await.unwrap();
        for (known, job) in std::mem::take(&mut self.held) {
            if job.attempt < ATTEMPTS {
                self.waiting.push(known);
            }
        }
        self.pid += 1;
        self.actor = self.bench.actor("osis_actor_0", self.pid).await;
    }

    /// Ends everything without a pause; nothing is left.
    async fn settle(&mut self) {
        self.change_rules(&[(0, 1, 1, false), (4, 2, 2, false)]).await;
        let mut tries = 0;
        while !self.waiting.is_empty() || !self.held.is_empty() {
            tries += 1;
            assert!(tries < 10_000, "these are not handed out: {:?}", self.waiting);
            while !self.held.is_empty() {
                self.end(0, true).await;
            }
            self.take(5).await;
        }
        self.queue.close().await;
        self.actor.close().await;
    }
}

/// Runs a model; memory has a clock that is paused.
pub(super) fn run(kind: Kind, model: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(kind == Kind::Memory).build().unwrap().block_on(model);
}

fn play(kind: Kind, steps: &[Step]) {
    run(kind, async {
        let mut model = Model::start(kind).await;
        for step in steps {
            model.play(step).await;
        }
        model.settle().await;
    });
}

pub(super) fn config(cases: u32) -> ProptestConfig {
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
    fn keys_keep_to_their_rules_on_memory(steps in proptest::collection::vec(step(), 1..60)) {
        play(Kind::Memory, &steps);
    }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn keys_keep_to_their_rules_on_redis(steps in proptest::collection::vec(step(), 1..60)) {
        play(Kind::Redis, &steps);
    }
}
