//! The life of one actor as a pure machine: an input goes in, effects come out. No IO, no clock, no chance.
//!
//! The machine decides everything about its actor: which request is carried out, what is written into the record that the
//! supervisors of the node share, which end of a process is a crash, what is needed to reach the desired state. The task of
//! the actor (`task`) is the shell around the machine: it brings inputs, carries out effects, and brings their answers back
//! as inputs. Time, date, chance and the latest observation of the processes come with each input, as a [`Moment`].
//!
//! # States
//!
//! Two things go on independently of each other: at most one operation, and at most one step.
//!
//! ```text
//!                 Begin                             the last answer of the step
//!   no operation ───────► operation         REST ◄────────────────────────────────┐
//!        ▲   ▲               │   │            │ next input, in the order below     │
//!        │   └───────────────┘   │            ▼                                    │
//!        │    OperationEnded     │          READING ──► LOOKING ──► deciding ──► CLAIMING ─► Begin
//!        └───────────────────────┘            │                                    ▲
//!          GiveUp: another supervisor,        ├──► CHANGING (the definition, the   │ what is needed
//!          or a request, has taken over       │    end of an operation, …) ────────┤
//!                                             └──► OBSERVING ──► RECORDING ────────┘
//!                                                  (orphans, last lines)  (the end of a process)
//!
//!   any state ── Close, or the record is gone ──► LEAVING ──► left
//! ```
//!
//! | step | waits for | then |
//! |---|---|---|
//! | READING | the record as it is stored | it is adopted; what it was read for goes on |
//! | LOOKING | an observation that began after the record was changed | requests are decided on |
//! | CLAIMING | the write of an operation's lease, and of the desired state | the operation begins; after a conflict it is decided anew |
//! | CHANGING | the write of a change | after a conflict the change is made again of the newer record, 8 times at most |
//! | OBSERVING | the epoch of the records, orphans that are asked to end, the last lines of a log | the observation is gone on with |
//! | RECORDING | the write of an end of the process | the end is emitted and counted, and the jobs are reclaimed |
//!
//! # Inputs, in the order in which they are taken
//!
//! | input | what is done | file |
//! |---|---|---|
//! | answer of a call | the step goes on; another call (heartbeat, reclaim) has a place of its own | `machine.rs` |
//! | note of the operation | its phase is shown; an end of the process is recorded, and its jobs are reclaimed | `requests.rs`, `observe.rs` |
//! | end of the operation | it is recorded, who waits is answered, requests that waited are decided on | `operation_end.rs` |
//! | tick, 4 a second | a heartbeat; what a dead supervisor did is given up | `lease.rs` |
//! | edit | another definition; the record was changed, or is gone | `edit.rs` |
//! | request | admit: answer, join, queue, refuse or claim | `requests.rs` |
//! | observation | ends of processes, orphans, what is needed to reach the desired state | `observe.rs` |
//! | close | everybody is answered, the lease is released | `leave.rs` |
//!
//! An input that comes in the middle of a step waits in the [`Inbox`], with two exceptions. A request, or an edit for
//! whose answer somebody waits, does not wait for an observation that only reads: that step is given up, and the latest
//! observation is followed afterwards. And an answer to a heartbeat waits for nothing but writes.
//!
//! # Effects
//!
//! | effect | what the task does |
//! |---|---|
//! | [`Effect::Call`] | calls a port in a task of its own; the answer comes back with the same ticket |
//! | [`Effect::Begin`], [`Effect::GiveUp`] | runs an operation in place of any other; drops it |
//! | [`Effect::Resume`] | lets the operation go on after an end that it has reported |
//! | [`Effect::Reply`] | answers callers |
//! | [`Effect::Publish`], [`Effect::Emit`] | shows a status; emits an event |
//!
//! At most one call for the step is under way, beside at most one heartbeat and at most one reclaim. Answers of steps
//! that were given up are dropped; while one of the process manager is still out, no further one is asked for.
//!
//! # The life of each field
//!
//! | field | set | cleared, or read last |
//! |---|---|---|
//! | `record` | by every write and every read of the store; by observations, when the store does not answer | with the machine |
//! | `dirty` | when `record` has something that the store has not | by the next write, or when another record says the same |
//! | `unstored_ends` | when an end of the process is known here only | like `dirty` |
//! | `running` | when an operation begins | at its end, or when another supervisor overtakes it |
//! | `foreign` | when a lease of another supervisor stands in the record | when it is gone, or ours overtakes it |
//! | `given_up` | when an operation gives up a start: the end of that process has its reason | when the next one begins |
//! | `interrupted` | when `foreign` ends: the ends of processes until then were requested | by the first observation that began after it |
//! | `queued_requests` | by requests that wait for `running` or `foreign` | when that has ended: answered, or decided on anew |
//! | `ended_lease` | at the end of an operation: should it still stand in the record, then by mistake | by the next end |
//! | `stale_up_to` | when something was changed: observations that began before show the world before it | grows only |
//! | `recent_ends` | by unrequested ends of the process, and by starts that failed | by a request of a caller |
//! | `next_start` | after a start of our own that failed | by a request of a caller |
//! | `orphan_pids` | when orphans of the actor are observed | when they have ended |
//! | `started_at` | when a process is first observed, or was started; what the process manager tells counts more | when it is gone |
//! | `trouble` | when an operation fails, or the actor ends too often | by an operation that succeeds |
//! | `waits_for` | when a start of our own waited for a dependency in vain | by the next end of an operation |
//! | `ended_cause` | while the end of an operation is recorded: events of that moment name its cause | when it is recorded |
//!
//! The states that all this is shown as, and what leads from one to the other, are drawn at
//! [`ActorState`](crate::domain::model::actor::ActorState).

mod change;
mod edit;
mod events;
mod inbox;
mod lease;
mod leave;
mod observe;
mod operation_end;
mod protocol;
mod reclaim;
mod record;
mod requests;
mod status;
mod step;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::time::SystemTime;

use tokio::time::Instant;

use self::inbox::{Inbox, Next};
use self::lease::{Foreign, Heartbeat};
use self::reclaim::Reclaims;
use self::record::UnstoredEnd;
use self::requests::{QueuedRequest, Running};
use self::step::Step;
use crate::domain::actors::restarts::RecentEnds;
use crate::domain::model::actor::{ActorRecord, ActorStatus, Verb};
use crate::domain::model::event::Cause;

pub(super) use self::leave::StopReason;
pub(super) use self::protocol::{
    Answer, Call, Edit, Effect, Input, Moment, OperationPlan, Progress, ReplyId, Request, Ticket,
};
pub(super) use self::requests::superseded_by;

/// Times that a change is made anew after another supervisor was faster.
const MOST_TRIES: u32 = 8;

/// The machine of one actor.
#[derive(Debug)]
pub(super) struct Machine {
    record: ActorRecord,
    dirty: bool,
    unstored_ends: Vec<UnstoredEnd>,
    running: Option<Running>,
    /// Operation of another supervisor of this node.
    foreign: Option<Foreign>,
    /// The process whose start our latest operation has given up, and why.
    given_up: Option<(u32, String)>,
    /// Operation of another supervisor, until the next observation: that supervisor may have died before it could
    /// record the end.
    interrupted: Option<Verb>,
    /// Requests that wait for the end of what is under way.
    queued_requests: Vec<QueuedRequest>,
    /// Requests of these whose turn it is.
    deciding: VecDeque<QueuedRequest>,
    heartbeat: Heartbeat,
    /// Lease of our latest operation that has ended. A record that still has it is outdated.
    ended_lease: Option<String>,
    /// Observations with this number or a lower one may predate our latest operation and are ignored.
    stale_up_to: u64,
    recent_ends: RecentEnds,
    reclaims: Reclaims,
    /// Processes of the actor that live on without being managed.
    orphan_pids: BTreeSet<u32>,
    /// Earliest time of the next start of our own.
    next_start: Instant,
    started_at: Option<SystemTime>,
    trouble: String,
    /// The dependency for which the last start of our own waited in vain.
    waits_for: Option<String>,
    /// While the end of an operation is recorded: what had brought it about.
    ended_cause: Option<Cause>,
    /// The actor as it was shown last, but for its health.
    shown: ActorStatus,
    step: Step,
    /// The call for whose answer the step waits.
    awaited: Option<Ticket>,
    /// A call to the process manager that has not been answered yet, of this step or of one that was given up.
    process_call: Option<Ticket>,
    inbox: Inbox,
    /// True if something was handled since the actor was shown last.
    handled: bool,
    leaving: Option<StopReason>,
    moment: Moment,
    effects: Vec<Effect>,
    tickets: u64,
    /// Name that distinguishes the leases of this machine from those of every other one.
    name: String,
    leases: u64,
}

impl Machine {
    /// Makes the machine of an actor that is shown so. `name` is like no other machine's.
    pub(super) fn new(shown: ActorStatus, name: String, moment: Moment) -> Self {
        let record = shown.record.clone();
        Self {
            foreign: record.operation.clone().map(|lease| Foreign::new(lease, false, moment.at)),
            record,
            dirty: false,
            unstored_ends: Vec::new(),
            running: None,
            given_up: None,
            interrupted: None,
            queued_requests: Vec::new(),
            deciding: VecDeque::new(),
            heartbeat: Heartbeat::new(moment.at),
            ended_lease: None,
            stale_up_to: 0,
            recent_ends: RecentEnds::default(),
            reclaims: Reclaims::default(),
            orphan_pids: BTreeSet::new(),
            next_start: moment.at,
            started_at: None,
            trouble: String::new(),
            waits_for: None,
            ended_cause: None,
            shown,
            step: Step::Rest,
            awaited: None,
            process_call: None,
            inbox: Inbox::default(),
            handled: false,
            leaving: None,
            moment,
            effects: Vec::new(),
            tickets: 0,
            name,
            leases: 0,
        }
    }

    /// Takes an input; returns what is to be done, in this order.
    pub(super) fn on(&mut self, moment: Moment, input: Input) -> Vec<Effect> {
        self.moment = moment;
        self.accept(input);
        while self.leaving.is_none() {
            if self.inbox.close && !self.step.writes() {
                self.leave(StopReason::Requested);
            } else if !matches!(self.step, Step::Rest) {
                break;
            } else if let Some(request) = self.deciding.pop_front() {
                self.settle(request);
            } else {
                // Between two steps only: in the middle of one, what is known is partly of before it.
                if std::mem::take(&mut self.handled) {
                    self.publish();
                }
                let Some(next) = self.inbox.next() else { break };
                self.begin(next);
            }
        }
        std::mem::take(&mut self.effects)
    }

    /// Returns whether ticks are of use: something is under way, here or elsewhere.
    pub(super) fn needs_ticks(&self) -> bool {
        self.running.is_some() || self.foreign.is_some() || !self.queued_requests.is_empty()
    }

    /// Returns whether another request may be brought; others wait outside.
    pub(super) fn takes_requests(&self) -> bool {
        self.inbox.requests.is_empty()
    }

    /// Returns whether another edit may be brought.
    pub(super) fn takes_edits(&self) -> bool {
        self.inbox.edits.is_empty()
    }

    /// Answers, and what cannot wait, are handled at once; all else goes into the inbox.
    fn accept(&mut self, input: Input) {
        match input {
            Input::Answered(ticket, answer) => self.on_answer(ticket, answer),
            Input::Close => self.inbox.close = true,
            Input::Progress(progress) => self.inbox.progress.push_back(progress),
            Input::OperationEnded(ended) => self.inbox.ended = Some(ended),
            Input::Tick => {
                self.heartbeat_if_due();
                self.inbox.tick = self.running.is_none();
            }
            Input::Edit(edit) if self.leaving.is_some() => self.refuse_edit(&edit),
            Input::Edit(edit) => {
                let somebody_waits = edit.has_caller();
                self.inbox.edits.push_back(edit);
                if somebody_waits {
                    self.interrupt_observation();
                }
            }
            Input::Request(request) if self.leaving.is_some() => self.refuse_request(&request),
            Input::Request(request) => {
                self.inbox.requests.push_back(request);
                self.interrupt_observation();
            }
            Input::Observed => self.inbox.observed = true,
        }
    }

    fn begin(&mut self, next: Next) {
        self.handled = true;
        match next {
            Next::Progress(progress) => self.on_progress(progress),
            Next::Ended(ended) => self.on_operation_end(ended),
            Next::Heartbeat(answer) => self.on_heartbeat(answer),
            Next::Tick => self.on_tick(),
            Next::Edit(edit) => self.on_edit(edit),
            Next::Request(request) => self.on_request(request),
            Next::Observed => self.on_observation(),
        }
    }

    /// Gives up an observation that has changed nothing yet, so that callers do not wait for the process manager.
    fn interrupt_observation(&mut self) {
        if self.step.only_observes() {
            self.step = Step::Rest;
            self.awaited = None;
            self.handled = false;
            self.inbox.observed = true;
        }
    }

    fn on_answer(&mut self, ticket: Ticket, answer: Answer) {
        if self.process_call == Some(ticket) {
            self.process_call = None;
        }
        if self.heartbeat.is_awaited(ticket) {
            let Answer::Stored(stored) = answer else { return };
            if self.step.writes() {
                self.inbox.heartbeat = Some(stored);
            } else {
                self.on_heartbeat(stored);
            }
        } else if self.reclaims.is_awaited(ticket) {
            let Answer::Reclaimed(reclaimed) = answer else { return };
            self.on_reclaimed(reclaimed);
        } else if self.awaited == Some(ticket) {
            self.awaited = None;
            self.handled = true;
            let step = std::mem::replace(&mut self.step, Step::Rest);
            self.resume(step, answer);
        }
    }

    /// Goes on with a step. An answer of another kind than the step waits for ends it; the task gives none.
    fn resume(&mut self, step: Step, answer: Answer) {
        match (step, answer) {
            (Step::Reading(purpose), Answer::Record(read)) => self.on_record(purpose, read),
            (Step::Looking(purpose), Answer::Looked) => self.on_look(purpose),
            (Step::Claiming(claim), Answer::Stored(stored)) => self.on_claim(claim, stored),
            (Step::Changing(changing), Answer::Stored(stored)) => self.on_change_stored(changing, stored),
            (Step::ReadingEpoch(observation), Answer::Epoch(epoch)) => self.on_epoch(observation, epoch),
            (Step::EndingOrphans(observation), Answer::Orphans(lives)) => {
                self.on_orphans(observation, &lives)
            }
            (Step::ReadingLog(ended), Answer::LogTail(tail)) => self.on_log_tail(ended, tail),
            (Step::Recording(ended), Answer::Stored(stored)) => self.on_recorded(ended, stored),
            _other_kind => {}
        }
    }

    /// Sends out a call for the step, which waits for its answer.
    fn await_call(&mut self, step: Step, call: Call) {
        self.awaited = Some(self.call(call));
        self.step = step;
    }

    fn call(&mut self, call: Call) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        if call.asks_process_manager() {
            self.process_call = Some(ticket);
        }
        self.effects.push(Effect::Call(ticket, call));
        ticket
    }
}
