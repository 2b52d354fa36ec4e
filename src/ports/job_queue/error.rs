//! Why a call to the queue failed, and what is known of its effect.

use std::time::Duration;

use crate::ports::Cause;

/// Why a queue that answers does not do what it is asked to do: nothing was changed, and it will do it again once its
/// state is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is a replica, which cannot be written to.
    ReadOnly,
    /// Its memory is full; what ends or removes something is still done.
    Full,
    /// It could not keep what it would accept: it cannot save, or too few replicas follow it.
    NotDurable,
    /// It does not let this user in, or not do this.
    AccessDenied,
    /// It starts, fails over, is in a slow script, or has as many clients as it may.
    Busy,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::ReadOnly, Self::Full, Self::NotDurable, Self::AccessDenied, Self::Busy];

    /// A clause for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "it is a replica, which cannot be written to",
            Self::Full => "its memory is full",
            Self::NotDurable => "it could not keep what it would accept",
            Self::AccessDenied => "it does not let this user do it",
            Self::Busy => "it is busy or not ready",
        }
    }
}

/// Why a call to the queue failed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// It cannot be reached.
    #[error("the job queue is unavailable")]
    Unavailable(#[source] Cause),
    /// It did not answer in time; the call may or may not have had its effect.
    #[error("the job queue did not answer within {after:?}")]
    TimedOut {
        /// The deadline that passed.
        after: Duration,
    },
    /// It answers, and refuses for now; nothing was changed.
    #[error("the job queue refuses: {}: {reason}", refusal.as_str())]
    Refused {
        /// Which kind of refusal.
        refusal: Refusal,
        /// In its own words.
        reason: String,
    },
    /// It refused, and will go on doing so until somebody changes its setup.
    #[error("the job queue refused: {reason}")]
    Rejected {
        /// In its own words.
        reason: String,
    },
    /// What it holds could not be understood.
    #[error("{what} could not be read")]
    Corrupt {
        /// What was read.
        what: String,
        /// Why not.
        #[source]
        source: Cause,
    },
}

impl QueueError {
    /// The same error for one more of those who shared a call; its cause in words.
    pub fn echo(&self) -> Self {
        match self {
            Self::Unavailable(cause) => Self::Unavailable(cause.to_string().into()),
            Self::TimedOut { after } => Self::TimedOut { after: *after },
            Self::Refused { refusal, reason } => Self::Refused { refusal: *refusal, reason: reason.clone() },
            Self::Rejected { reason } => Self::Rejected { reason: reason.clone() },
            Self::Corrupt { what, source } => {
                Self::Corrupt { what: what.clone(), source: source.to_string().into() }
            }
        }
    }
}
