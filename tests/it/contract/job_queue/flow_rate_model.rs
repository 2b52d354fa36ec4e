//! Random sequences of calls against a model of rates: on memory and on Redis alike. No span of time sees more jobs of a key than its
//! rate allows, and a key that is open keeps no job.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hero_supervisor::domain::model::flow::{FlowRate, FlowRule, FlowRules, FlowUse};
use hero_supervisor::domain::model::id::JobId;
use hero_supervisor::domain::model::job::JobSpec;
use hero_supervisor::ports::queue::Queue;
use hero_supervisor::ports::work_queue::{TakenJob, Work, WorkQueue};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use super::flow::{rule, set};
use super::flow_model::{config, run};
use super::flow_rate::start;
use super::queue_contract::{
    Kind, LIMIT, OSIS, QueueContract, actor_id, finish, killed, submission, success, text, with_attempts,
};

const KEYS: [&str; 3] = ["a", "b", "c"];
/// Time by which the clocks of the test and of the queue may differ.
const SKEW: Duration = Duration::from_millis(3);

#[derive(Debug, Clone)]
enum Step {
    Submit(usize, usize),
    Take(usize),
    /// Takes jobs and gives them back.
    Release(usize),
    Finish(usize),
    Wait(u64),
    /// Key, jobs in a second and burst; without jobs there is no rate.
    Rules(Vec<(usize, u32, u32)>),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let rules = proptest::collection::vec(
        (0..=KEYS.len(), prop_oneof![1 => Just(0), 3 => 8_u32..80], 1_u32..5),
        1..4,
    );
    prop_oneof![
        5 => (0..KEYS.len(), 1_usize..12).prop_map(|(key, jobs)| Step::Submit(key, jobs)),
        8 => (1_usize..8).prop_map(Step::Take),
        1 => (1_usize..4).prop_map(Step::Release),
        4 => any::<usize>().prop_map(Step::Finish),
        4 => (1_u64..120).prop_map(Step::Wait),
        2 => rules.prop_map(Step::Rules),
        1 => Just(Step::Crash),
    ]
}

/// What is known of one key: its hand-outs since its rules have changed, each as the span of time in which it was.
#[derive(Default)]
struct Log {
    given: Vec<(Instant, Instant)>,
    /// Its use, all of it as late as it can have been.
    used: Option<FlowUse>,
}

struct Model {
    bench: QueueContract,
    queue: Arc<dyn Queue>,
    actor: Arc<dyn WorkQueue>,
    pid: u32,
    generation: u64,
    rules: FlowRules,
    waiting: BTreeMap<JobId, &'static str>,
    held: Vec<(&'static str, TakenJob)>,
    logs: BTreeMap<&'static str, Log>,
}

impl Model {
    async fn start(kind: Kind) -> Self {
        let bench = kind.bench().await;
        let (queue, actor) = (bench.supervisor(), bench.actor("osis_actor_0", 100).await);
        let (rules, waiting, held, logs) = Default::default();
        let mut model = Self { bench, queue, actor, pid: 100, generation: 0, rules, waiting, held, logs };
        model.change_rules(&[(KEYS.len(), 20, 2)]).await;
        model
    }

    async fn play(&mut self, step: &Step) {
        match step {
            Step::Submit(key, jobs) => self.submit(KEYS[*key], *jobs).await,
            Step::Take(most) => self.take(*most).await,
            Step::Release(most) => {
                let taken = self.next_jobs(*most).await;
                let leases: Vec<_> = taken.into_iter().map(|job| job.lease).collect();
                self.actor.release(&leases).await.unwrap();
            }
            Step::Finish(index) => self.end(*index).await,
            Step::Wait(millis) => sleep(Duration::from_millis(*millis)).await,
            Step::Rules(rules) => self.change_rules(rules).await,
            Step::Crash => self.crash().await,
        }
        let depth = self.queue.depth(OSIS.into()).await.unwrap();
        let expected = (self.waiting.len(), self.held.len());
        assert_eq!((depth.queued as usize, depth.running as usize), expected, "after {step:?}");
    }

    async fn submit(&mut self, key: &'static str, jobs: usize) {
        let spec = || JobSpec { flow_key: Some(key.to_owned()), ..with_attempts("1", 100) };
        let answers = self.queue.submit((0..jobs).map(|_job| submission(spec())).collect()).await.unwrap();
        self.waiting.extend(answers.into_iter().map(|answer| (answer.unwrap().job.id, key)));
    }

    async fn change_rules(&mut self, rules: &[(usize, u32, u32)]) {
        let mut all: Vec<FlowRule> = Vec::new();
        for (key, jobs, burst) in rules {
            let key = KEYS.get(*key).map(|key| (*key).to_owned());
            let rate = (*jobs > 0).then(|| FlowRate::new(*jobs, Duration::from_secs(1), Some(*burst)));
            if all.iter().all(|other| other.key != key) {
                all.push(FlowRule { key, rate, ..rule("") });
            }
        }
        self.generation += 1;
        set(&self.queue, self.generation, all.clone()).await;
        self.rules = FlowRules::new(all).unwrap();
        self.logs.values_mut().for_each(|log| log.given.clear());
    }

    async fn next_jobs(&self, most: usize) -> Vec<TakenJob> {
        self.queue.maintain().await.unwrap();
        let work = self.actor.take(most, Duration::ZERO).await.unwrap();
        let jobs = work.into_iter().filter_map(|work| match work {
            Work::Job(job) => Some(*job),
            Work::Drain { .. } | Work::Cancelled { .. } => None,
        });
        jobs.collect()
    }

    /// Takes and begins jobs. If there are fewer than asked for, no key that has others is open.
    async fn take(&mut self, most: usize) {
        let mut left = most;
        while left > 0 {
            let (before, clock) = (Instant::now(), self.bench.now());
            let taken = self.next_jobs(left).await;
            if taken.is_empty() {
                let kept = self.waiting.values().find(|key| self.is_open(key, clock));
                assert!(kept.is_none(), "a job of {kept:?} was not handed out: {:?}", self.rules);
                return;
            }
            left -= taken.len();
            self.begin(before, taken).await;
        }
    }

    async fn begin(&mut self, before: Instant, taken: Vec<TakenJob>) {
        start(&self.bench, &self.actor, &taken).await;
        let (after, clock) = (Instant::now(), self.bench.now());
        for job in taken {
            let key = self.waiting.remove(&job.lease.job_id).expect("only what waits is handed out");
            self.held.push((key, job));
            let log = self.logs.entry(key).or_default();
            if let Some(rate) = self.rules.rate_of(key) {
                log.given.push((before, after));
                log.used = Some(FlowUse::after(log.used, &rate, clock));
                check(key, &rate, &log.given);
            }
        }
    }

    /// True if a key was open for sure at this time.
    fn is_open(&self, key: &str, clock: SystemTime) -> bool {
        let used = self.logs.get(key).and_then(|log| log.used);
        self.rules.rate_of(key).is_none_or(|rate| FlowUse::opens(used, &rate, clock - SKEW).is_none())
    }

    async fn end(&mut self, index: usize) {
        if self.held.is_empty() {
            return;
        }
        let (_key, job) = self.held.swap_remove(index % self.held.len());
        assert!(finish(&self.actor, success(&self.bench, &job.lease, text("1"))).await);
    }

    async fn crash(&mut self) {
        self.queue.reclaim(OSIS.into(), &actor_id("osis_actor_0"), self.pid, &killed()).await.unwrap();
        self.waiting.extend(self.held.drain(..).map(|(key, job)| (job.lease.job_id, key)));
        self.pid += 1;
        self.actor = self.bench.actor("osis_actor_0", self.pid).await;
    }

    /// Waits until all is handed out, without a round of maintenance; nothing is left.
    async fn settle(&mut self) {
        self.change_rules(&[(KEYS.len(), 40, 3)]).await;
        let deadline = Instant::now() + 3 * LIMIT;
        while !self.waiting.is_empty() {
            let before = Instant::now();
            let work = self.actor.take(5, LIMIT).await.unwrap();
            let jobs = work.into_iter().filter_map(|work| match work {
                Work::Job(job) => Some(*job),
                Work::Drain { .. } | Work::Cancelled { .. } => None,
            });
            let taken: Vec<_> = jobs.collect();
            assert!(!taken.is_empty() && Instant::now() < deadline, "not handed out: {:?}", self.waiting);
            self.begin(before, taken).await;
            while !self.held.is_empty() {
                self.end(0).await;
            }
        }
        self.queue.close().await;
        self.actor.close().await;
    }
}

/// Checks that no span of time that ends with the last hand-out saw more than the rate allows.
fn check(key: &str, rate: &FlowRate, given: &[(Instant, Instant)]) {
    let Some((_before, end)) = given.last() else { return };
    for (index, (begin, _after)) in given.iter().enumerate() {
        let span = end.duration_since(*begin) + Duration::from_millis(1);
        let most = f64::from(rate.burst) + span.as_secs_f64() / rate.interval().as_secs_f64();
        let count = given.len() - index;
        assert!(count as f64 <= most, "{count} jobs of {key} in {span:?}, by {rate:?}");
    }
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

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn keys_keep_to_their_rates_on_memory(steps in proptest::collection::vec(step(), 1..60)) {
        play(Kind::Memory, &steps);
    }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn keys_keep_to_their_rates_on_redis(steps in proptest::collection::vec(step(), 1..40)) {
        play(Kind::Redis, &steps);
    }
}
