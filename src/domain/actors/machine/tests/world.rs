//! A world for one machine: a record, a process, a process manager, an operation, and callers. Every answer comes when the
//! test says so, or is lost.

mod process;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::domain::actors::machine::protocol::{
    Call, Edit, Effect, Input, Moment, OperationPlan, ReplyId, Request, Ticket,
};
use crate::domain::actors::machine::{Machine, StopReason};
use crate::domain::actors::observer::Observation;
use crate::domain::model::actor::{
    ActorConfig, ActorRecord, ActorState, ActorStatus, Desired, ManagedBy, Pid, Readiness, RestartPolicy,
    StopOptions, Verb,
};
use crate::domain::model::event::{EventKind, Source};
use crate::domain::model::health::ActorHealth;
use crate::domain::model::id::{ActorId, NodeName};
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::ports::process_manager::ProcessState;

/// Ends in a row that are allowed.
const MAX_RESTARTS: u32 = 1;
/// Rounds within which the world comes to rest once everything is answered: backoffs, and a dead supervisor, included.
const CALM_ROUNDS: usize = 400;

/// The epoch of the records.
const OUR_RECORDS: &str = "ours";

/// Fate of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The call is carried out and answered.
    Arrives,
    /// The call is carried out, and its answer is lost.
    AnswerIsLost,
    /// The call is not carried out.
    Fails,
}

/// A call that is under way.
#[derive(Debug)]
pub(super) struct Outstanding {
    ticket: Ticket,
    pub(super) call: Call,
}

impl Outstanding {
    pub(super) fn clone_ticket(&self) -> (Ticket, &Call) {
        (self.ticket, &self.call)
    }
}

/// The operation that is under way, and how far it is.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) plan: OperationPlan,
    step: u8,
    /// The process that it ends.
    pid: Option<u32>,
    waits_to_resume: bool,
}

pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) stored: Option<ActorRecord>,
    /// Every record that ever stood in the store, by generation.
    history: BTreeMap<u64, ActorRecord>,
    pub(super) calls: Vec<Outstanding>,
    pub(super) operation: Option<UnderWay>,
    process: Option<ProcessState>,
    /// Processes of the actor that an earlier process manager has left behind, and by whose records they were made.
    orphans: BTreeMap<u32, &'static str>,
    process_manager_is_away: bool,
    pub(super) observations_are_late: bool,
    pids: u32,
    latest: Arc<Observation>,
    /// An observation that has begun and shows the world of that moment.
    observing: Option<Observation>,
    begun: u64,
    start: Instant,
    passed: Duration,
    callers: u64,
    answered: BTreeMap<ReplyId, bool>,
    shown: Option<ActorStatus>,
    /// Leases whose write, or whose end, the machine was not told of.
    pub(super) lost_leases: BTreeSet<String>,
    pub(super) refused: BTreeSet<ReplyId>,
    /// The process that another supervisor has ended and has not recorded yet.
    ended_by_other: Option<u32>,
    /// Processes that nobody has ended.
    crashed: BTreeSet<u32>,
    told_ends: BTreeSet<u32>,
    told_by_other: BTreeSet<u32>,
    store_was_away: bool,
    counted_ends: BTreeSet<u32>,
    /// Events of another state.
    pub(super) states_told: usize,
}

impl World {
    pub(super) fn new(desired: Desired) -> Self {
        let record = record(desired);
        let start = Instant::now();
        let moment = moment(start, Duration::ZERO, &Arc::default(), 0);
        Self {
            machine: Machine::new(first_status(record.clone()), "ours".to_owned(), moment),
            history: BTreeMap::from([(record.generation, record.clone())]),
            stored: Some(record),
            calls: Vec::new(),
            operation: None,
            process: None,
            orphans: BTreeMap::new(),
            process_manager_is_away: false,
            observations_are_late: false,
            pids: 100,
            latest: Arc::default(),
            observing: None,
            begun: 0,
            start,
            passed: Duration::ZERO,
            callers: 0,
            answered: BTreeMap::new(),
            shown: None,
            lost_leases: BTreeSet::new(),
            refused: BTreeSet::new(),
            ended_by_other: None,
            crashed: BTreeSet::new(),
            told_ends: BTreeSet::new(),
            told_by_other: BTreeSet::new(),
            store_was_away: false,
            counted_ends: BTreeSet::new(),
            states_told: 0,
        }
    }

    /// A world in which the actor runs and everybody knows it.
    pub(super) fn running() -> Self {
        let mut world = Self::new(Desired::Up);
        world.calm();
        world
    }

    /// Brings an input, and checks what the machine wants done.
    pub(super) fn bring(&mut self, input: Input) {
        let moment = moment(self.start, self.passed, &self.latest, self.begun);
        for effect in self.machine.on(moment, input) {
            match effect {
                Effect::Call(ticket, call) => {
                    if let Call::Write(next) = &call {
                        self.check_write(next);
                    }
                    self.calls.push(Outstanding { ticket, call });
                }
                Effect::Begin(plan) => self.begin(*plan),
                Effect::GiveUp => self.operation = None,
                Effect::Resume => {
                    if let Some(operation) = &mut self.operation {
                        operation.waits_to_resume = false;
                    }
                }
                Effect::Reply(replies, outcome) => {
                    for reply in replies {
                        self.on_reply(reply, &outcome);
                    }
                }
                Effect::Publish(status) => self.shown = Some(*status),
                Effect::Emit(event) => {
                    self.states_told +=
                        usize::from(matches!(event.kind, EventKind::ActorStateChanged { .. }));
                    if let EventKind::ActorExited(exit) = event.kind {
                        self.check_exit(exit.pid, exit.requested);
                    }
                }
            }
        }
        // The verdict on a crash loop is written with the end of its stop.
        let is_verdict = self.machine.running.as_ref().is_some_and(|running| running.verdict.is_some());
        let without_lease = self.operation.as_ref();
        let without_lease = without_lease.filter(|operation| operation.plan.lease.is_none() && !is_verdict);
        if let Some(UnderWay { plan, step: 0, .. }) = without_lease {
            assert_eq!(self.machine.record.desired, plan.verb.desired(), "{plan:?}");
        }
        assert!(self.shown.as_ref().is_none_or(|shown| *shown == self.machine.shown));
        self.check_calls();
    }

    /// Checks the reported exit. Without an answer of the store nobody knows what another supervisor does and tells.
    fn check_exit(&mut self, pid: u32, requested: bool) {
        assert!(self.told_ends.insert(pid), "the end of {pid} is told once");
        if !self.store_was_away {
            assert!(!self.told_by_other.contains(&pid), "the end of {pid} is told by one of us");
            assert!(requested || self.crashed.contains(&pid), "the end of {pid} was requested");
        }
    }

    fn on_reply(&mut self, reply: ReplyId, outcome: &Result<bool, SupervisorError>) {
        let is_first = !self.answered.contains_key(&reply) && !self.refused.contains(&reply);
        assert!(reply.0 < self.callers && is_first, "{reply:?} is answered once: {outcome:?}");
        match outcome {
            Ok(changed) => drop(self.answered.insert(reply, *changed)),
            Err(_why) => drop(self.refused.insert(reply)),
        }
    }

    fn begin(&mut self, plan: OperationPlan) {
        assert!(self.operation.is_none(), "one operation at a time: {plan:?} beside {:?}", self.operation);
        if let Some(lease) = &plan.lease {
            let is_claim = |record: &&ActorRecord| {
                record.operation.as_ref().is_some_and(|operation| operation.id == *lease)
            };
            let desired = self.history.values().find(is_claim).expect("its lease was written").desired;
            assert_eq!(desired, plan.verb.desired(), "{plan:?}");
        }
        self.operation = Some(UnderWay { plan, step: 0, pid: None, waits_to_resume: false });
    }

    /// A write changes only what it is about, compared with the record whose generation it names.
    fn check_write(&mut self, next: &ActorRecord) {
        let base = self.history.get(&next.generation).expect("a record that was there");
        assert_eq!((&next.id, &next.node, next.created_at), (&base.id, &base.node, base.created_at));
        assert_eq!(next.managed_by, base.managed_by);
        assert!((base.requests_made..=base.requests_made + 1).contains(&next.requests_made));
        // Ends that could not be recorded as they came are recorded at once.
        let ends = if self.store_was_away { u32::MAX } else { 1 };
        assert!((base.restart_count..=base.restart_count.saturating_add(ends)).contains(&next.restart_count));
        if next.config != base.config {
            assert!(next.config.args != base.config.args, "only a caller changes the definition");
        }
        let is_by_caller = next.requests_made > base.requests_made;
        if next.desired == Desired::Up {
            assert!(base.desired == Desired::Up || is_by_caller, "only a caller wants it up");
        }
    }

    fn check_calls(&self) {
        let count = |is: fn(&Call) -> bool| self.calls.iter().filter(|out| is(&out.call)).count();
        assert!(count(Call::asks_process_manager) <= 1, "{:?}", self.calls);
        assert!(count(|call| matches!(call, Call::Reclaim { .. })) <= 1, "{:?}", self.calls);
        assert!(count(|call| matches!(call, Call::Write(_))) <= 4, "{:?}", self.calls);
    }

    pub(super) fn new_caller(&mut self) -> ReplyId {
        self.callers += 1;
        ReplyId(self.callers - 1)
    }

    pub(super) fn request(&mut self, verb: Verb) -> ReplyId {
        let reply = self.new_caller();
        let force = matches!(verb, Verb::Stop { force: true } | Verb::Delete { force: true });
        let options = StopOptions { force, ..StopOptions::default() };
        self.bring(Input::Request(Request { verb, options, cause: Source::Caller.into(), reply }));
        reply
    }

    pub(super) fn answer_to(&self, reply: ReplyId) -> Option<bool> {
        self.answered.get(&reply).copied()
    }

    pub(super) fn only_call(&self) -> &Call {
        assert_eq!(self.calls.len(), 1, "{:?}", self.calls);
        &self.calls[0].call
    }

    pub(super) fn last_call(&self) -> &Call {
        &self.calls.last().expect("a call is under way").call
    }

    /// The machine is shown its record as it is stored, or that there is none, as maintenance does.
    pub(super) fn show_record(&mut self) {
        let shown = self.stored.clone();
        self.bring(Input::Edit(shown.map_or(Edit::Gone, |record| Edit::Newer(Box::new(record)))));
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.passed += time;
        if self.machine.needs_ticks() {
            self.bring(Input::Tick);
        }
    }

    /// Answers everything for a while.
    pub(super) fn settle(&mut self, rounds: usize) {
        for _round in 0..rounds {
            self.deliver_all();
            self.operation_goes_on();
            self.deliver_all();
            self.process_manager_restarts_it();
            self.observe();
            self.pass(Duration::from_millis(250));
            self.show_record();
            if self.machine.left().is_some() {
                return;
            }
        }
    }

    /// Answers everything, lets operations succeed, and lets nothing more happen: the world has to come to rest.
    pub(super) fn calm(&mut self) {
        self.process_manager_is_away = false;
        self.observations_are_late = false;
        self.settle(CALM_ROUNDS);
        self.deliver_all();
        match &self.stored {
            None => assert_eq!(self.machine.left(), Some(StopReason::Deleted)),
            Some(record) => {
                let runs = matches!(self.process, Some(ProcessState::Running { .. }));
                assert_eq!(runs, record.desired == Desired::Up, "{record:?}");
                assert_eq!(record.operation, None);
                assert_eq!(*record, self.machine.record);
                assert_eq!(record.last_pid, self.process.and_then(ProcessState::pid));
                assert!(!self.orphans.values().any(|realm| *realm == OUR_RECORDS), "orphans of ours live on");
            }
        }
        self.check_everybody_is_answered();
    }

    pub(super) fn check_everybody_is_answered(&self) {
        let waiting = (0..self.callers)
            .map(ReplyId)
            .find(|reply| !self.answered.contains_key(reply) && !self.refused.contains(reply));
        assert_eq!(waiting, None);
    }
}

fn moment(start: Instant, passed: Duration, latest: &Arc<Observation>, begun: u64) -> Moment {
    Moment {
        at: start + passed,
        date: SystemTime::UNIX_EPOCH + passed,
        chance: 0.5,
        observation: Arc::clone(latest),
        begun,
    }
}

fn record(desired: Desired) -> ActorRecord {
    let restart = RestartPolicy { max_restarts: MAX_RESTARTS, ..RestartPolicy::default() };
    let config = ActorConfig::new("a".to_owned(), PathBuf::from("/bin/a"), ScriptType::SAL)
        .with_readiness(Readiness::Process)
        .with_restart(restart);
    ActorRecord {
        id: ActorId::parse("a").unwrap(),
        node: NodeName::parse("n").unwrap(),
        config,
        desired,
        managed_by: ManagedBy::User,
        created_at: SystemTime::UNIX_EPOCH,
        generation: 1,
        restart_count: 0,
        last_pid: None,
        last_exit: None,
        fault: None,
        outdated: false,
        started_by: None,
        requests_made: 0,
        operation: None,
    }
}

fn first_status(record: ActorRecord) -> ActorStatus {
    ActorStatus {
        record,
        state: ActorState::Unknown,
        pid: Pid(None),
        message: String::new(),
        state_since: Some(SystemTime::UNIX_EPOCH),
        started_at: None,
        in_flight: 0,
        last_job_at: None,
        health: ActorHealth::default(),
        usage: None,
    }
}
