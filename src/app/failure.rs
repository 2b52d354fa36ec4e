//! Exit codes of the errors of the service.

use super::{AppError, Ended};
use crate::adapters::audit::AuditError;
use crate::cli::{Exit, Failure};
use crate::error::chain;

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        let exit = match &error {
            AppError::Redis(_)
            | AppError::Traces(_)
            | AppError::Tokens(_)
            | AppError::Keys(_)
            | AppError::Tls(_) => Exit::Usage,
            AppError::Audit(AuditError::NotAFile(_) | AuditError::Foreign(_)) => Exit::Usage,
            AppError::Bind(_)
            | AppError::ReadyFile { .. }
            | AppError::Metrics(_)
            | AppError::Audit(AuditError::Io { .. } | AuditError::InUse(_))
            | AppError::Hangup(_)
            | AppError::Serve(_) => Exit::Refused,
        };
        Self::new(exit, chain(&error))
    }
}

impl From<Ended> for Exit {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Softly => Self::Ok,
            Ended::OutOfTime => Self::TimedOut,
            Ended::Forced => Self::Interrupted,
        }
    }
}
