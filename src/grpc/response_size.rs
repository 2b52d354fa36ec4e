//! Keeps responses within the size that clients accept. Clients accept 4 MiB by default, and a longer response is
//! lost. Therefore pages end early, and responses about many items have fewer fields of the later items.

use prost::Message;

use crate::domain::model::text::cut;
use crate::grpc::limits::MAX_MESSAGE_BYTES;
use crate::proto as pb;

/// Size at which a page ends, and up to which a response about many items is complete. It leaves room for one more
/// item of any size.
pub(crate) const FULL_BYTES: usize = MAX_MESSAGE_BYTES / 2;
/// Size from which an item has only its outcome.
const LEAST_FROM: usize = MAX_MESSAGE_BYTES / 4 * 3;
/// Longest error message from then on.
const LEAST_MESSAGE: usize = 64;
/// Bytes that the encoding adds to each item.
const AROUND_ITEM: usize = 6;

/// The detail of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Full,
    Short,
    Least,
}

/// The size of a response about many items, as it grows.
#[derive(Debug, Default)]
pub(crate) struct BatchBudget {
    bytes: usize,
}

impl BatchBudget {
    /// Shortens the result of a job to what fits.
    pub(crate) fn job(&mut self, result: pb::SubmitJobResult) -> pb::SubmitJobResult {
        self.fit(result, |mut result, _told| {
            result.job = result.job.map(short_job);
            result
        })
    }

    /// Shortens the result of an actor to what fits.
    pub(crate) fn actor(&mut self, result: pb::ActorResult) -> pb::ActorResult {
        self.fit(result, |mut result, detail| {
            result.actor = result.actor.map(short_actor);
            if detail == Detail::Least {
                result.error = result.error.map(least_error);
            }
            result
        })
    }

    /// Shortens the report about an actor to what fits.
    pub(crate) fn health(&mut self, report: pb::HealthReport) -> pb::HealthReport {
        self.fit(report, |report, _told| pb::HealthReport {
            reason: cut(&report.reason, LEAST_MESSAGE).into_owned(),
            last_ping: None,
            ..report
        })
    }

    fn fit<M: Message>(&mut self, item: M, shorten: impl FnOnce(M, Detail) -> M) -> M {
        let item = match self.detail(item.encoded_len()) {
            Detail::Full => item,
            less @ (Detail::Short | Detail::Least) => shorten(item, less),
        };
        self.bytes += item.encoded_len() + AROUND_ITEM;
        item
    }

    fn detail(&self, more: usize) -> Detail {
        match self.bytes + more {
            bytes if bytes <= FULL_BYTES => Detail::Full,
            _more if self.bytes <= LEAST_FROM => Detail::Short,
            _more => Detail::Least,
        }
    }
}

fn short_job(job: pb::Job) -> pb::Job {
    let pb::Job { job_id, state, attempt, create_time, .. } = job;
    pb::Job { job_id, state, attempt, create_time, ..Default::default() }
}

fn short_actor(actor: pb::Actor) -> pb::Actor {
    let pb::Actor { actor_id, state, desired_state, pid, node, .. } = actor;
    pb::Actor { actor_id, state, desired_state, pid, node, ..Default::default() }
}

fn least_error(error: pb::ItemError) -> pb::ItemError {
    let message = cut(&error.message, LEAST_MESSAGE).into_owned();
    pb::ItemError { code: error.code, reason: error.reason, message, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::job::MAX_BATCH;
    use crate::domain::model::violation::Violations;
    use crate::grpc::status::Failure;

    fn refused() -> pb::ItemError {
        let mut violations = Violations::new();
        for index in 0..1000 {
            violations.add(format!("job.labels[{index}{}]", "é".repeat(1000)), "x".repeat(1000));
        }
        Failure::from(violations).into()
    }

    fn job(index: usize) -> pb::SubmitJobResult {
        let spec = pb::JobSpec { caller_id: "c".repeat(20_000), ..Default::default() };
        let job_id = format!("{index:064}");
        let job = pb::Job { job_id, spec: Some(spec), state: 3, ..Default::default() };
        pb::SubmitJobResult { job: Some(job), ..Default::default() }
    }

    #[test]
    fn the_longest_batch_of_jobs_fits_and_tells_what_became_of_each() {
        let mut batch = BatchBudget::default();
        let error = || pb::SubmitJobResult { error: Some(refused()), ..Default::default() };
        let results: Vec<_> = (0..MAX_BATCH)
            .map(|index| batch.job(if index % 2 == 0 { job(index) } else { error() }))
            .collect();
        for (index, result) in results.iter().enumerate() {
            match &result.job {
                Some(job) => assert_eq!((job.job_id.clone(), job.state), (format!("{index:064}"), 3)),
                None => assert!(!result.error.as_ref().unwrap().field_violations.is_empty()),
            }
        }
        assert!(results[0].job.as_ref().unwrap().spec.is_some(), "in full while there is room");
        let answer = pb::SubmitJobsResponse { results };
        assert!(answer.encoded_len() <= MAX_MESSAGE_BYTES, "{}", answer.encoded_len());
    }

    #[test]
    fn reports_about_ten_thousand_actors_fit() {
        let mut batch = BatchBudget::default();
        let ping = pb::Ping { message: "p".repeat(300), ..Default::default() };
        let reports: Vec<_> = (0..10_000)
            .map(|index| {
                let (reason, last_ping) = ("r".repeat(1000), Some(ping.clone()));
                let actor_id = format!("a{index}");
                batch.health(pb::HealthReport {
                    actor_id,
                    reason,
                    last_ping,
                    health: 3,
                    ..Default::default()
                })
            })
            .collect();
        assert!(reports[0].last_ping.is_some() && reports[9_999].last_ping.is_none());
        assert!(reports.iter().all(|report| report.health == 3 && report.reason.starts_with('r')));
        let answer = pb::CheckHealthResponse { reports };
        assert!(answer.encoded_len() <= MAX_MESSAGE_BYTES, "{}", answer.encoded_len());
    }

    #[test]
    fn an_answer_about_ten_thousand_actors_fits() {
        let mut batch = BatchBudget::default();
        let results: Vec<_> = (0..10_000)
            .map(|index| {
                let args = vec!["x".repeat(60_000)];
                let config = Some(pb::ActorConfig { args, ..Default::default() });
                let actor_id = format!("a{index}");
                let (actor, error) = match index % 2 {
                    0 => (Some(pb::Actor { actor_id: actor_id.clone(), config, ..Default::default() }), None),
                    _ => (None, Some(refused())),
                };
                batch.actor(pb::ActorResult { actor_id, actor, error, ..Default::default() })
            })
            .collect();
        assert!(results[0].actor.as_ref().unwrap().config.is_some(), "in full while there is room");
        assert!(results.iter().all(|result| result.actor.is_some() || result.error.is_some()));
        assert_eq!(results[9_999].error.as_ref().unwrap().reason, "INVALID_FIELD");
        let answer = pb::StopActorsResponse { results };
        assert!(answer.encoded_len() <= MAX_MESSAGE_BYTES, "{}", answer.encoded_len());
    }
}
