//! Most jobs of one identity that may wait and run.

/// Quotas on the unfinished jobs of an identity. None means no limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobQuota {
    /// Most jobs that wait: queued, scheduled, or between two attempts.
    pub max_queued: Option<u32>,
    /// Most jobs that run, looked at when one more is submitted.
    pub max_running: Option<u32>,
}

/// The quota of one identity, by the name under which jobs are recorded as its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityQuota {
    /// Name of the identity: kind and id.
    pub identity: String,
    /// Most unfinished jobs of the identity.
    pub quota: JobQuota,
}

/// The unfinished jobs of an identity, in all queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnfinishedJobs {
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that run.
    pub running: u64,
}

/// A quota that allows no further job now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the caller's quota {} is {limit}, and {used} of its jobs {}", self.name(), self.word())]
pub struct QuotaReached {
    /// True for `max_running`, false for `max_queued`.
    pub is_running: bool,
    /// Jobs that there are.
    pub used: u64,
    /// Jobs that there may be.
    pub limit: u32,
}

impl JobQuota {
    /// Checks that there may be one more job.
    ///
    /// # Errors
    /// The quota that is reached.
    pub fn check(self, jobs: UnfinishedJobs) -> Result<(), QuotaReached> {
        let both = [(self.max_queued, jobs.queued, false), (self.max_running, jobs.running, true)];
        let reached = both.into_iter().find_map(|(limit, used, is_running)| {
            limit.filter(|limit| used >= u64::from(*limit)).map(|limit| QuotaReached {
                is_running,
                used,
                limit,
            })
        });
        reached.map_or(Ok(()), Err)
    }

    /// Returns true if there is a limit.
    pub const fn is_some(self) -> bool {
        self.max_queued.is_some() || self.max_running.is_some()
    }
}

impl QuotaReached {
    /// Returns the name of the quota, as in the configuration.
    pub const fn name(&self) -> &'static str {
        if self.is_running { "max_running" } else { "max_queued" }
    }

    const fn word(&self) -> &'static str {
        match (self.is_running, self.used) {
            (true, 1) => "runs",
            (true, _) => "run",
            (false, 1) => "waits",
            (false, _) => "wait",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quota_is_reached_by_its_own_jobs() {
        let quota = JobQuota { max_queued: Some(2), max_running: Some(1) };
        let jobs = |queued, running| UnfinishedJobs { queued, running };
        assert_eq!(quota.check(jobs(1, 0)), Ok(()));
        let reached = quota.check(jobs(2, 1)).unwrap_err();
        assert_eq!(reached.to_string(), "the caller's quota max_queued is 2, and 2 of its jobs wait");
        let reached = quota.check(jobs(0, 3)).unwrap_err();
        assert_eq!(reached.to_string(), "the caller's quota max_running is 1, and 3 of its jobs run");
        assert_eq!(JobQuota::default().check(jobs(u64::MAX, u64::MAX)), Ok(()));
    }
}
