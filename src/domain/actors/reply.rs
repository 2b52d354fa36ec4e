//! Replies to the callers who wait for the end of an operation.

use tokio::sync::oneshot;

use crate::error::{SupervisorError, chain};

/// Sender of an answer: whether anything had to be done, or an error.
pub(super) type Reply = oneshot::Sender<Result<bool, SupervisorError>>;

/// The first to ask gets the error itself, the others the same in words.
pub(super) fn answer(waiting: Vec<Reply>, outcome: Result<bool, SupervisorError>) {
    let mut waiting = waiting.into_iter();
    let Some(first) = waiting.next() else { return };
    for reply in waiting {
        let _caller_gone = reply.send(outcome.as_ref().map(|changed| *changed).map_err(echo));
    }
    let _caller_gone = first.send(outcome);
}

/// The same error for one more caller. Errors that an operation does not end with become internal ones, in words.
fn echo(error: &SupervisorError) -> SupervisorError {
    use SupervisorError as E;
    if let E::ActorStartFailed(id, reason) = error {
        return E::ActorStartFailed(id.clone(), reason.clone());
    }
    if let E::ActorStopFailed(id, reason) = error {
        return E::ActorStopFailed(id.clone(), reason.clone());
    }
    if let E::BinaryInvalid { path, reason } = error {
        return E::BinaryInvalid { path: path.clone(), reason: reason.clone() };
    }
    if let E::DependencyUnmet { actor, dependency, reason } = error {
        let (actor, dependency, reason) = (actor.clone(), dependency.clone(), reason.clone());
        return E::DependencyUnmet { actor, dependency, reason };
    }
    if let E::OperationInProgress { id, operation } = error {
        return E::OperationInProgress { id: id.clone(), operation };
    }
    if let E::ActorNotFound(id) = error {
        return E::ActorNotFound(id.clone());
    }
    if let E::QueueUnavailable(cause) = error {
        return E::QueueUnavailable(cause.to_string().into());
    }
    if let E::QueueRefused { refusal, reason } = error {
        return E::QueueRefused { refusal: *refusal, reason: reason.clone() };
    }
    if let E::ProcessManagerUnavailable(cause) = error {
        return E::ProcessManagerUnavailable(cause.to_string().into());
    }
    E::Internal { what: chain(error), source: "told to several callers".into() }
}
