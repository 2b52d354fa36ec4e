//! Faults of stores, and what is known of the effect of the failed call.
//!
//! The faults are the same for every store. Each store has an error of its own, which names the store in its text.

use std::fmt;
use std::time::Duration;

use crate::ports::Cause;

/// Reason for which a store that answers refuses for now. Nothing was changed; the store accepts the same call again
/// once its state is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The store is a replica, which cannot be written to.
    ReadOnly,
    /// The memory of the store is full; calls that end or remove something are still accepted.
    Full,
    /// The store could not keep the change: it cannot save, or too few replicas follow it.
    NotDurable,
    /// The store does not let this user in, or does not allow the command.
    AccessDenied,
    /// The store starts, fails over, is in a slow script, or has as many clients as it may.
    Busy,
}

impl Refusal {
    /// All refusals.
    pub const ALL: [Self; 5] = [Self::ReadOnly, Self::Full, Self::NotDurable, Self::AccessDenied, Self::Busy];

    /// Returns a clause for people.
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

/// Error of a call to a store.
#[derive(Debug)]
pub enum StoreFault {
    /// The store cannot be reached.
    Unavailable(Cause),
    /// The store did not answer in time; the call may or may not have had its effect.
    TimedOut {
        /// The deadline that passed.
        after: Duration,
    },
    /// The store answers, and refuses for now; nothing was changed.
    Refused {
        /// Kind of the refusal.
        refusal: Refusal,
        /// Message of the store.
        reason: String,
    },
    /// The store refused, and will go on refusing until somebody changes its setup.
    Rejected {
        /// Message of the store.
        reason: String,
    },
    /// The content of the store could not be understood.
    Corrupt {
        /// Name of the record.
        what: String,
        /// Error of the decoder.
        source: Cause,
    },
}

impl StoreFault {
    /// Returns the same fault for one more of those who shared a call, with its cause in words.
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

    /// Writes the fault of a store with this name.
    pub(super) fn describe(&self, store: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(_) => write!(f, "{store} is unavailable"),
            Self::TimedOut { after } => write!(f, "{store} did not answer within {after:?}"),
            Self::Refused { refusal, reason } => write!(f, "{store} refuses: {}: {reason}", refusal.as_str()),
            Self::Rejected { reason } => write!(f, "{store} refused: {reason}"),
            Self::Corrupt { what, source: _ } => write!(f, "{what} could not be read"),
        }
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("the store", f)
    }
}

impl std::error::Error for StoreFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(cause) | Self::Corrupt { source: cause, .. } => Some(cause.as_ref()),
            Self::TimedOut { .. } | Self::Refused { .. } | Self::Rejected { .. } => None,
        }
    }
}

/// Makes the error of one store: a fault, and the name of the store.
macro_rules! store_error {
    ($(#[$doc:meta])* $name:ident, $store:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(crate::ports::store_fault::StoreFault);

        impl $name {
            /// Returns why the call failed.
            pub fn fault(&self) -> &crate::ports::store_fault::StoreFault {
                &self.0
            }

            /// Returns why the call failed, without the name of the store.
            pub fn into_fault(self) -> crate::ports::store_fault::StoreFault {
                self.0
            }
        }

        impl From<crate::ports::store_fault::StoreFault> for $name {
            fn from(fault: crate::ports::store_fault::StoreFault) -> Self {
                Self(fault)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.describe($store, f)
            }
        }

        impl std::error::Error for $name {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                self.0.source()
            }
        }
    };
}

pub(super) use store_error;

#[cfg(test)]
mod tests {
    use super::StoreFault;
    use crate::error::{SupervisorError, chain};
    use crate::ports::actor_store::StoreError;
    use crate::ports::event_log::LogError;
    use crate::ports::job_queue::QueueError;
    use crate::ports::object_store::ObjectStoreError;
    use crate::ports::shared_store::SharedStoreError;

    fn away() -> StoreFault {
        StoreFault::Unavailable("connection refused".into())
    }

    #[test]
    fn an_error_names_its_store_and_writes_its_cause_once() {
        let told = [
            chain(&QueueError::from(away())),
            chain(&StoreError::from(away())),
            chain(&SharedStoreError::from(away())),
            chain(&LogError::from(away())),
            chain(&ObjectStoreError::from(away())),
        ];
        let stores =
            ["the job queue", "the actor store", "the shared store", "the event log", "the object store"];
        for (told, store) in told.iter().zip(stores) {
            assert_eq!(*told, format!("{store} is unavailable: connection refused"));
        }
    }

    #[test]
    fn a_supervisor_says_which_store_was_away() {
        let told = chain(&SupervisorError::from(StoreError::from(away())));
        assert_eq!(told, "Redis is unavailable: the actor store is unavailable: connection refused");
    }

    #[test]
    fn a_damaged_record_is_named_and_not_its_store() {
        let damaged =
            || StoreFault::Corrupt { what: "status of job j".to_owned(), source: "it is empty".into() };
        assert_eq!(chain(&LogError::from(damaged())), "status of job j could not be read: it is empty");
        let told = SupervisorError::from(SharedStoreError::from(damaged()));
        assert!(matches!(told, SupervisorError::RecordDamaged { .. }), "{told}");
    }
}
