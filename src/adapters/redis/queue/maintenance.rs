//! Periodic housekeeping of all queues that are used.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures::future::join_all;
use redis::Cmd;
use tokio::time::Instant;

use super::{ROUND, ROUNDS, RedisQueue, known_queues, span_millis, used_queues};
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys;
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_queue::QueueError;
use crate::ports::queue_maintenance::QueueMaintenance;
use crate::ports::store_fault::StoreFault;

/// Time between two sweeps for consumers of dead processes.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Silence after which a consumer that holds nothing is dropped.
const CONSUMER_IDLE: Duration = Duration::from_secs(3600);

#[async_trait]
impl QueueMaintenance for RedisQueue {
    async fn probe(&self) -> Result<Duration, QueueError> {
        let asked = Instant::now();
        let mut probes = redis::pipe();
        probes.add_command(Function::Probe.on(keys::PROBE));
        if self.shared.connection.servers().are_many() {
            for queue in QueueName::DEFAULTS {
                probes.add_command(Function::Probe.on(keys::probe(queue)));
            }
        }
        self.shared.connection.pipe::<()>(&probes, "a probe").await?;
        Ok(asked.elapsed())
    }

    async fn wall_time(&self) -> Result<Option<SystemTime>, QueueError> {
        let time: (u64, u64) = self.shared.connection.call(&redis::cmd("TIME"), "the time of Redis").await?;
        Ok(Some(SystemTime::UNIX_EPOCH + Duration::from_secs(time.0) + Duration::from_micros(time.1)))
    }

    fn primary(&self) -> Option<String> {
        self.shared.connection.primary()
    }

    async fn maintain(&self) -> Result<(), QueueError> {
        if let Err(error) = self.shared.connection.keep_library().await {
            if !self.shared.connection.servers().are_many() {
                return Err(error.into());
            }
            tracing::debug!(%error, "functions: not looked at on each primary");
        }
        let sweeps = self.is_sweep_due();
        // What is known of named queues lies elsewhere, and must not keep the default ones from their maintenance.
        let named = self.named_queues_now().await.unwrap_or_else(|error| {
            tracing::debug!(%error, "named queues: maintenance is put off");
            Vec::new()
        });
        // A damaged key, or a server of a Cluster that is away, must not keep the other queues from their maintenance.
        let queues = QueueName::DEFAULTS.into_iter().chain(named.iter().copied());
        let done = join_all(queues.map(|queue| self.maintain_queue(queue, sweeps))).await;
        if let Err(error) = used_queues::set_next_rounds(&self.shared, &named).await {
            tracing::debug!(%error, "named queues: next rounds are not noted");
        }
        done.into_iter().find(Result::is_err).unwrap_or(Ok(())).map_err(QueueError::from)
    }

    fn lease(&self) -> Duration {
        self.shared.config.lease
    }

    async fn close(&self) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.awaiters.clear();
        self.shared.connection.close();
    }
}

impl RedisQueue {
    /// The named queues that have a round now.
    async fn named_queues_now(&self) -> Result<Vec<QueueName>, StoreFault> {
        known_queues::refresh(&self.shared).await?;
        used_queues::due(&self.shared).await
    }

    /// One round for one queue. A damaged key fails its step only.
    async fn maintain_queue(&self, queue: QueueName, sweeps: bool) -> Result<(), StoreFault> {
        let config = &self.shared.config;
        let mut tick = Function::Tick.on_queue(queue);
        tick.arg(span_millis(config.lease)).arg(ROUND);
        self.add_flow(queue, &mut tick);
        let mut trim = Function::Trim.on_queue(queue);
        trim.arg(config.finished_limit).arg(ROUND);
        let mut steps = vec![(tick, "a round of maintenance"), (trim, "a round of retention")];
        if sweeps {
            let mut sweep = Function::Sweep.on_queue(queue);
            sweep.arg(span_millis(CONSUMER_IDLE));
            steps.push((sweep, "a sweep"));
        }
        let mut damage = None;
        for (step, what) in steps {
            match self.repeat_until_done(&step, what).await {
                Err(error @ StoreFault::Corrupt { .. }) => damage = damage.or(Some(error)),
                done => done?,
            }
        }
        self.open_flow(queue).await;
        damage.map_or(Ok(()), Err)
    }

    /// Calls a function until it answers that there is no more to do.
    pub(super) async fn repeat_until_done(&self, command: &Cmd, what: &str) -> Result<(), StoreFault> {
        for _round in 0..ROUNDS {
            if self.shared.connection.call::<i64>(command, what).await? != 1 {
                break;
            }
        }
        Ok(())
    }

    fn is_sweep_due(&self) -> bool {
        let mut swept_at = self.swept_at.lock();
        let due = swept_at.is_none_or(|at| at.elapsed() >= SWEEP_EVERY);
        if due {
            *swept_at = Some(Instant::now());
        }
        due
    }
}
