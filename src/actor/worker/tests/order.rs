//! Jobs of one host run in the order of submission, whatever is called back and whenever the words of the host arrive.

use std::io;
use std::sync::Mutex;

use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::*;
use crate::actor::hosts::{Done, Host, HostEvent, Reply, Report};
use crate::actor::start_gate::{Start, StartGate};
use crate::domain::model::job::{JobResult, ResultKind};

/// Hosts of two threads and two sockets, each with delays of its own: `NAME MILLISECONDS`.
struct RacingHosts {
    rng: fastrand::Rng,
    ran: Arc<Mutex<Vec<String>>>,
    tasks: TaskTracker,
}

struct RacingHost {
    jobs: mpsc::Sender<(u64, String)>,
    control: mpsc::Sender<u64>,
}

/// Mostly nothing, now and then a moment in which others come first.
async fn delay(rng: &mut fastrand::Rng) {
    if rng.u8(..4) == 0 {
        sleep(Duration::from_micros(rng.u64(..60_000))).await;
    } else {
        tokio::task::yield_now().await;
    }
}

impl Launcher for RacingHosts {
    type Host = RacingHost;

    fn launch(&mut self, report: Report) -> io::Result<RacingHost> {
        let (jobs, mut submitted) = mpsc::channel::<(u64, String)>(1000);
        let (control, mut called_back) = mpsc::channel::<u64>(1000);
        let (replies, mut said) = mpsc::channel(1000);
        let turn = Arc::new(StartGate::default());
        let [mut scripts_rng, mut control_rng, mut socket_rng] = [(); 3].map(|()| self.rng.fork());
        let (ran, scripts_gate) = (Arc::clone(&self.ran), Arc::clone(&turn));
        self.tasks.spawn(async move {
            drop(replies.send(Reply::Ready { version: "racing".to_owned() }).await);
            let mut comes_late = true;
            while let Some((seq, script)) = submitted.recv().await {
                if comes_late {
                    delay(&mut scripts_rng).await;
                }
                comes_late = scripts_gate.start(seq, false) == Start::Go;
                if !comes_late {
                    continue;
                }
                ran.lock().unwrap().push(script.clone());
                let time = script.split(' ').nth(1).unwrap().parse().unwrap();
                sleep(Duration::from_millis(time)).await;
                let outcome = Ok(JobResult { text: script, kind: ResultKind::Text });
                drop(
                    replies
                        .send(Reply::Done(Done { seq, wall_us: 1, retiring: false, usage: None, outcome }))
                        .await,
                );
            }
        });
        let answers = report.clone();
        self.tasks.spawn(async move {
            while let Some(reply) = said.recv().await {
                delay(&mut socket_rng).await;
                answers.send(HostEvent::Replied(vec![reply])).await;
            }
        });
        self.tasks.spawn(async move {
            while let Some(upto) = called_back.recv().await {
                delay(&mut control_rng).await;
                let current = turn.call_back(upto);
                delay(&mut control_rng).await;
                report.send(HostEvent::CalledBack { current }).await;
            }
        });
        Ok(RacingHost { jobs, control })
    }
}

impl Host for RacingHost {
    fn submit(&mut self, seq: u64, job: &TakenJob, _start_by: Instant) {
        self.jobs.try_send((seq, job.spec.script.clone())).unwrap();
    }

    fn flush(&mut self) {}

    fn call_back(&mut self, upto: u64) {
        self.control.try_send(upto).unwrap();
    }

    fn terminate(&mut self) {}

    fn kill(&mut self) {}
}

#[expect(clippy::disallowed_methods, reason = "the test owns and joins the task")]
async fn ran(seed: u64, millis: &[u64]) -> Vec<String> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let queue = FakeQueue::new(&[]);
    let hosts = RacingHosts { rng: rng.fork(), ran: Arc::default(), tasks: TaskTracker::new() };
    let ran = Arc::clone(&hosts.ran);
    let port: Arc<dyn WorkQueue> = Arc::clone(&queue) as _;
    let worker = Worker::new(port, Arc::new(FixedClock), hosts, WorkerConfig::one_after_another());
    let shutdown = Shutdown::new();
    let token = shutdown.clone();
    let task = tokio::spawn(async move { worker.run(&token).await });
    for (number, millis) in millis.iter().enumerate() {
        queue.add(&format!("j{number} {millis}"));
        if rng.u8(..3) == 0 {
            sleep(Duration::from_millis(rng.u64(..80))).await;
        }
    }
    queue.until("all have ended", |state| state.ends.len() == millis.len()).await;
    shutdown.soft().cancel();
    assert_eq!(task.await.unwrap(), Ended::Drained);
    ran.lock().unwrap().clone()
}

proptest! {
    #![proptest_config(crate::properties::cases(128))]
    #[test]
    fn jobs_run_once_each_and_in_the_order_of_submission(
        seed in any::<u64>(),
        millis in prop::collection::vec(prop_oneof![9 => 0_u64..3, 1 => 30_u64..150], 2..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let ran = runtime.block_on(ran(seed, &millis));
        let submitted: Vec<String> =
            millis.iter().enumerate().map(|(number, millis)| format!("j{number} {millis}")).collect();
        prop_assert_eq!(ran, submitted);
    }
}
