//! Jobs by the beginning of their ids.

use tonic::{Code, Status};

use super::filter::newest;
use crate::cli::client::{self, Server};
use crate::cli::table::is_uuid;
use crate::cli::{Exit, Failure};
use crate::proto::{GetJobRequest, Job, ListJobsRequest};

/// Least characters of an id that stand for it; fewer are taken for a whole id.
const LEAST: usize = 6;
/// Most candidates that are shown.
const SHOWN: usize = 5;

/// Returns the whole id of a job, of which the beginning was given; a whole id is returned as it is.
///
/// # Errors
/// No job, or several jobs, with such an id, and those of the calls.
pub(super) async fn job_id(server: &mut Server, given: String) -> Result<String, Failure> {
    if given.len() < LEAST || is_uuid(&given) {
        return Ok(given);
    }
    let request = GetJobRequest { job_id: given.clone(), ..Default::default() };
    let missing = match server.get_job(client::call(request)).await {
        Ok(_there) => return Ok(given),
        Err(status) if status.code() == Code::NotFound => status,
        Err(status) => return Err(status.into()),
    };
    let request = ListJobsRequest { job_id_prefix: given.clone(), ..Default::default() };
    let found = match newest(server, request, SHOWN + 1).await {
        Ok(found) => found.jobs,
        // Who may see a job by its id may not always list jobs.
        Err(failure) if failure.exit == Exit::Refused => return Err(missing.into()),
        Err(failure) => return Err(failure),
    };
    choose(&given, found, missing)
}

/// Returns the id if there is one that begins so.
fn choose(given: &str, found: Vec<Job>, missing: Status) -> Result<String, Failure> {
    // A server that does not know this filter yet answers with other jobs as well.
    let ids: Vec<String> =
        found.into_iter().map(|job| job.job_id).filter(|id| id.starts_with(given)).collect();
    match ids.as_slice() {
        [] => Err(missing.into()),
        [one] => Ok(one.clone()),
        several => {
            let shown: String = several.iter().take(SHOWN).map(|id| format!("\n  {id}")).collect();
            let more = if several.len() > SHOWN { "\n  …" } else { "" };
            Err(Failure::usage(format!(
                "several jobs have an id that begins with {given:?}, type more of it:{shown}{more}"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(given: &str, ids: &[&str]) -> Result<String, Failure> {
        let jobs = ids.iter().map(|id| Job { job_id: (*id).to_owned(), ..Default::default() });
        choose(given, jobs.collect(), Status::not_found("there is no such job"))
    }

    #[test]
    fn one_candidate_is_taken_and_several_are_told() {
        assert_eq!(chosen("abcdef", &["abcdef-1", "other"]).unwrap(), "abcdef-1");
        let none = chosen("abcdef", &["other"]).unwrap_err();
        assert_eq!((none.exit, none.message.as_str()), (Exit::NotFound, "there is no such job"));
        let several = chosen("abcdef", &["abcdef-1", "abcdef-2"]).unwrap_err();
        assert_eq!(several.exit, Exit::Usage);
        assert!(several.message.ends_with("\n  abcdef-1\n  abcdef-2"), "{}", several.message);
        let many = ["abcdef1", "abcdef2", "abcdef3", "abcdef4", "abcdef5", "abcdef6"];
        assert!(chosen("abcdef", &many).unwrap_err().message.ends_with("abcdef5\n  …"));
    }
}
