//! Callers: they submit, run, await and cancel jobs whose scripts leave marks, and write down what they are told.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::job::State as JobState;
use tokio::time::{Instant, sleep};
use tonic::{Request, Status};
use tonic_types::StatusExt;

use crate::history::{Answer, Asked, Call, JobFacts, State, Told};
use crate::stage::now;
use crate::support::full_service::{Client, span};

/// The longest time that a caller waits for an end in one call.
const WAIT: Duration = Duration::from_secs(15);
/// The longest time that a caller waits for any other answer.
const SHORT: Duration = Duration::from_secs(8);

/// What one caller did and was told.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) jobs: BTreeMap<String, JobFacts>,
    pub(crate) calls: Vec<Call>,
}

/// One caller.
pub(crate) struct Caller {
    pub(crate) number: usize,
    pub(crate) clients: Vec<Client>,
    pub(crate) rng: fastrand::Rng,
    pub(crate) marks: PathBuf,
    /// It begins nothing new then.
    pub(crate) until: Instant,
    /// It waits for nothing any more then.
    pub(crate) give_up: Instant,
    pub(crate) part: Part,
}

/// How a job is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Run,
    RunAgain,
    Submit,
    SubmitAgain,
    Cancel,
}

impl Caller {
    /// Works until it is time to end.
    pub(crate) async fn work(mut self) -> Part {
        let mut count = 0;
        while Instant::now() < self.until {
            count += 1;
            let word = format!("c{}j{count}", self.number);
            self.one_job(&word).await;
            sleep(Duration::from_millis(self.rng.u64(1..200))).await;
        }
        self.part
    }

    async fn one_job(&mut self, word: &str) {
        let styles = [
            Style::Run,
            Style::Run,
            Style::RunAgain,
            Style::Submit,
            Style::Submit,
            Style::SubmitAgain,
            Style::SubmitAgain,
            Style::Cancel,
        ];
        let style = styles[self.rng.usize(..styles.len())];
        let (spec, facts) = self.script(word, matches!(style, Style::RunAgain | Style::SubmitAgain));
        let request_id = if facts.repeatable { word.to_owned() } else { String::new() };
        self.part.jobs.insert(word.to_owned(), facts);
        let told = match style {
            Style::Run | Style::RunAgain => self.run(word, &spec, &request_id).await,
            Style::Submit | Style::SubmitAgain | Style::Cancel => self.submit(word, &spec, &request_id).await,
        };
        let Some(mut told) = told else { return };
        if style == Style::Cancel {
            sleep(Duration::from_millis(self.rng.u64(..300))).await;
            let request = pb::CancelJobRequest { job_id: told.id.clone(), reason: "chaos".to_owned() };
            let call = |mut client: Client, request| async move {
                client.cancel_job(request).await.map(|answer| answer.into_inner().job)
            };
            self.call(Asked::Cancel, word, SHORT, request, call).await;
        }
        while told.state == State::Open && Instant::now() < self.give_up {
            let request = pb::AwaitJobRequest { job_id: told.id.clone(), max_wait: span(WAIT) };
            let call = |mut client: Client, request| async move {
                client.await_job(request).await.map(|answer| answer.into_inner().job)
            };
            match self.call(Asked::Await, word, WAIT, request, call).await {
                Some(now) => told = now,
                None => sleep(Duration::from_millis(100)).await,
            }
        }
        if self.rng.u8(..4) == 0 {
            let request = pb::GetJobRequest { job_id: told.id.clone(), view: 0 };
            let call = |mut client: Client, request| async move {
                client.get_job(request).await.map(|answer| answer.into_inner().job)
            };
            self.call(Asked::Get, word, SHORT, request, call).await;
        }
    }

    async fn submit(&mut self, word: &str, spec: &pb::JobSpec, request_id: &str) -> Option<Told> {
        let (job, request_id) = (Some(spec.clone()), request_id.to_owned());
        let request = pb::SubmitJobRequest { job, request_id, ..Default::default() };
        let call = |mut client: Client, request| async move {
            client.submit_job(request).await.map(|answer| answer.into_inner().job)
        };
        loop {
            let told = self.call(Asked::Submit, word, SHORT, request.clone(), call).await;
            if told.is_some() || request.request_id.is_empty() || Instant::now() > self.give_up {
                return told;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn run(&mut self, word: &str, spec: &pb::JobSpec, request_id: &str) -> Option<Told> {
        let (job, request_id) = (Some(spec.clone()), request_id.to_owned());
        let request = pb::RunJobRequest { job, request_id, max_wait: span(WAIT), ..Default::default() };
        let call = |mut client: Client, request| async move {
            client.run_job(request).await.map(|answer| answer.into_inner().job)
        };
        loop {
            let told = self.call(Asked::Run, word, WAIT, request.clone(), call).await;
            if told.is_some() || request.request_id.is_empty() || Instant::now() > self.give_up {
                return told;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Makes a call, and writes it down.
    async fn call<M, F>(
        &mut self,
        what: Asked,
        word: &str,
        wait: Duration,
        request: M,
        call: impl Fn(Client, Request<M>) -> F,
    ) -> Option<Told>
    where
        F: Future<Output = Result<Option<pb::Job>, Status>>,
    {
        let client = self.clients[self.rng.usize(..self.clients.len())].clone();
        let mut request = Request::new(request);
        // Long enough to see who answers too late.
        request.set_timeout(wait + Duration::from_secs(6));
        let from = now();
        let answered = call(client, request).await;
        let answer = match answered {
            Ok(job) => Answer::Job(told(&job.expect("an answer has a job"))),
            Err(status) => Answer::Error {
                code: format!("{:?}", status.code()),
                reason: status.get_details_error_info().map(|info| info.reason).unwrap_or_default(),
            },
        };
        let told = match &answer {
            Answer::Job(told) => Some(told.clone()),
            Answer::Error { .. } => None,
        };
        let wait = u64::try_from(wait.as_millis()).unwrap();
        self.part.calls.push(Call { from, to: now(), what, job: word.to_owned(), answer, wait });
        told
    }

    /// A script, and what is known of it from the beginning.
    fn script(&mut self, word: &str, repeatable: bool) -> (pb::JobSpec, JobFacts) {
        let script_type = match self.rng.u8(..10) {
            0..3 => pb::ScriptType::Osis,
            3..6 => pb::ScriptType::Sal,
            _rest => pb::ScriptType::Python,
        };
        let max_attempts = if self.rng.u8(..3) == 0 { 3 } else { 1 };
        let nap = if self.rng.u8(..4) == 0 { self.rng.u64(50..1500) } else { 0 };
        let throws = self.rng.u8(..12) == 0;
        let marks = self.marks.display();
        let script = match script_type.as_str_name() {
            "SCRIPT_TYPE_PYTHON" => {
                let body = if throws { "raise ValueError('asked to')" } else { "mark('E')" };
                format!(
                    "import os, time\n\
                     def mark(kind):\n    \
                     fd = os.open('{marks}', os.O_WRONLY | os.O_APPEND)\n    \
                     os.write(fd, (kind + ' {word}\\n').encode())\n    \
                     os.close(fd)\n\
                     mark('S')\ntime.sleep({nap} / 1000)\n{body}\n'{word}'\n"
                )
            }
            "SCRIPT_TYPE_SAL" => {
                let mark = |kind| format!("file_write_append(\"{marks}\", \"{kind} {word}\\n\");");
                let body = if throws { "throw \"asked to\";".to_owned() } else { mark("E") };
                format!("{} sleep({nap} / 1000.0); {body} \"{word}\"", mark("S"))
            }
            _osis => {
                let body = if throws { "throw \"asked to\";" } else { "" };
                format!("sleep({nap} / 10000.0); {body} \"{word}\"")
            }
        };
        let retry_policy = pb::RetryPolicy {
            max_attempts: Some(max_attempts),
            // Not a whole number of milliseconds.
            initial_backoff: span(Duration::from_micros(100_300)),
            max_backoff: span(Duration::from_secs(1)),
        };
        let spec = pb::JobSpec {
            script_type: script_type.into(),
            script,
            caller_id: "chaos".to_owned(),
            run_timeout: span(Duration::from_secs(20)),
            result_ttl: span(Duration::from_secs(7200)),
            retry_policy: Some(retry_policy),
            priority: self.rng.bool().then(|| self.rng.i32(1..=5)),
            ..Default::default()
        };
        let marks = script_type != pb::ScriptType::Osis;
        (spec, JobFacts { max_attempts: u32::try_from(max_attempts).unwrap(), marks, repeatable })
    }
}

/// A job as a caller sees it.
pub(crate) fn told(job: &pb::Job) -> Told {
    let ends = [
        (JobState::Succeeded, State::Succeeded),
        (JobState::Failed, State::Failed),
        (JobState::Cancelled, State::Cancelled),
    ];
    let state = ends.into_iter().find(|(end, _)| *end == job.state()).map_or(State::Open, |(_, state)| state);
    let finished = job.finish_time.as_ref().map(|time| {
        u64::try_from(time.seconds).unwrap() * 1000 + u64::try_from(time.nanos).unwrap() / 1_000_000
    });
    Told {
        id: job.job_id.clone(),
        state,
        attempt: u32::try_from(job.attempt).unwrap(),
        result: job.result.clone(),
        finished,
    }
}
