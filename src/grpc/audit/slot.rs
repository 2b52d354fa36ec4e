//! State that the layers of one call share.

use std::sync::Arc;

use tonic::codegen::http::Extensions;

use crate::domain::access::Identity;
use crate::grpc::peer::Peer;
use crate::lock::Lock;
use crate::ports::audit::{AuditEntry, AuditLog, AuditTarget, AuditedCall, AuditedEnd};

/// The place of a call, in the extensions of its request.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Lock<State>>);

#[derive(Default)]
struct State {
    request_id: Option<String>,
    call: Option<Arc<AuditedCall>>,
    entry: Option<Box<dyn AuditEntry>>,
    /// Jobs that the call has made.
    job_ids: Vec<String>,
    /// Cause of a refusal before the handler.
    cause: Option<&'static str>,
}

impl Slot {
    /// Makes the place of a call that has just come.
    pub(super) fn new(request_id: Option<String>) -> Self {
        Self(Arc::new(Lock::new(State { request_id, ..State::default() })))
    }

    /// Remembers a call that was let through.
    pub(super) fn admit(&self, call: Arc<AuditedCall>) {
        self.0.lock().call = Some(call);
    }

    /// Remembers that it was noted.
    pub(super) fn open(&self, entry: Box<dyn AuditEntry>) {
        self.0.lock().entry = Some(entry);
    }

    /// Notes the end of the call, if it was noted or was refused because of who calls.
    pub(super) fn end(&self, log: &dyn AuditLog, mut end: AuditedEnd) {
        let State { call, entry, job_ids, cause, .. } = std::mem::take(&mut *self.0.lock());
        end.cause = cause;
        if !job_ids.is_empty() {
            end.job_ids = job_ids;
        }
        match (entry, call) {
            (Some(entry), _) => entry.done(end),
            (None, Some(call)) if cause.is_some() || is_refusal(end.code) => log.refused(&call, end),
            (None, Some(_) | None) => {}
        }
    }

    /// Returns the id that the caller has given the call.
    pub(super) fn request_id(&self) -> Option<String> {
        self.0.lock().request_id.clone()
    }
}

/// Returns true for the codes of refusals because of who calls.
fn is_refusal(code: &str) -> bool {
    matches!(code, "UNAUTHENTICATED" | "PERMISSION_DENIED")
}

/// Remembers that a call is refused before its handler, with the true cause. It is noted also if its caller does not wait for the
/// answer.
pub(crate) fn refused(
    extensions: &Extensions,
    rpc: &'static str,
    identity: Option<Arc<Identity>>,
    cause: &'static str,
) {
    let Some(slot) = extensions.get::<Slot>() else { return };
    let call = AuditedCall {
        identity,
        peer: peer_name(extensions.get::<Peer>()),
        rpc,
        changes: false,
        request_id: slot.request_id(),
        target: AuditTarget::default(),
        params: None,
    };
    slot.admit(Arc::new(call));
    slot.0.lock().cause = Some(cause);
}

/// Returns where a call comes from.
pub(super) fn peer_name(peer: Option<&Peer>) -> String {
    match peer.map(|peer| (peer.address, peer.unix)) {
        Some((Some(address), _)) => address.to_string(),
        Some((None, Some(unix))) => format!("unix:{}", unix.uid),
        Some((None, None)) | None => "unix".to_owned(),
    }
}

/// The place of a call in the audit log, for handlers that make jobs.
pub(crate) struct Noted(Option<Slot>);

impl Noted {
    /// Returns the place of a request.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Self {
        Self(request.extensions().get::<Slot>().cloned())
    }

    /// Adds a job of the call to the entry in the log.
    pub(crate) fn job(&self, id: &str) {
        if let Some(slot) = &self.0 {
            slot.0.lock().job_ids.push(id.to_owned());
        }
    }
}
