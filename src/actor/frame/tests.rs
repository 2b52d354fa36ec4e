use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::actor::hosts::{Done, HostOutput};
use crate::domain::model::id::JobId;
use crate::domain::model::job::{JobError, JobErrorKind, JobResult, JobSpec, JobUsage, ResultKind};
use crate::domain::model::output::{LogStream, OutputItem};
use crate::domain::model::script_type::ScriptType;
use crate::ports::work_queue::{AttemptError, Lease, Retryability};

fn taken(spec: JobSpec) -> TakenJob {
    let lease = Lease { token: "1-0".to_owned(), job_id: JobId::parse("job-1").unwrap() };
    TakenJob { lease, spec, attempt: 1 }
}

#[test]
fn a_job_arrives_as_it_was_sent() {
    let mut spec = JobSpec::new(ScriptType::OSIS, "40 + 2 // ✓");
    spec.caller_id = "ann".to_owned();
    spec.context_id = "c".to_owned();
    spec.env.insert("A".to_owned(), "ä".to_owned());
    spec.run_timeout = Duration::from_millis(5);
    spec.kind = JobKind::Ping;
    let mut bytes = Vec::new();
    let before = uptime_us();
    encode_job(&mut bytes, 7, &taken(spec), Instant::now() + Duration::from_secs(10));
    let (body, used) = first_frame(&bytes).unwrap().unwrap();
    assert_eq!(used, bytes.len());
    let run = decode_run(body).unwrap();
    assert_eq!((run.seq, run.timeout_us, run.kind), (7, 5000, JobKind::Ping));
    let (earliest, latest) = (before + 9_900_000, uptime_us() + 10_000_000);
    assert!((earliest..=latest).contains(&run.start_by_us), "{}", run.start_by_us);
    assert_eq!((run.job_id, run.script, run.caller_id), ("job-1", "40 + 2 // ✓", "ann"));
    assert_eq!((run.context_id, run.env), ("c", vec![("A", "ä")]));
}

#[test]
fn every_reply_arrives_as_it_was_sent() {
    let error = JobError {
        line: Some(3),
        column: Some(1),
        exit_code: Some(-1),
        signal: Some(9),
        log_tail: vec!["a".to_owned(), String::new()],
        ..JobError::new(JobErrorKind::LimitExceeded, "too much")
    };
    let failed = Err(AttemptError { error, retry: Retryability::NotStarted });
    let plain = JobError::new(JobErrorKind::ScriptError, "");
    let bare = Err(AttemptError { error: plain, retry: Retryability::Final });
    let worked = Ok(JobResult { text: "42".to_owned(), kind: ResultKind::Json });
    let mut replies =
        vec![Reply::Ready { version: "rhai".to_owned() }, Reply::Unavailable { reason: "no".to_owned() }];
    let saids = [
        OutputItem::Line { stream: LogStream::Stdout, text: "ä".to_owned() },
        OutputItem::Line { stream: LogStream::Stderr, text: String::new() },
        OutputItem::Progress { percent: Some(40.5), message: "copying".to_owned() },
        OutputItem::Progress { percent: None, message: String::new() },
    ];
    let output =
        (1..).zip(saids).map(|(number, item)| HostOutput { number, ago: Duration::from_micros(3), item });
    replies.push(Reply::Output { seq: 9, output: output.collect() });
    replies.push(Reply::Stale { seq: 8 });
    let cpu = Duration::from_micros(7);
    let usages =
        [None, Some(JobUsage { cpu, peak_memory: None }), Some(JobUsage { cpu, peak_memory: Some(4096) })];
    for (usage, outcome) in usages.into_iter().zip([failed, bare, worked]) {
        replies.push(Reply::Done(Done { seq: 1, wall_us: 2, retiring: true, usage, outcome }));
    }
    let mut bytes = Vec::new();
    for reply in &replies {
        encode_reply(&mut bytes, reply);
    }
    let mut rest = bytes.as_slice();
    for reply in replies {
        let (body, used) = first_frame(rest).unwrap().unwrap();
        assert_eq!(decode_reply(body), Ok(reply));
        rest = &rest[used..];
    }
    assert_eq!(first_frame(rest), Ok(None));
}

#[test]
fn half_a_frame_waits_for_the_rest_and_a_huge_one_is_refused() {
    let mut bytes = Vec::new();
    encode_reply(&mut bytes, &Reply::Ready { version: String::new() });
    for cut in 0..bytes.len() {
        assert_eq!(first_frame(&bytes[..cut]), Ok(None));
    }
    assert_eq!(first_frame(&[255; 8]), Err(Malformed));
}

proptest! {
    #![proptest_config(crate::properties::config())]

    #[test]
    fn no_bytes_make_the_decoders_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_run(&bytes);
        let _ = decode_reply(&bytes);
        let _ = first_frame(&bytes);
    }
}
