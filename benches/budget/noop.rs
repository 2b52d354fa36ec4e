//! An actor whose engine does nothing, in the actor's own process: what is left is the queue.

use std::io;
use std::sync::Arc;

use hero_supervisor::ScriptType;
use hero_supervisor::actor::hosts::{Done, Host, HostEvent, Launcher, Reply, Report};
use hero_supervisor::actor::worker::{Worker, WorkerConfig};
use hero_supervisor::adapters::redis::{RedisConfig, RedisWorkQueue};
use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::domain::model::id::ActorId;
use hero_supervisor::domain::model::job::{JobResult, ResultKind};
use hero_supervisor::ports::work_queue::TakenJob;
use hero_supervisor::shutdown::Shutdown;
use tokio::time::Instant;

pub(crate) fn run(redis_url: &str, id: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = RedisConfig { url: redis_url.to_owned(), ..RedisConfig::default() };
        let actor = ActorId::parse(id).unwrap();
        let queue = RedisWorkQueue::new(config, ScriptType::OSIS.into(), actor, std::process::id()).unwrap();
        let config = WorkerConfig::one_after_another();
        let worker = Worker::new(Arc::new(queue), Arc::new(SystemClock), Nothing, config);
        worker.run(&Shutdown::new()).await;
    });
}

struct Nothing;

impl Launcher for Nothing {
    type Host = Nowhere;

    fn launch(&mut self, report: Report) -> io::Result<Nowhere> {
        let ready = Reply::Ready { version: "no-op".to_owned() };
        let mut host = Nowhere { report, said: vec![ready] };
        host.flush();
        Ok(host)
    }
}

struct Nowhere {
    report: Report,
    said: Vec<Reply>,
}

impl Host for Nowhere {
    fn submit(&mut self, seq: u64, _job: &TakenJob, _start_by: Instant) {
        let result = JobResult { text: "42".to_owned(), kind: ResultKind::Json };
        self.said.push(Reply::Done(Done {
            seq,
            wall_us: 0,
            retiring: false,
            usage: None,
            outcome: Ok(result),
        }));
    }

    fn flush(&mut self) {
        if let Err(HostEvent::Replied(kept)) =
            self.report.try_send(HostEvent::Replied(std::mem::take(&mut self.said)))
        {
            self.said = kept;
        }
    }

    fn call_back(&mut self, _upto: u64) {
        let _full = self.report.try_send(HostEvent::CalledBack { current: u64::MAX });
    }

    fn terminate(&mut self) {}

    fn kill(&mut self) {}
}
