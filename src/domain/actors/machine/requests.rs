//! Requests: which are carried out, which join or wait, and how an operation begins.

use super::lease::Heartbeat;
use super::protocol::{Call, Effect, OperationPlan, Progress, ReplyId, Request};
use super::step::{Claim, Claimant, Claimed, LookPurpose, ReadPurpose, Step};
use super::{MOST_TRIES, Machine, StopReason};
use crate::domain::actors::admission::{Admission, AtRest, admit};
use crate::domain::actors::derive_state::waits_for;
use crate::domain::model::actor::{
    ActorConfig, ActorRecord, ActorState, Desired, Fault, FaultKind, OperationLease, StopOptions, Verb,
};
use crate::domain::model::event::Cause;
use crate::error::SupervisorError;
use crate::ports::actor_store::{StoreError, Stored};

/// Upper bound of the requests that wait for the end of an operation.
const MAX_QUEUED_REQUESTS: usize = 64;

/// The operation that is under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) verb: Verb,
    pub(super) waiting: Vec<ReplyId>,
    pub(super) phase: (ActorState, String),
    /// The fault of the actor after this stop, if the stop gives the actor up.
    pub(super) verdict: Option<Fault>,
    /// The definition by which it is carried out.
    pub(super) config: ActorConfig,
    /// Lease of the operation; None when Redis was away as the operation began.
    pub(super) lease: Option<String>,
    /// Cause of the operation.
    pub(super) cause: Cause,
}

/// A request that waits for the end of an operation.
#[derive(Debug)]
pub(super) struct QueuedRequest {
    pub(super) request: Request,
    /// True if the operation does what is requested.
    pub(super) joined: bool,
}

impl Machine {
    /// Decides on a request by the record as it is stored now: another supervisor of this node may have written it since it
    /// was last read.
    pub(super) fn on_request(&mut self, request: Request) {
        if self.is_deleting() {
            self.decide(request, 0);
        } else {
            self.read(ReadPurpose::Request(request));
        }
    }

    pub(super) fn on_record_for_request(&mut self, request: Request, read: Result<bool, SupervisorError>) {
        match read {
            Ok(true) if self.running.is_none() => self.look(LookPurpose::Request(request)),
            Ok(_changed) => self.decide(request, 0),
            Err(error) => {
                let deleted = matches!(error, SupervisorError::ActorNotFound(_));
                self.reply(request.reply, Err(error));
                if deleted {
                    self.leave(StopReason::Deleted);
                }
            }
        }
    }

    fn look(&mut self, purpose: LookPurpose) {
        self.await_call(Step::Looking(purpose), Call::Look);
    }

    pub(super) fn on_look(&mut self, purpose: LookPurpose) {
        match purpose {
            LookPurpose::Request(request) => self.decide(request, 0),
            LookPurpose::QueuedRequests => self.deciding.extend(std::mem::take(&mut self.queued_requests)),
        }
    }

    /// Answers a request, joins it to what is under way, lets it wait, or claims the actor for it. `tries` were made before.
    fn decide(&mut self, request: Request, tries: u32) {
        if tries == MOST_TRIES {
            let conflict = SupervisorError::ActorConflict(self.record.id.clone());
            return self.reply(request.reply, Err(conflict));
        }
        let own = self.running.as_ref().map(|running| running.verb);
        let under_way = own.or(self.foreign.as_ref().map(|foreign| foreign.lease.verb));
        // Nobody knows yet whether the supervisor lives that was at it.
        let in_doubt = own.is_none() && self.foreign.as_ref().is_some_and(|foreign| !foreign.alive);
        let at_rest = AtRest { state: self.view().0, desired: self.record.desired };
        match admit(request.verb, under_way, at_rest) {
            Admission::AlreadySo => self.reply(request.reply, Ok(false)),
            Admission::Join => self.join(request, in_doubt),
            Admission::Refuse if in_doubt => self.queue(request, false),
            Admission::Refuse => {
                let operation = under_way.map_or("another request", Verb::noun);
                self.reply(request.reply, Err(self.busy(operation)));
            }
            Admission::Replace | Admission::Run => {
                self.claim(request.verb, Claimant::Caller { request, tries });
            }
        }
    }

    fn join(&mut self, request: Request, in_doubt: bool) {
        match &mut self.running {
            Some(running)
                if request.verb != Verb::Restart || running.config.runs_like(&self.record.config) =>
            {
                running.waiting.push(request.reply);
            }
            Some(_by_an_earlier_definition) => self.queue(request, false),
            None => self.queue(request, !in_doubt),
        }
    }

    fn queue(&mut self, request: Request, joined: bool) {
        if self.queued_requests.len() < MAX_QUEUED_REQUESTS {
            self.queued_requests.push(QueuedRequest { request, joined });
        } else {
            self.reply(request.reply, Err(self.busy("a queue of other requests")));
        }
    }

    /// Writes the lease of an operation and, for a request of a caller, the desired state, in one step.
    pub(super) fn claim(&mut self, verb: Verb, claimant: Claimant) {
        self.leases += 1;
        let lease = format!("{}-{}", self.name, self.leases);
        let mut next = Box::new(self.record.clone());
        next.operation = Some(OperationLease { verb, id: lease.clone(), heartbeat: 0 });
        if matches!(claimant, Claimant::Caller { .. }) {
            next.desired = verb.desired();
            next.fault = None;
            next.requests_made += 1;
        }
        let call = Call::Write(next.clone());
        self.await_call(Step::Claiming(Claim { claimant, lease, next }), call);
    }

    pub(super) fn on_claim(&mut self, claim: Claim, stored: Result<Stored, StoreError>) {
        let Claim { claimant, lease, next } = claim;
        let claimed = match stored {
            Ok(Stored::Written(generation)) => {
                self.on_written(*next, generation);
                Claimed::Lease(lease)
            }
            Ok(Stored::Conflict(theirs)) => {
                self.adopt(*theirs);
                Claimed::Conflict
            }
            Ok(Stored::Missing) => Claimed::Failed(SupervisorError::ActorNotFound(self.record.id.clone())),
            Err(error) => Claimed::Failed(error.into()),
        };
        match claimant {
            Claimant::Caller { request, tries } => self.on_claim_of_caller(request, tries, claimed),
            Claimant::Verdict { message, tries, observation } => {
                self.on_claim_of_verdict(message, tries, observation, claimed);
            }
            Claimant::Reconcile { verb } => self.on_claim_to_reconcile(verb, claimed),
        }
    }

    fn on_claim_of_caller(&mut self, request: Request, tries: u32, claimed: Claimed) {
        match claimed {
            Claimed::Lease(lease) => {
                let Request { verb, options, cause, reply } = request;
                self.recent_ends.clear();
                self.begin_operation(verb, options, cause, Some(reply), Some(lease));
            }
            Claimed::Conflict => self.decide(request, tries + 1),
            Claimed::Failed(error) => self.reply(request.reply, Err(error)),
        }
    }

    /// Answers requests that waited for an operation, or decides on them anew.
    pub(super) fn settle_queued_requests(&mut self) {
        if self.queued_requests.is_empty() || self.running.is_some() {
            return;
        }
        match &self.foreign {
            Some(foreign) if !foreign.alive => {}
            Some(_alive) => self.on_look(LookPurpose::QueuedRequests),
            None => self.look(LookPurpose::QueuedRequests),
        }
    }

    /// Answers one of them, or decides on it anew.
    pub(super) fn settle(&mut self, QueuedRequest { request, joined }: QueuedRequest) {
        let at_rest = self.foreign.is_none() && self.running.is_none();
        match self.outcome_for(request.verb).filter(|_outcome| joined && at_rest) {
            Some(outcome) => self.reply(request.reply, outcome),
            None => self.decide(request, 0),
        }
    }

    /// Returns the answer to a request which an operation of another supervisor has carried out; None when it did not.
    fn outcome_for(&self, verb: Verb) -> Option<Result<bool, SupervisorError>> {
        let record = &self.record;
        if record.desired == Desired::Down
            && verb.desired() == Desired::Up
            && let Some(Fault { kind: FaultKind::StartFailed, message }) = &record.fault
        {
            let id = record.id.to_string();
            let reason = message.strip_prefix(&format!("actor {id} failed to start: ")).unwrap_or(message);
            return Some(Err(SupervisorError::ActorStartFailed(id, reason.to_owned())));
        }
        let state = self.view().0;
        let done = match verb {
            Verb::Start | Verb::Restart => {
                record.desired == Desired::Up && state == ActorState::Running && !record.outdated
            }
            Verb::Stop { .. } => record.desired == Desired::Down && state == ActorState::Stopped,
            Verb::Delete { .. } => false,
        };
        done.then_some(Ok(true))
    }

    /// Begins an operation whose lease was written, or cannot be while Redis is away.
    pub(super) fn begin_operation(
        &mut self,
        verb: Verb,
        options: StopOptions,
        cause: Cause,
        reply: Option<ReplyId>,
        lease: Option<String>,
    ) {
        let phase = match (verb, &self.waits_for) {
            // One more try is no news for those who watch: it waits as before.
            (Verb::Start, Some(dependency)) => (ActorState::Blocked, waits_for(dependency)),
            (Verb::Start, None) => (ActorState::Starting, String::new()),
            (Verb::Stop { .. } | Verb::Restart | Verb::Delete { .. }, _) => {
                (ActorState::Stopping, String::new())
            }
        };
        let config = self.record.config.clone();
        let plan = OperationPlan { verb, options, lease: lease.clone(), config: config.clone() };
        self.effects.push(Effect::Begin(Box::new(plan)));
        let waiting = reply.into_iter().collect();
        self.running = Some(Running { verb, lease, config, cause, waiting, phase, verdict: None });
        self.foreign = None;
        self.given_up = None;
        self.heartbeat = Heartbeat::new(self.moment.at);
    }

    pub(super) fn on_progress(&mut self, progress: Progress) {
        match progress {
            Progress::Phase(state, message) => {
                if let Some(running) = &mut self.running {
                    running.phase = (state, message);
                }
            }
            Progress::GivenUp { pid, reason } => self.given_up = Some((pid, reason)),
            Progress::Ended { pid, status, log_tail } => self.on_requested_end(pid, status, log_tail),
        }
    }

    /// Returns whether the operation under way is a delete.
    pub(super) fn is_deleting(&self) -> bool {
        self.running.as_ref().is_some_and(|running| matches!(running.verb, Verb::Delete { .. }))
    }

    /// The error of what is not allowed beside an operation.
    fn busy(&self, operation: &'static str) -> SupervisorError {
        SupervisorError::OperationInProgress { id: self.record.id.clone(), operation }
    }

    pub(super) fn reply(&mut self, reply: ReplyId, outcome: Result<bool, SupervisorError>) {
        self.reply_all(vec![reply], outcome);
    }

    pub(super) fn reply_all(&mut self, replies: Vec<ReplyId>, outcome: Result<bool, SupervisorError>) {
        if !replies.is_empty() {
            self.effects.push(Effect::Reply(replies, outcome));
        }
    }
}

/// The error of an operation that another one has overtaken, by the record as it is.
pub(in crate::domain::actors) fn superseded_by(record: &ActorRecord) -> SupervisorError {
    let operation = record.operation.as_ref().map_or("another request", |lease| lease.verb.noun());
    SupervisorError::OperationInProgress { id: record.id.clone(), operation }
}
