//! Is an idle actor still able to work? A ping job through its inbox and its real engine tells.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::domain::actor::{ActorState, ActorStatus, Readiness};
use crate::domain::id::ActorId;
use crate::domain::job::{JobKind, JobSpec, JobState};
use crate::domain::lifecycle::{ActorLifecycleManager, StopOptions};
use crate::domain::supervisor::JobRequest;
use crate::error::chain;

/// When to ping, and when it is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthPolicy {
    /// An actor without a job for this long is pinged: 10 minutes.
    pub idle_after: Duration,
    /// Time to answer a ping: 30 s.
    pub ping_timeout: Duration,
    /// Misses in a row that lead to a restart: 3.
    pub failure_threshold: u32,
    /// Time between two rounds: 30 s.
    pub interval: Duration,
}

impl Default for HealthPolicy {
    fn default() -> Self {
        Self {
            idle_after: Duration::from_secs(600),
            ping_timeout: Duration::from_secs(30),
            failure_threshold: 3,
            interval: Duration::from_secs(30),
        }
    }
}

/// The verdict on an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It works, or answered its last ping.
    Healthy,
    /// It missed a ping, but not too many.
    Degraded,
    /// It missed too many.
    Unhealthy,
    /// It does not run, or cannot be pinged.
    Unknown,
}

/// What a round did about an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthAction {
    /// Nothing: it is busy, or was lately, or does not run.
    None,
    /// It was pinged.
    Pinged,
    /// It was pinged in vain once too often and restarted.
    Restarted,
}

/// One actor in one round.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthReport {
    /// Which.
    pub actor_id: ActorId,
    /// How it is.
    pub health: Health,
    /// What was done.
    pub action: HealthAction,
    /// From submit to result, if it answered a ping in this round.
    pub ping_rtt: Option<Duration>,
    /// Misses in a row, this round included.
    pub consecutive_failures: u32,
    /// One sentence on why.
    pub reason: String,
}

/// What to do about one actor; decided before anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    NotRunning,
    Busy,
    Recent,
    CannotBePinged,
    Ping,
}

/// Remembers job times and misses between rounds.
#[derive(Debug, Default)]
pub struct HealthMonitor {
    policy: HealthPolicy,
    memory: Mutex<BTreeMap<String, Memory>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    last_job: Option<Instant>,
    misses: u32,
}

impl HealthMonitor {
    /// A monitor with this policy.
    pub fn new(policy: HealthPolicy) -> Self {
        Self { policy, memory: Mutex::default() }
    }

    /// Notes that an actor had a job just now.
    pub fn note_job(&self, name: &str) {
        let entry = Memory { last_job: Some(Instant::now()), misses: 0 };
        self.lock().insert(name.to_owned(), entry);
    }

    /// Rounds for ever.
    pub async fn run(&self, manager: &ActorLifecycleManager) {
        loop {
            if let Err(error) = manager.monitor_actor_health().await {
                tracing::warn!(error = %chain(&error), "a round of health checks was not possible");
            }
            tokio::time::sleep(self.policy.interval).await;
        }
    }

    /// One round over these actors, side by side.
    pub async fn check(
        &self,
        manager: &ActorLifecycleManager,
        actors: Vec<ActorStatus>,
    ) -> Vec<HealthReport> {
        let now = manager.supervisor().clock().now();
        let rounds = actors.iter().map(|actor| self.check_one(manager, actor, now));
        futures::future::join_all(rounds).await
    }

    async fn check_one(
        &self,
        manager: &ActorLifecycleManager,
        actor: &ActorStatus,
        now: SystemTime,
    ) -> HealthReport {
        let id = &actor.record.id;
        let memory = self.memory_of(id);
        let noted = memory.last_job.map(|at| at.elapsed());
        let next = next(&self.policy, actor, noted, memory.misses, now);
        let report = |health, reason: &str| HealthReport {
            actor_id: id.clone(),
            health,
            action: HealthAction::None,
            ping_rtt: None,
            consecutive_failures: self.memory_of(id).misses,
            reason: reason.to_owned(),
        };
        match next {
            Next::NotRunning => report(Health::Unknown, actor.state.as_str()),
            Next::Busy => report(Health::Healthy, "busy"),
            Next::Recent => report(Health::Healthy, "had a job lately"),
            Next::CannotBePinged => report(Health::Unknown, "does not take jobs from a queue"),
            Next::Ping => self.ping(manager, id, actor).await,
        }
    }

    async fn ping(&self, manager: &ActorLifecycleManager, id: &ActorId, actor: &ActorStatus) -> HealthReport {
        let begun = Instant::now();
        let script_type = actor.record.config.script_type;
        let spec = JobSpec {
            kind: JobKind::Ping,
            target_actor: Some(id.clone()),
            run_timeout: self.policy.ping_timeout,
            queue_timeout: Some(self.policy.ping_timeout),
            result_ttl: Duration::from_secs(60),
            ..JobSpec::new(script_type, "\"pong\"")
        };
        let awaited = manager.supervisor().run(JobRequest::new(spec), self.policy.ping_timeout).await;
        let miss = match awaited {
            Ok(awaited) if awaited.job.state == JobState::Succeeded => {
                self.lock().insert(id.to_string(), Memory { last_job: Some(Instant::now()), misses: 0 });
                return HealthReport {
                    actor_id: id.clone(),
                    health: Health::Healthy,
                    action: HealthAction::Pinged,
                    ping_rtt: Some(begun.elapsed()),
                    consecutive_failures: 0,
                    reason: "answered a ping".to_owned(),
                };
            }
            Ok(awaited) if awaited.done => match awaited.job.error {
                Some(error) => format!("its ping failed: {error}"),
                None => format!("its ping ended as {}", awaited.job.state),
            },
            Ok(awaited) => {
                if let Err(error) =
                    manager.supervisor().cancel(&awaited.job.id, "nobody waits for this ping").await
                {
                    tracing::debug!(error = %chain(&error), "a ping could not be taken back");
                }
                format!("it did not answer a ping within {:?}", self.policy.ping_timeout)
            }
            Err(error) => {
                // The queue is at fault, not the actor.
                let misses = self.memory_of(id).misses;
                return HealthReport {
                    actor_id: id.clone(),
                    health: Health::Unknown,
                    action: HealthAction::None,
                    ping_rtt: None,
                    consecutive_failures: misses,
                    reason: chain(&error),
                };
            }
        };
        self.on_miss(manager, id, miss).await
    }

    async fn on_miss(&self, manager: &ActorLifecycleManager, id: &ActorId, reason: String) -> HealthReport {
        let misses = {
            let mut memory = self.lock();
            let entry = memory.entry(id.to_string()).or_default();
            entry.misses = entry.misses.saturating_add(1);
            entry.misses
        };
        tracing::warn!(actor.id = %id, misses, "actor {id} missed a ping: {reason}");
        let mut report = HealthReport {
            actor_id: id.clone(),
            health: Health::Degraded,
            action: HealthAction::Pinged,
            ping_rtt: None,
            consecutive_failures: misses,
            reason,
        };
        if misses < self.policy.failure_threshold {
            return report;
        }
        report.health = Health::Unhealthy;
        // It does not answer, so there is nothing to drain; force spares the wait.
        let options = StopOptions { drain_timeout: None, force: true };
        match manager.restart(id, options, self.policy.ping_timeout).await {
            Ok(_changed) => {
                report.action = HealthAction::Restarted;
                self.lock().insert(id.to_string(), Memory::default());
            }
            Err(error) => report.reason = format!("{}; its restart failed: {}", report.reason, chain(&error)),
        }
        report
    }

    fn memory_of(&self, id: &ActorId) -> Memory {
        self.lock().get(id.as_str()).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Memory>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A busy actor is never pinged: its leases judge it. After a miss the next ping follows at once, however short the idle
/// time: a hung actor may have taken the ping and so look as if it had had a job.
fn next(
    policy: &HealthPolicy,
    actor: &ActorStatus,
    noted: Option<Duration>,
    misses: u32,
    now: SystemTime,
) -> Next {
    if actor.state != ActorState::Running {
        return Next::NotRunning;
    }
    if actor.record.config.readiness == Readiness::Process {
        return Next::CannotBePinged;
    }
    if actor.in_flight > 0 {
        return Next::Busy;
    }
    if misses > 0 {
        return Next::Ping;
    }
    let age = |at: SystemTime| now.duration_since(at).unwrap_or_default();
    let idle = [actor.last_job_at.map(age), actor.started_at.map(age), noted].into_iter().flatten().min();
    match idle {
        Some(idle) if idle < policy.idle_after => Next::Recent,
        Some(_) | None => Next::Ping,
    }
}
