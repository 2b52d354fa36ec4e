mod fake_host;
mod fake_queue;
mod order;
mod output;
mod refusals;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::*;
use crate::domain::model::id::{ActorId, JobId};
use crate::domain::model::job::{JobErrorKind, JobSpec};
use crate::domain::model::output::OutputItem;
use crate::domain::model::script_type::ScriptType;
use crate::ports::work_queue::Work;
use fake_host::FakeHosts;
use fake_queue::FakeQueue;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
    }
}

/// A loop that runs, and the ways to end it.
struct Running {
    queue: Arc<FakeQueue>,
    hosts: FakeHosts,
    shutdown: Shutdown,
    task: JoinHandle<Ended>,
}

#[expect(clippy::disallowed_methods, reason = "the test owns and joins the task")]
fn run_with(queue: &Arc<FakeQueue>, hosts: FakeHosts, config: WorkerConfig) -> Running {
    let shutdown = Shutdown::new();
    let port: Arc<dyn WorkQueue> = Arc::clone(queue) as _;
    let worker = Worker::new(port, Arc::new(FixedClock), hosts.clone(), config);
    let token = shutdown.clone();
    let task = tokio::spawn(async move { worker.run(&token).await });
    Running { queue: Arc::clone(queue), hosts, shutdown, task }
}

fn run(queue: &Arc<FakeQueue>) -> Running {
    run_with(queue, FakeHosts::default(), WorkerConfig::one_after_another())
}

impl Running {
    async fn stop(self) -> Ended {
        self.shutdown.soft().cancel();
        self.task.await.unwrap()
    }

    async fn ended(&self, count: usize) {
        self.queue.until(&format!("{count} ends"), |state| state.ends.len() >= count).await;
    }

    fn ran(&self) -> Vec<String> {
        self.hosts.log.lock().unwrap().ran.clone()
    }

    fn kind(&self, name: &str) -> Option<JobErrorKind> {
        let state = self.queue.state();
        let (_, outcome) = state.ends.iter().find(|(ended, _)| ended == name)?;
        outcome.as_ref().err().map(|error| error.kind)
    }
}

fn lease(name: &str) -> Lease {
    let name = name.replace(' ', "_");
    Lease { job_id: JobId::parse(&name).unwrap(), token: name }
}

#[tokio::test(start_paused = true)]
async fn jobs_run_in_the_order_of_the_queue_and_ends_are_written_in_batches() {
    let names: Vec<String> = (0..200).map(|number| format!("job-{number:03}")).collect();
    let queue = FakeQueue::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let running = run(&queue);
    running.ended(200).await;
    assert_eq!(running.ran(), names);
    assert_eq!(queue.names(), names);
    assert!(queue.state().finish_calls < 100, "{}", queue.state().finish_calls);
    let takes = queue.state().takes.clone();
    assert!(takes[0] <= 16 && takes.iter().all(|max| (1..=64).contains(max)), "{takes:?}");
    assert!(takes.iter().any(|max| *max > 16), "short jobs are taken by the dozen: {takes:?}");
    assert_eq!(running.stop().await, Ended::Drained);
    assert!(queue.state().closed);
    assert_eq!(queue.state().announced.last(), Some(&true));
}

#[tokio::test(start_paused = true)]
async fn a_slow_job_gives_back_what_was_taken_behind_it_and_order_stays() {
    let queue = FakeQueue::new(&["a", "slow 10000", "b", "c", "d"]);
    let running = run(&queue);
    queue.until("release", |state| !state.released.is_empty()).await;
    assert_eq!(queue.state().released[0], ["b", "c", "d"]);
    assert_eq!(queue.state().waiting.len(), 3);
    assert_eq!(queue.state().started, ["slow_10000"]);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(queue.state().takes.last(), Some(&0), "a slow actor takes nothing of the common queue");
    running.ended(5).await;
    assert_eq!(running.ran(), ["a", "slow 10000", "b", "c", "d"]);
    assert_eq!(running.stop().await, Ended::Drained);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_pinned_to_a_slow_actor_waits_there() {
    let queue = FakeQueue::new(&["slow 10000"]);
    let mut spec = JobSpec::new(ScriptType::OSIS, "pinned");
    spec.target_actor = Some(ActorId::parse("me").unwrap());
    queue.add_spec(spec);
    let running = run(&queue);
    running.ended(2).await;
    assert!(queue.state().released.is_empty());
    assert_eq!(running.ran(), ["slow 10000", "pinned"]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_costs_the_running_job_and_the_rest_goes_to_a_new_host() {
    let queue = FakeQueue::new(&["a", "crash", "b", "c"]);
    let running = run(&queue);
    running.ended(4).await;
    assert_eq!(running.ran(), ["a", "crash", "b", "c"]);
    assert_eq!(running.kind("crash"), Some(JobErrorKind::EngineCrash));
    assert_eq!(running.hosts.log.lock().unwrap().launched, 2);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_given_to_a_host_that_is_gone_runs_on_the_next_one() {
    let queue = FakeQueue::new(&["leave"]);
    let running = run(&queue);
    running.ended(1).await;
    sleep(fake_host::MISSED_AFTER / 2).await;
    queue.add("b");
    running.ended(2).await;
    assert_eq!(running.ran(), ["leave", "b"]);
    assert_eq!(running.kind("b"), None, "it succeeded");
    assert_eq!(running.hosts.log.lock().unwrap().launched, 2);
}

/// A job that may have been started in the moment between must not be started twice.
#[tokio::test(start_paused = true)]
async fn a_job_that_was_given_to_a_host_before_that_was_gone_is_charged() {
    let queue = FakeQueue::new(&["leave", "b"]);
    let running = run(&queue);
    running.ended(2).await;
    assert_eq!(running.kind("b"), Some(JobErrorKind::EngineCrash));
    assert_eq!(running.ran(), ["leave"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_is_killed_when_it_runs_and_dropped_when_it_waits() {
    let queue = FakeQueue::new(&["hang", "b", "c"]);
    let running = run(&queue);
    queue.until("hang runs", |state| !state.pending.is_empty()).await;
    sleep(Duration::from_millis(10)).await;
    queue.state().void.extend(["hang".to_owned(), "b".to_owned()]);
    queue.send(Work::Cancelled { lease: lease("b") });
    queue.send(Work::Cancelled { lease: lease("hang") });
    running.ended(1).await;
    assert_eq!(queue.names(), ["c"]);
    assert_eq!(running.ran(), ["hang", "c"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_of_a_cancelled_job_is_told_once_its_script_is_gone() {
    let queue = FakeQueue::new(&["plain", "hang", "b"]);
    queue.state().waiting.iter_mut().skip(1).for_each(|job| job.spec.unique = Some(Box::default()));
    let running = run(&queue);
    running.ended(1).await;
    sleep(Duration::from_millis(10)).await;
    queue.state().void.extend(["hang".to_owned(), "b".to_owned()]);
    queue.send(Work::Cancelled { lease: lease("b") });
    queue.send(Work::Cancelled { lease: lease("hang") });
    queue.until("both are let go", |state| state.let_go.len() == 2).await;
    assert_eq!(queue.state().let_go, ["b", "hang"]);
    queue.add("c");
    running.ended(2).await;
    assert_eq!(running.ran(), ["plain", "hang", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_an_actor_that_takes_nothing() {
    let queue = FakeQueue::new(&["hang"]);
    let running = run(&queue);
    sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    queue.state().void.insert("hang".to_owned());
    queue.send(Work::Cancelled { lease: lease("hang") });
    queue.add("next");
    running.ended(1).await;
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_noticed_by_the_heartbeat() {
    let queue = FakeQueue::new(&["hang"]);
    let running = run(&queue);
    sleep(Duration::from_secs(12)).await;
    assert_eq!(queue.state().beats, 2);
    queue.state().void.insert("hang".to_owned());
    queue.add("next");
    running.ended(1).await;
    assert_eq!(queue.names(), ["next"]);
}

#[tokio::test(start_paused = true)]
async fn a_script_that_its_engine_does_not_stop_is_terminated_then_killed() {
    for (script, at_most) in [("hang", 2), ("stubborn", 4)] {
        let queue = FakeQueue::new(&[]);
        let mut spec = JobSpec::new(ScriptType::OSIS, script);
        spec.run_timeout = Duration::from_secs(1);
        queue.add_spec(spec);
        queue.add("next");
        let begun = Instant::now();
        let running = run(&queue);
        running.ended(2).await;
        assert_eq!(running.kind(script), Some(JobErrorKind::RunTimeout));
        assert_eq!(running.kind("next"), None);
        assert_eq!(running.hosts.log.lock().unwrap().terminated, 1);
        assert!(begun.elapsed() < Duration::from_secs(at_most), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn out_of_touch_scripts_are_killed_and_untouched_jobs_run_after_recovery() {
    let queue = FakeQueue::new(&["hang", "b"]);
    let running = run_with(
        &queue,
        FakeHosts::default(),
        // Nothing is slow here, so "b" stays in hand.
        WorkerConfig { slow_after: Duration::from_secs(3600), ..WorkerConfig::one_after_another() },
    );
    sleep(Duration::from_secs(6)).await;
    queue.state().away = true;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(running.hosts.log.lock().unwrap().launched, 1, "a short outage kills nothing");
    sleep(Duration::from_secs(8)).await;
    assert_eq!(running.hosts.log.lock().unwrap().launched, 2);
    queue.state().away = false;
    running.ended(2).await;
    assert_eq!(running.kind("hang"), Some(JobErrorKind::ActorLost));
    assert_eq!(running.ran(), ["hang", "b"], "what may have started is not started again");
}

#[tokio::test(start_paused = true)]
async fn ends_are_written_when_the_queue_is_back() {
    let queue = FakeQueue::new(&["work 2000"]);
    let running = run(&queue);
    sleep(Duration::from_secs(1)).await;
    queue.state().away = true;
    sleep(Duration::from_secs(4)).await;
    queue.state().away = false;
    running.ended(1).await;
    queue.add("next");
    running.ended(2).await;
    assert_eq!(running.ran(), ["work 2000", "next"]);
    assert_eq!(running.stop().await, Ended::Drained);
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_what_runs_and_gives_the_rest_back() {
    let queue = FakeQueue::new(&["slow 30", "b", "c"]);
    let running = run(&queue);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(running.stop().await, Ended::Drained);
    assert_eq!(queue.names(), ["slow_30"]);
    let waiting: Vec<_> = queue.state().waiting.iter().map(|job| job.spec.script.clone()).collect();
    assert_eq!(waiting, ["b", "c"]);
    assert!(queue.state().pending.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_second_request_to_stop_kills_what_runs() {
    let queue = FakeQueue::new(&["hang"]);
    let running = run(&queue);
    sleep(Duration::from_secs(1)).await;
    running.shutdown.escalate();
    sleep(Duration::from_secs(5)).await;
    assert!(!running.task.is_finished());
    running.shutdown.escalate();
    assert_eq!(running.task.await.unwrap(), Ended::Drained);
    assert_eq!(queue.names(), ["hang"]);
}

#[tokio::test(start_paused = true)]
async fn a_drained_actor_takes_up_work_again_by_itself() {
    let queue = FakeQueue::new(&[]);
    let running = run(&queue);
    sleep(Duration::from_secs(1)).await;
    queue.send(Work::Drain { resume_after: Duration::from_secs(30) });
    queue.until("says so", |state| state.announced.last() == Some(&true)).await;
    queue.add("a");
    sleep(Duration::from_secs(20)).await;
    assert_eq!(running.ran(), Vec::<String>::new());
    running.ended(1).await;
    assert_eq!(queue.state().announced.last(), Some(&false));
}

#[tokio::test(start_paused = true)]
async fn without_an_engine_jobs_fail_at_once() {
    let queue = FakeQueue::new(&["a", "b"]);
    let hosts = FakeHosts { broken: true, ..FakeHosts::default() };
    let running = run_with(&queue, hosts, WorkerConfig::one_after_another());
    running.ended(2).await;
    assert_eq!(running.kind("a"), Some(JobErrorKind::EngineUnavailable));
    sleep(Duration::from_secs(600)).await;
    let launched = running.hosts.log.lock().unwrap().launched;
    assert!((5..60).contains(&launched), "{launched} hosts in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn several_hosts_run_side_by_side() {
    let queue = FakeQueue::new(&["a 1000", "b 1000", "c 1000", "d 1000", "e 1000"]);
    let begun = Instant::now();
    let running = run_with(&queue, FakeHosts::default(), WorkerConfig::side_by_side(4));
    running.ended(4).await;
    assert!(begun.elapsed() < Duration::from_millis(1100), "{:?}", begun.elapsed());
    running.ended(5).await;
    assert_eq!(
        queue.state().released,
        [["e_1000"]],
        "nothing is kept from other actors while all hosts are slow"
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_retires_costs_nothing() {
    let queue = FakeQueue::new(&["a", "retire", "b", "c"]);
    let running = run(&queue);
    running.ended(4).await;
    assert_eq!(running.ran(), ["a", "retire", "b", "c"]);
    assert!(queue.state().ends.iter().all(|(_, outcome)| outcome.is_ok()));
    assert_eq!(running.hosts.log.lock().unwrap().launched, 2);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_come_up_is_replaced() {
    let queue = FakeQueue::new(&["a"]);
    let hosts = FakeHosts { first_hangs: true, ..FakeHosts::default() };
    let running = run_with(&queue, hosts, WorkerConfig::one_after_another());
    running.ended(1).await;
    assert_eq!(running.kind("a"), None);
    assert_eq!(running.hosts.log.lock().unwrap().launched, 2);
}
