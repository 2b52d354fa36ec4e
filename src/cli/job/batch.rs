//! `job submit --from-file`: many jobs from a file with one JSON object on each line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;

use prost::Message;
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};

use crate::cli::client::{self, Server};
use crate::cli::values::{self, jobs};
use crate::cli::{Exit, Failure, Output};
use crate::client::{ClientError, Disposition};
use crate::descriptors;
use crate::domain::model::id::JobId;
use crate::proto::{SubmitJobRequest, SubmitJobResult, SubmitJobsRequest, SubmitJobsResponse};

/// Most jobs of one call; the limit of servers.
const MOST_JOBS: usize = 1000;
/// Most bytes of one call; servers take 4 MiB.
const MOST_BYTES: usize = 3 * 1024 * 1024;
/// Longest line, in bytes; escapes make a script of 1 MiB longer.
const LONGEST_LINE: u64 = 8 * 1024 * 1024;
/// Delay between two attempts to reach a server, and the outage after which the command gives up.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_OUTAGE: Duration = Duration::from_secs(30);

/// Submits the jobs of a file; `-` is standard input. Lines that are refused do not hold up the others.
pub(super) async fn run(server: &mut Server, out: Output, file: &Path) -> Result<Exit, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", file.display()));
    let mut lines: Box<dyn BufRead> = match file.as_os_str() == "-" {
        true => Box::new(BufReader::new(stdin())),
        false => Box::new(BufReader::new(File::open(file).map_err(unreadable)?)),
    };
    let mut batch = Batch::default();
    let mut number = 0_usize;
    loop {
        let mut line = Vec::new();
        number += 1;
        if lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        let ready =
            request(&line).and_then(|request| request.map(|request| batch.check(request)).transpose());
        match ready {
            Ok(None) => {}
            Ok(Some(request)) => {
                if batch.is_full_with(&request) {
                    batch.submit(server, out).await?;
                }
                batch.add(number, request);
            }
            Err(why) => batch.refuse(out, number, &why),
        }
    }
    batch.submit(server, out).await?;
    Ok(batch.conclude(out))
}

/// Jobs that are submitted together, and the sums of those before.
#[derive(Default)]
struct Batch {
    requests: Vec<SubmitJobRequest>,
    /// The lines of the requests.
    lines: Vec<usize>,
    bytes: usize,
    submitted: usize,
    refused: usize,
}

impl Batch {
    /// Refuses a job that no call can carry.
    fn check(&self, request: SubmitJobRequest) -> Result<SubmitJobRequest, String> {
        match request.encoded_len() {
            length if length > MOST_BYTES => Err(format!("has {length} bytes, more than {MOST_BYTES}")),
            _fits => Ok(request),
        }
    }

    fn is_full_with(&self, request: &SubmitJobRequest) -> bool {
        self.requests.len() >= MOST_JOBS || self.bytes + request.encoded_len() > MOST_BYTES
    }

    fn add(&mut self, line: usize, request: SubmitJobRequest) {
        // Some bytes frame each request in the message.
        self.bytes += request.encoded_len() + 8;
        self.requests.push(request);
        self.lines.push(line);
    }

    fn refuse(&mut self, out: Output, line: usize, why: &str) {
        self.refused += 1;
        out.notice(&format!("line {line}: {why}"));
    }

    /// Submits what there is, and shows the ids.
    async fn submit(&mut self, server: &mut Server, out: Output) -> Result<(), Failure> {
        let (requests, lines) = (std::mem::take(&mut self.requests), std::mem::take(&mut self.lines));
        self.bytes = 0;
        if requests.is_empty() {
            return Ok(());
        }
        let answer = submit(server, SubmitJobsRequest { requests }).await.inspect_err(|_failed| {
            let first = lines.first().copied().unwrap_or_default();
            out.notice(&format!(
                "{} submitted; from line {first} on nothing is known",
                counted(self.submitted)
            ));
        })?;
        for (line, result) in lines.into_iter().zip(answer.results) {
            self.show(out, line, &result)?;
        }
        Ok(())
    }

    fn show(&mut self, out: Output, line: usize, result: &SubmitJobResult) -> Result<(), Failure> {
        if let Some(error) = &result.error {
            let fields = error.field_violations.iter();
            let fields: String =
                fields.map(|field| format!("\n  {}: {}", field.field, field.description)).collect();
            self.refuse(out, line, &format!("{} [{}]{fields}", error.message, error.reason));
            return Ok(());
        }
        self.submitted += 1;
        let job_id = result.job.as_ref().map_or("", |job| job.job_id.as_str());
        out.item(result, job_id, || job_id.to_owned())
    }

    fn conclude(&self, out: Output) -> Exit {
        match self.refused {
            0 => {
                out.notice(&format!("{} submitted", counted(self.submitted)));
                Exit::Ok
            }
            refused => {
                out.notice(&format!("{} submitted, {refused} refused", counted(self.submitted)));
                Exit::Refused
            }
        }
    }
}

fn counted(count: usize) -> String {
    jobs(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Calls SubmitJobs, also over a restart of the server: each job has a request id, which makes repeats harmless.
async fn submit(server: &mut Server, request: SubmitJobsRequest) -> Result<SubmitJobsResponse, Failure> {
    let begun = Instant::now();
    loop {
        let status = match server.submit_jobs(client::call(request.clone())).await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => status,
        };
        let retry = ClientError::from(status.clone()).disposition() == Disposition::Retry;
        if !retry || begun.elapsed() > LONGEST_OUTAGE {
            return Err(status.into());
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Reads a line: a SubmitJobRequest, or only its JobSpec, as proto JSON. The script type may be written as flags have
/// it, and is osis if it is left out. The input may be written as it is instead of as a string. None for an empty line.
fn request(line: &[u8]) -> Result<Option<SubmitJobRequest>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "is not UTF-8".to_owned())?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let value: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    let Value::Object(mut members) = value else { return Err("is not a JSON object".to_owned()) };
    let job = members.remove("job");
    let (job, mut members) = match job {
        Some(job) => (job, members),
        None => (Value::Object(members), serde_json::Map::new()),
    };
    let Value::Object(mut job) = job else { return Err("job: is not a JSON object".to_owned()) };
    let named = ["scriptType", "script_type"].into_iter().find_map(|name| job.remove(name));
    let script_type = match &named {
        None => Value::from("SCRIPT_TYPE_OSIS"),
        Some(Value::String(name)) if !name.starts_with("SCRIPT_TYPE_") => {
            Value::from(values::script_type(name)?.as_str_name())
        }
        Some(other) => other.clone(),
    };
    if let Some(input) = job.get_mut("input").filter(|input| !input.is_string()) {
        *input = Value::from(input.to_string());
    }
    job.insert("scriptType".to_owned(), script_type);
    members.insert("job".to_owned(), Value::Object(job));
    let mut request: SubmitJobRequest = descriptors::from_json(Value::Object(members))?;
    if request.job_id.is_empty() && request.request_id.is_empty() {
        request.job_id = JobId::mint().to_string();
    }
    if request.request_id.is_empty() {
        request.request_id.clone_from(&request.job_id);
    }
    Ok(Some(request))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ScriptType;

    fn read(line: &str) -> Result<Option<SubmitJobRequest>, String> {
        request(line.as_bytes())
    }

    #[test]
    fn a_line_is_a_request_or_only_its_job() {
        let whole =
            read(r#"{"job": {"scriptType": "python", "script": "1"}, "jobId": "mine"}"#).unwrap().unwrap();
        assert_eq!((whole.job_id.as_str(), whole.request_id.as_str()), ("mine", "mine"));
        let job = whole.job.unwrap();
        assert_eq!((job.script_type(), job.script.as_str()), (ScriptType::Python, "1"));

        let short = read(r#"{"script": "2", "labels": {"a": "b"}, "runTimeout": "5s"}"#).unwrap().unwrap();
        assert!(!short.job_id.is_empty() && short.request_id == short.job_id);
        let job = short.job.unwrap();
        assert_eq!(
            (job.script_type(), job.labels.get("a").map(String::as_str)),
            (ScriptType::Osis, Some("b"))
        );
        let own = read(r#"{"job": {"script_type": "SCRIPT_TYPE_SAL", "script": "3"}, "requestId": "r"}"#);
        let own = own.unwrap().unwrap();
        assert_eq!(
            (own.job_id.as_str(), own.request_id.as_str()),
            ("", "r"),
            "the id of its first use stands"
        );
        assert_eq!(read("  \n").unwrap(), None);
    }

    #[test]
    fn a_line_that_is_wrong_says_what_is() {
        for (line, told) in [
            ("{", "is not JSON"),
            ("[1]", "is not a JSON object"),
            (r#"{"job": 1}"#, "job: is not a JSON object"),
            (r#"{"script": "1", "scriptType": "perl"}"#, "perl"),
            (r#"{"skript": "1"}"#, "skript"),
        ] {
            let refused = read(line).expect_err(line);
            assert!(refused.contains(told), "{line}: {refused}");
        }
        assert!(request(&[0xff]).unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn a_batch_is_full_before_a_call_is_too_large() {
        let job = |bytes: usize| SubmitJobRequest { job_id: "x".repeat(bytes), ..Default::default() };
        let mut batch = Batch::default();
        for line in 1..MOST_JOBS {
            batch.add(line, job(10));
        }
        assert!(!batch.is_full_with(&job(10)));
        batch.add(MOST_JOBS, job(10));
        assert!(batch.is_full_with(&job(10)));
        let mut large = Batch::default();
        large.add(1, job(MOST_BYTES - 1000));
        assert!(large.is_full_with(&job(1000)));
        assert!(large.check(job(MOST_BYTES + 1)).is_err());
    }
}
