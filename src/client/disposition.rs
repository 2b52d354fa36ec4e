//! The decision after a failed call: one classification for this client and for the command line.

use tonic::Code;

use super::ClientError;

/// The decision after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Repeat the call: the server or the way to it was away. Repeat a call that changes something only if the repeat is
    /// harmless, for instance because of its request id.
    Retry,
    /// Open the watch again after its last cursor: the reader was too slow.
    Resume,
    /// Open the watch again without a cursor: what follows the cursor is no longer kept.
    Restart,
    /// Give up: a repeat fails as well.
    Final,
}

impl ClientError {
    /// Returns true if the server or the way to it is away, so that a read is repeated. A way that breaks may look like
    /// CANCELLED, INTERNAL or UNKNOWN; what a supervisor itself says of this kind has a reason.
    pub(super) fn is_away(&self) -> bool {
        let way = matches!(self.code, Code::Cancelled | Code::Internal | Code::Unknown);
        self.code == Code::Unavailable || (way && self.reason.is_empty())
    }

    /// Classifies the error.
    pub fn disposition(&self) -> Disposition {
        let from_supervisor = !self.reason.is_empty();
        match self.code {
            Code::Unavailable => Disposition::Retry,
            // TIMED_OUT: the supervisor has lost the answer of Redis, so the effect is open.
            Code::DeadlineExceeded if !from_supervisor || self.reason == "TIMED_OUT" => Disposition::Retry,
            // A proxy or the transport failed, not the supervisor.
            Code::Cancelled | Code::Internal | Code::Unknown if !from_supervisor => Disposition::Retry,
            Code::Aborted if self.reason == "CONSUMER_TOO_SLOW" => Disposition::Resume,
            Code::OutOfRange => Disposition::Restart,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => Disposition::Final,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_one_disposition() {
        let table = [
            (Code::Unavailable, "", Disposition::Retry),
            (Code::Unavailable, "REDIS_READ_ONLY", Disposition::Retry),
            (Code::DeadlineExceeded, "", Disposition::Retry),
            (Code::DeadlineExceeded, "TIMED_OUT", Disposition::Retry),
            (Code::DeadlineExceeded, "WAIT_OVER", Disposition::Final),
            (Code::Internal, "", Disposition::Retry),
            (Code::Internal, "INTERNAL", Disposition::Final),
            (Code::Unknown, "", Disposition::Retry),
            (Code::Cancelled, "", Disposition::Retry),
            (Code::Aborted, "", Disposition::Final),
            (Code::Aborted, "CONFLICT", Disposition::Final),
            (Code::Aborted, "CONSUMER_TOO_SLOW", Disposition::Resume),
            (Code::OutOfRange, "CURSOR_EXPIRED", Disposition::Restart),
            (Code::ResourceExhausted, "REDIS_FULL", Disposition::Final),
            (Code::NotFound, "JOB_NOT_FOUND", Disposition::Final),
        ];
        for (code, reason, expected) in table {
            let error = ClientError { reason: reason.to_owned(), ..ClientError::new(code, "") };
            assert_eq!(error.disposition(), expected, "{code:?} {reason}");
        }
    }
}
