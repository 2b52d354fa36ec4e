//! The task of an actor: the shell around its [`Machine`]. It brings inputs to the machine, one at a time, and carries out
//! the effects that come out.
//!
//! Nothing is waited for while an input is handled. Calls of the store, the queue and the process manager run in tasks of
//! their own ([`Calls`]), at most a handful at a time, and are answered to the machine. The operation that is under way is a
//! future of this task, polled beside the inputs, so that it ends at the very moment at which the machine gives it up.
//!
//! Priority of inputs that are there at once: the close of the manager, progress of the operation, its end, answers,
//! ticks, edits, requests, observations.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::domain::actors::Deps;
use crate::domain::actors::machine::{
    Answer, Call, Effect, Input, Machine, Moment, OperationPlan, ReplyId, StopReason, Ticket,
};
use crate::domain::actors::observer::Observer;
use crate::domain::actors::operation::{Note, Operation, log_tail};
use crate::domain::actors::registry::{Registry, TaskEnd};
use crate::domain::actors::reply::{Reply, answer};
use crate::domain::health::tracker::HealthTracker;
use crate::domain::model::actor::{ActorStatus, Verb};
use crate::domain::model::id::ActorId;
use crate::error::SupervisorError;

/// Interval of checks of operations, our own and those of other supervisors.
const TICK: Duration = Duration::from_millis(250);
/// Time for the calls under way when the machine leaves, and for the release of its lease.
const LEAVING: Duration = Duration::from_millis(500);
/// Notes of the operation that wait.
const WAITING_NOTES: usize = 8;

/// The owner of one actor.
pub(super) struct ActorTask {
    id: ActorId,
    machine: Machine,
    parts: Arc<Deps>,
    observer: Observer,
    registry: Registry,
    tracker: HealthTracker,
    end: TaskEnd,
    /// Callers who wait.
    replies: BTreeMap<ReplyId, Reply>,
    /// Calls under way.
    calls: JoinSet<(Ticket, Answer)>,
    operation: Option<BoxFuture<'static, Result<(), SupervisorError>>>,
    /// The operation waits for this.
    resume: Option<oneshot::Sender<()>>,
    notes: (mpsc::Sender<Note>, mpsc::Receiver<Note>),
    /// The machine leaves; what is not done by then is left undone.
    leave_by: Option<Instant>,
}

impl ActorTask {
    /// Makes the owner of an actor that is shown as the other end of `end` has it.
    pub(super) fn new(
        parts: Arc<Deps>,
        observer: Observer,
        registry: Registry,
        tracker: HealthTracker,
        end: TaskEnd,
    ) -> Self {
        let shown = end.status.borrow().clone();
        let id = shown.record.id.clone();
        let name = uuid::Uuid::new_v4().simple().to_string();
        let machine = Machine::new(shown, name, moment(&parts, &observer));
        Self {
            id,
            machine,
            parts,
            observer,
            registry,
            tracker,
            end,
            replies: BTreeMap::new(),
            calls: JoinSet::new(),
            operation: None,
            resume: None,
            notes: mpsc::channel(WAITING_NOTES),
            leave_by: None,
        }
    }

    /// Owns the actor until the end.
    pub(super) async fn run(mut self, token: CancellationToken) -> StopReason {
        let mut observations = self.observer.subscribe();
        observations.mark_changed();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let input = tokio::select! {
                biased;
                () = token.cancelled(), if self.leave_by.is_none() => Input::Close,
                () = at(self.leave_by) => return self.machine.leaving().unwrap_or(StopReason::Requested),
                Some(note) = self.notes.1.recv() => {
                    self.resume = note.resume.or(self.resume.take());
                    Input::Progress(note.progress)
                }
                ended = end_of(&mut self.operation) => {
                    self.operation = None;
                    Input::OperationEnded(ended)
                }
                Some(answered) = self.calls.join_next() => match answered {
                    Ok((ticket, answer)) => Input::Answered(ticket, answer),
                    Err(broken) => std::panic::resume_unwind(broken.into_panic()),
                },
                _at = ticks.tick(), if self.machine.needs_ticks() => Input::Tick,
                Some((edit, reply)) = self.end.edits.recv(), if self.machine.takes_edits() => {
                    self.replies.extend(reply);
                    Input::Edit(edit)
                }
                Some((request, reply)) = self.end.requests.recv(), if self.machine.takes_requests() => {
                    self.replies.insert(request.reply, reply);
                    Input::Request(request)
                }
                Ok(()) = observations.changed() => Input::Observed,
            };
            self.bring(input);
            if let Some(reason) = self.machine.left() {
                return reason;
            }
        }
    }

    /// Brings an input to the machine and carries out what it wants done.
    fn bring(&mut self, input: Input) {
        if matches!(input, Input::Close) {
            self.leave_by.get_or_insert_with(|| Instant::now() + LEAVING);
        }
        for effect in self.machine.on(moment(&self.parts, &self.observer), input) {
            self.carry_out(effect);
        }
        self.show_health();
        if let (Some(reason), false) = (self.machine.leaving(), self.end.is_closed()) {
            self.leave_by.get_or_insert_with(|| Instant::now() + LEAVING);
            self.close(reason);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Call(ticket, call) => {
                let calls = Calls {
                    id: self.id.clone(),
                    parts: Arc::clone(&self.parts),
                    observer: self.observer.clone(),
                };
                self.calls.spawn(async move { (ticket, calls.make(call).await) });
            }
            Effect::Begin(plan) => {
                self.resume = None;
                self.operation = Some(self.operation(*plan));
            }
            Effect::GiveUp => (self.operation, self.resume) = (None, None),
            Effect::Resume => {
                let _operation_gone = self.resume.take().map(|resume| resume.send(()));
            }
            Effect::Reply(replies, outcome) => {
                let waiting = replies.iter().filter_map(|reply| self.replies.remove(reply)).collect();
                answer(waiting, outcome);
            }
            Effect::Publish(status) => {
                self.end.status.send_replace(self.tracker.with_health(*status));
            }
            Effect::Emit(event) => self.parts.events.emit(*event),
        }
    }

    fn operation(&self, plan: OperationPlan) -> BoxFuture<'static, Result<(), SupervisorError>> {
        let OperationPlan { verb, options, lease, config } = plan;
        let operation = Operation {
            lease,
            id: self.id.clone(),
            config,
            parts: Arc::clone(&self.parts),
            observer: self.observer.clone(),
            registry: self.registry.clone(),
            notes: self.notes.0.clone(),
        };
        Box::pin(async move {
            match verb {
                Verb::Start => operation.start().await,
                Verb::Stop { .. } => operation.stop(&options).await,
                Verb::Restart => operation.restart(&options).await,
                Verb::Delete { .. } => operation.delete(&options).await,
            }
        })
    }

    /// Shows what pings say of the actor, if that is something else than before.
    fn show_health(&self) {
        let health = {
            let ActorStatus { record, pid, health, .. } = &*self.end.status.borrow();
            let now = self.tracker.health(&record.id, pid.0);
            (now != *health).then_some(now)
        };
        if let Some(health) = health {
            self.end.status.send_modify(|status| status.health = health);
        }
    }

    /// Takes no more requests; those that came too late are answered.
    fn close(&mut self, reason: StopReason) {
        if reason == StopReason::Deleted {
            self.end.set_deleted();
            self.registry.remove(self.id.as_str());
        }
        self.end.edits.close();
        self.end.requests.close();
        while let Ok((request, reply)) = self.end.requests.try_recv() {
            self.replies.insert(request.reply, reply);
            self.bring(Input::Request(request));
        }
        while let Ok((edit, reply)) = self.end.edits.try_recv() {
            self.replies.extend(reply);
            self.bring(Input::Edit(edit));
        }
    }
}

/// Parts that calls of ports for one actor are made with. Each call has the deadline of its adapter.
struct Calls {
    id: ActorId,
    parts: Arc<Deps>,
    observer: Observer,
}

impl Calls {
    async fn make(&self, call: Call) -> Answer {
        match call {
            Call::Read => {
                Answer::Record(self.parts.store.get(&self.id).await.map(|record| record.map(Box::new)))
            }
            Call::Write(record) => Answer::Stored(self.parts.store.update(&record).await),
            Call::Epoch => Answer::Epoch(self.parts.store.epoch().await.unwrap_or_default()),
            Call::EndOrphans { pids, grace } => Answer::Orphans(self.end_orphans(pids, grace).await),
            Call::LogTail => Answer::LogTail(log_tail(self.parts.processes.as_ref(), &self.id).await),
            Call::Look => {
                self.observer.fresh().await;
                Answer::Looked
            }
            Call::Reclaim { queue: name, pid, error } => {
                let queue = self.parts.supervisor.queue();
                Answer::Reclaimed(queue.reclaim(name, &self.id, pid, &error).await)
            }
        }
    }

    async fn end_orphans(&self, pids: BTreeSet<u32>, grace: Duration) -> Vec<(u32, bool)> {
        let mut lives = Vec::with_capacity(pids.len());
        for pid in pids {
            let ended = self.parts.processes.end_orphan(self.id.as_str(), pid, grace).await;
            // Who cannot be asked now may well live.
            lives.push((pid, ended.unwrap_or(true)));
        }
        lives
    }
}

fn moment(parts: &Deps, observer: &Observer) -> Moment {
    Moment {
        at: Instant::now(),
        date: parts.supervisor.clock().now(),
        chance: fastrand::f64(),
        observation: observer.latest(),
        begun: observer.mark(),
    }
}

/// The end of the operation; never, when there is none.
async fn end_of(
    operation: &mut Option<BoxFuture<'static, Result<(), SupervisorError>>>,
) -> Result<(), SupervisorError> {
    match operation {
        Some(operation) => operation.as_mut().await,
        None => pending().await,
    }
}

/// Waits until a time; for ever when there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
