//! The table of the actors' tasks. It is the one shared table of the manager, locked for look-ups only.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

use tokio::sync::{mpsc, oneshot, watch};

use crate::domain::actors::machine::{Edit, ReplyId, Request};
use crate::domain::actors::reply::Reply;
use crate::domain::model::actor::{ActorConfig, ActorRecord, ActorState, ActorStatus, StopOptions, Verb};
use crate::domain::model::event::Cause;
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::lock::Lock;

/// Upper bound of the requests for one actor that wait; further callers are refused.
const WAITING_REQUESTS: usize = 64;
/// Upper bound of the new definitions of one actor that wait.
const WAITING_EDITS: usize = 8;

/// The handle of a task.
#[derive(Debug, Clone)]
pub(super) struct ActorHandle {
    requests: mpsc::Sender<(Request, Reply)>,
    edits: mpsc::Sender<(Edit, Option<(ReplyId, Reply)>)>,
    status: watch::Receiver<ActorStatus>,
    deleted: Arc<AtomicBool>,
    /// Callers so far.
    callers: Arc<AtomicU64>,
}

/// The task's end of an [`ActorHandle`].
#[derive(Debug)]
pub(super) struct TaskEnd {
    pub(super) requests: mpsc::Receiver<(Request, Reply)>,
    pub(super) edits: mpsc::Receiver<(Edit, Option<(ReplyId, Reply)>)>,
    pub(super) status: watch::Sender<ActorStatus>,
    deleted: Arc<AtomicBool>,
}

impl TaskEnd {
    /// Notes that the task ends because the actor is deleted.
    pub(super) fn set_deleted(&self) {
        self.deleted.store(true, Ordering::SeqCst);
    }

    /// Returns whether no more requests are taken.
    pub(super) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }
}

impl ActorHandle {
    /// Both ends, beginning with this status.
    pub(super) fn pair(status: ActorStatus) -> (Self, TaskEnd) {
        let (request_sender, requests) = mpsc::channel(WAITING_REQUESTS);
        let (edit_sender, edits) = mpsc::channel(WAITING_EDITS);
        let (status_sender, status) = watch::channel(status);
        let deleted = Arc::new(AtomicBool::new(false));
        let end = TaskEnd { requests, edits, status: status_sender, deleted: Arc::clone(&deleted) };
        let callers = Arc::default();
        (Self { requests: request_sender, edits: edit_sender, status, deleted, callers }, end)
    }

    /// Writes another definition over the one of this etag. Returns true if it is another one.
    pub(super) async fn define(
        &self,
        etag: String,
        config: ActorConfig,
        cause: Cause,
    ) -> Result<bool, SupervisorError> {
        let reply = self.reply_id();
        self.edit(Edit::Define { etag, config: Box::new(config), cause, reply }, reply).await
    }

    /// Hands over an edit and waits for its answer.
    async fn edit(&self, edit: Edit, id: ReplyId) -> Result<bool, SupervisorError> {
        let (reply, answer) = oneshot::channel();
        self.edits.send((edit, Some((id, reply)))).await.map_err(|_task_gone| self.gone_error())?;
        answer.await.unwrap_or_else(|_task_gone| Err(self.gone_error()))
    }

    fn reply_id(&self) -> ReplyId {
        ReplyId(self.callers.fetch_add(1, Ordering::SeqCst))
    }

    /// Shows the task its actor's record as it is stored.
    pub(super) fn note_stored(&self, record: ActorRecord) {
        if record.is_newer_than(&self.status.borrow().record) {
            // It is shown again soon.
            let _full_or_gone = self.edits.try_send((Edit::Newer(Box::new(record)), None));
        }
    }

    /// Reports to the task that its actor's record was not there.
    pub(super) fn note_missing(&self) {
        // It is missed again soon.
        let _full_or_gone = self.edits.try_send((Edit::Gone, None));
    }

    /// The actor by its record as it is stored now: another supervisor of this node may have written it since the task
    /// last read it.
    pub(super) async fn read(&self) -> Result<ActorStatus, SupervisorError> {
        let reply = self.reply_id();
        self.edit(Edit::Read { reply }, reply).await?;
        Ok(self.status())
    }

    /// Returns why the task is no longer there.
    pub(super) fn gone_error(&self) -> SupervisorError {
        if self.deleted.load(Ordering::SeqCst) {
            SupervisorError::ActorNotFound(self.status().record.id)
        } else {
            SupervisorError::ShuttingDown
        }
    }

    /// Returns once the task has ended: the actor is deleted, or the manager closed.
    pub(super) async fn gone(&self) {
        let mut status = self.status.clone();
        while status.changed().await.is_ok() {}
    }

    /// Returns the actor as its task last published it.
    pub(super) fn status(&self) -> ActorStatus {
        self.status.borrow().clone()
    }

    /// Hands over a request; the receiver is answered when it is fulfilled, or cannot be.
    pub(super) fn request(
        &self,
        verb: Verb,
        options: StopOptions,
        cause: Cause,
    ) -> Result<oneshot::Receiver<Result<bool, SupervisorError>>, SupervisorError> {
        let (reply, answer) = oneshot::channel();
        let request = Request { verb, options, cause, reply: self.reply_id() };
        self.requests.try_send((request, reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SupervisorError::OperationInProgress {
                id: self.status().record.id,
                operation: "a queue of other requests",
            },
            mpsc::error::TrySendError::Closed(_) => self.gone_error(),
        })?;
        Ok(answer)
    }
}

/// All tasks by actor name.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    handles: Arc<Lock<BTreeMap<String, ActorHandle>>>,
}

impl Registry {
    pub(super) fn get(&self, name: &str) -> Option<ActorHandle> {
        self.lock().get(name).cloned()
    }

    /// Adds a task unless there is one; false if so.
    pub(super) fn insert(&self, name: &str, handle: ActorHandle) -> bool {
        let mut handles = self.lock();
        if handles.contains_key(name) {
            return false;
        }
        handles.insert(name.to_owned(), handle);
        true
    }

    pub(super) fn remove(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Returns every task by the name of its actor.
    pub(super) fn handles(&self) -> Vec<(String, ActorHandle)> {
        self.lock().iter().map(|(name, handle)| (name.clone(), handle.clone())).collect()
    }

    /// Returns every actor as its task last published it.
    pub(super) fn statuses(&self) -> Vec<ActorStatus> {
        self.lock().values().map(ActorHandle::status).collect()
    }

    /// The same, for actors at one queue.
    pub(super) fn statuses_at(&self, queue: QueueName) -> Vec<ActorStatus> {
        let handles = self.lock();
        let is_there = |handle: &&ActorHandle| handle.status.borrow().record.config.queue() == queue;
        handles.values().filter(is_there).map(ActorHandle::status).collect()
    }

    /// Returns the named queues that actors serve.
    pub(super) fn named_queues(&self) -> Vec<TypedQueue> {
        let handles = self.lock();
        let named = |handle: &ActorHandle| {
            let config = &handle.status.borrow().record.config;
            config.queue.map(|name| (name, config.typed_queue()))
        };
        let queues: BTreeMap<QueueName, TypedQueue> = handles.values().filter_map(named).collect();
        queues.into_values().collect()
    }

    /// Returns every actor with its script type and the pid of its process, if it has one.
    pub(super) fn processes(&self) -> Vec<(ActorId, ScriptType, Option<u32>)> {
        let handles = self.lock();
        let process = |handle: &ActorHandle| {
            let status = handle.status.borrow();
            (status.record.id.clone(), status.record.config.script_type, status.pid.0)
        };
        handles.values().map(process).collect()
    }

    /// The state of an actor, None for a name that is not an actor of this node.
    pub(super) fn state_of(&self, name: &str) -> Option<ActorState> {
        self.lock().get(name).map(|handle| handle.status.borrow().state)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, ActorHandle>> {
        self.handles.lock()
    }
}
