//! The whole table once more, with requests that mean something and the exact answer of each: every call by everybody.

use std::time::Duration;

use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::domain::access::{NewToken, Role, Scopes, TokenTable};
use hero_supervisor::ports::clock::Clock;
use hero_supervisor::proto as pb;
use prost::Message;
use prost_types::FieldMask;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::caller::{Caller, Guarded};
use crate::grpc_surface::on_memory::{osis, soon};

/// The columns, in this order: nobody; a malformed, unknown, expired and revoked token; a viewer; the submitter of another
/// caller; the submitter of the job's caller; an operator; an admin.
const COLUMNS: [&str; 10] = [
    "nobody",
    "malformed",
    "unknown",
    "expired",
    "revoked",
    "viewer",
    "other",
    "submitter",
    "operator",
    "admin",
];

/// What each of them is answered. The letters are those of [`letter`]. The job is of caller `billing` and waits; the actor that
/// requests name is none that there is.
///
/// ```text
/// . OK                  U UNAUTHENTICATED TOKEN_INVALID       P PERMISSION_DENIED PERMISSION_DENIED
/// A NOT_FOUND ACTOR_NOT_FOUND     J NOT_FOUND JOB_NOT_FOUND   S FAILED_PRECONDITION INVALID_STATE
/// T FAILED_PRECONDITION NO_ACTORS_FOR_SCRIPT_TYPE             B FAILED_PRECONDITION BINARY_INVALID
/// Q NOT_FOUND QUEUE_NOT_FOUND
/// ```
#[rustfmt::skip]
const TABLE: [(&str, &str); 49] = [
    //                        nobody, four invalid, viewer, other, submitter, operator, admin
    ("GetServerInfo",         ".UUUU....."),
    ("CreateLoginCode",       "UUUUU....."),
    ("CreateActor",           "UUUUUPPPPB"),
    ("GetActor",              "UUUUUAPPAA"),
    ("ListActors",            "UUUUU.PP.."),
    ("UpdateActor",           "UUUUUPPPPA"),
    ("DeleteActor",           "UUUUUPPPPA"),
    ("StartActor",            "UUUUUPPPAA"),
    ("StopActor",             "UUUUUPPPAA"),
    ("RestartActor",          "UUUUUPPPAA"),
    ("StartActors",           "UUUUUPPP.."),
    ("StopActors",            "UUUUUPPP.."),
    ("RestartActors",         "UUUUUPPP.."),
    ("StreamActorLogs",       "UUUUUPPPAA"),
    ("ListNodes",             "UUUUU.PP.."),
    ("ListScriptTypes",       "UUUUU....."),
    ("GetScriptType",         "UUUUU....."),
    ("UpdateScriptType",      "UUUUUPPP.."),
    ("ScaleActors",           "UUUUUPPPTT"),
    ("PauseQueue",            "UUUUUPPP.."),
    ("ResumeQueue",           "UUUUUPPP.."),
    ("PurgeQueue",            "UUUUUPPP.."),
    ("CreateQueue",           "UUUUUPPP.."),
    ("GetQueue",              "UUUUU.PP.."),
    ("UpdateQueue",           "UUUUUPPPQQ"),
    ("ListQueues",            "UUUUU.PP.."),
    ("DeleteQueue",           "UUUUUPPPQQ"),
    ("CheckHealth",           "UUUUUPPP.."),
    ("WatchHealth",           "UUUUU.PP.."),
    ("SubmitJob",             "UUUUUPP..."),
    ("SubmitJobs",            "UUUUUP...."),
    ("RunJob",                "UUUUUPP..."),
    ("AwaitJob",              "UUUUU.J..."),
    ("GetJob",                "UUUUUPJ..."),
    ("ExplainJob",            "UUUUU.J..."),
    ("ListJobs",              "UUUUU....."),
    ("CancelJob",             "UUUUUPJ..."),
    ("UpdateJob",             "UUUUUPJ..."),
    ("RetryJob",              "UUUUUPJSSS"),
    ("DeleteJob",             "UUUUUPJSSS"),
    ("WatchJob",              "UUUUUPJ..."),
    ("WatchEvents",           "UUUUU....."),
    ("ListEvents",            "UUUUU....."),
    ("ListIdentities",        "UUUUUPPPP."),
    ("ListAuditEntries",      "UUUUUPPPP."),
    ("grpc.health.v1.Health/Check", ".........."),
    ("grpc.health.v1.Health/Watch", ".........."),
    ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo",      "UUUUU....."),
    ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "UUUUU....."),
];

/// The letter of an answer; the answer itself if it has none.
fn letter(answer: &Result<(), Status>) -> Result<char, String> {
    let Err(status) = answer else { return Ok('.') };
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    match (status.code(), reason.as_str()) {
        (Code::Unauthenticated, "TOKEN_INVALID") => Ok('U'),
        (Code::PermissionDenied, "PERMISSION_DENIED") => Ok('P'),
        (Code::NotFound, "ACTOR_NOT_FOUND") => Ok('A'),
        (Code::NotFound, "JOB_NOT_FOUND") => Ok('J'),
        (Code::NotFound, "QUEUE_NOT_FOUND") => Ok('Q'),
        (Code::FailedPrecondition, "INVALID_STATE") => Ok('S'),
        (Code::FailedPrecondition, "NO_ACTORS_FOR_SCRIPT_TYPE") => Ok('T'),
        (Code::FailedPrecondition, "BINARY_INVALID") => Ok('B'),
        _another => Err(format!("{status:?}")),
    }
}

/// A request that means something, for each call.
fn request(rpc: &str, job_id: &str) -> Vec<u8> {
    let (actor_id, job_id) = ("nobody_0".to_owned(), job_id.to_owned());
    let script_type = pb::ScriptType::Osis.into();
    let job = osis("sleep").map(|job| pb::JobSpec { caller_id: "billing".to_owned(), ..job });
    let submit = || pb::SubmitJobRequest { job: job.clone(), ..Default::default() };
    let selector = Some(pb::ActorSelector { all: true, ..Default::default() });
    let none = Some(prost_types::Duration::default());
    let config = |path: &str| {
        Some(pb::ActorConfig { script_type, binary_path: path.to_owned(), ..Default::default() })
    };
    match rpc {
        "CreateActor" => {
            pb::CreateActorRequest { actor_id, config: config("/missing"), ..Default::default() }
                .encode_to_vec()
        }
        "GetActor" => pb::GetActorRequest { actor_id, ..Default::default() }.encode_to_vec(),
        "UpdateActor" => pb::UpdateActorRequest {
            actor_id,
            config: config("/bin/true"),
            update_mask: Some(prost_types::FieldMask { paths: vec!["binary_path".to_owned()] }),
            ..Default::default()
        }
        .encode_to_vec(),
        "DeleteActor" => pb::DeleteActorRequest { actor_id, ..Default::default() }.encode_to_vec(),
        "StartActor" => pb::StartActorRequest { actor_id, ..Default::default() }.encode_to_vec(),
        "StopActor" => pb::StopActorRequest { actor_id, ..Default::default() }.encode_to_vec(),
        "RestartActor" => pb::RestartActorRequest { actor_id, ..Default::default() }.encode_to_vec(),
        "StartActors" => pb::StartActorsRequest { selector, ..Default::default() }.encode_to_vec(),
        "StopActors" => pb::StopActorsRequest { selector, ..Default::default() }.encode_to_vec(),
        "RestartActors" => pb::RestartActorsRequest { selector, ..Default::default() }.encode_to_vec(),
        "StreamActorLogs" => pb::StreamActorLogsRequest { actor_id, ..Default::default() }.encode_to_vec(),
        "GetScriptType" => pb::GetScriptTypeRequest { script_type, view: 0 }.encode_to_vec(),
        "UpdateScriptType" => {
            let settings = pb::ScriptTypeSettings { max_queue_depth: Some(100_000), ..Default::default() };
            pb::UpdateScriptTypeRequest { script_type, settings: Some(settings), ..Default::default() }
                .encode_to_vec()
        }
        "ScaleActors" => {
            pb::ScaleActorsRequest { script_type, replicas: Some(1), ..Default::default() }.encode_to_vec()
        }
        "PauseQueue" => pb::PauseQueueRequest { script_type, ..Default::default() }.encode_to_vec(),
        "ResumeQueue" => pb::ResumeQueueRequest { script_type, ..Default::default() }.encode_to_vec(),
        "PurgeQueue" => {
            pb::PurgeQueueRequest { script_type, validate_only: true, ..Default::default() }.encode_to_vec()
        }
        "CreateQueue" => pb::CreateQueueRequest { queue: "osis-2".to_owned(), script_type }.encode_to_vec(),
        "GetQueue" => pb::GetQueueRequest { queue: "osis".to_owned() }.encode_to_vec(),
        "UpdateQueue" => {
            pb::UpdateQueueRequest { queue: "none".to_owned(), ..Default::default() }.encode_to_vec()
        }
        "DeleteQueue" => pb::DeleteQueueRequest { queue: "none".to_owned() }.encode_to_vec(),
        "CheckHealth" => pb::CheckHealthRequest { selector, ..Default::default() }.encode_to_vec(),
        "SubmitJob" => submit().encode_to_vec(),
        "SubmitJobs" => pb::SubmitJobsRequest { requests: vec![submit()] }.encode_to_vec(),
        "RunJob" => {
            pb::RunJobRequest { job: job.clone(), max_wait: none, ..Default::default() }.encode_to_vec()
        }
        "AwaitJob" => pb::AwaitJobRequest { job_id, max_wait: none }.encode_to_vec(),
        "GetJob" => pb::GetJobRequest { job_id, view: pb::JobView::Full.into() }.encode_to_vec(),
        "ExplainJob" => pb::ExplainJobRequest { job_id }.encode_to_vec(),
        "CancelJob" => pb::CancelJobRequest { job_id, ..Default::default() }.encode_to_vec(),
        "UpdateJob" => {
            let update_mask = Some(FieldMask { paths: vec!["priority".to_owned()] });
            pb::UpdateJobRequest { job_id, job: job.clone(), update_mask }.encode_to_vec()
        }
        "RetryJob" => pb::RetryJobRequest { job_id, ..Default::default() }.encode_to_vec(),
        "DeleteJob" => pb::DeleteJobRequest { job_id, ..Default::default() }.encode_to_vec(),
        "WatchJob" => {
            pb::WatchJobRequest { job_id, include_logs: true, ..Default::default() }.encode_to_vec()
        }
        // `list_services` of a request for reflection, which has the same number in both versions.
        _reflection if rpc.ends_with("ServerReflectionInfo") => vec![0x3a, 1, b'*'],
        _without_fields_that_matter => Vec::new(),
    }
}

/// Sends bytes as they are, and takes any answer.
#[derive(Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        let all = prost::bytes::Buf::remaining(buffer);
        prost::bytes::Buf::advance(buffer, all);
        Ok(Some(()))
    }
}

/// Makes a call, and answers with the error that comes first, if one does.
async fn call(channel: Channel, rpc: &str, message: Vec<u8>, headers: &MetadataMap) -> Result<(), Status> {
    let path = match rpc.contains('/') {
        true => format!("/{rpc}"),
        false => format!("/hero.supervisor.v1.Supervisor/{rpc}"),
    };
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let mut request = Request::new(message);
    *request.metadata_mut() = headers.clone();
    let answer =
        grpc.server_streaming(request, PathAndQuery::from_maybe_shared(path).unwrap(), Bytes).await?;
    // A watch that is open says nothing for a while.
    let mut messages = answer.into_inner();
    let first = tokio::time::timeout(Duration::from_millis(20), messages.message());
    first.await.map_or(Ok(()), |message| message.map(drop))
}

fn bearer(token: &str) -> MetadataMap {
    let mut headers = MetadataMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    headers
}

#[tokio::test]
async fn everybody_is_answered_by_the_table() {
    let viewer = Caller::new("viewer", &[Role::Viewer], Scopes::default());
    let other = Caller::submitter("other", &["payroll"]);
    let submitter = Caller::submitter("submitter", &["billing"]);
    let operator = Caller::new("operator", &[Role::Operator], Scopes::default());
    let admin = Caller::new("admin", &[Role::Admin], Scopes::default());
    let mut expired = Caller::new("expired", &[Role::Admin], Scopes::default());
    expired.identity.not_after = Some(SystemClock.now() - Duration::from_secs(1));
    let revoked = Caller::new("revoked", &[Role::Admin], Scopes::default());
    let known = [&viewer, &other, &submitter, &operator, &admin, &expired];
    let server = Guarded::start(&[known.as_slice(), &[&revoked]].concat()).await;
    server.identities.set_tokens(TokenTable::new(known.iter().map(|caller| caller.stored())));
    let tokens =
        ["letmein", &NewToken::new("stranger", &[7; 32]).text, &expired.token.text, &revoked.token.text]
            .map(bearer);
    let valid = [&viewer, &other, &submitter, &operator, &admin].map(|caller| bearer(&caller.token.text));
    let headers: Vec<MetadataMap> = [MetadataMap::new()].into_iter().chain(tokens).chain(valid).collect();
    let mut jobs = server.client(&admin);
    // All at once: those without a valid token are answered late after a while. Each kind has a connection of its own.
    let channels: Vec<Channel> = headers.iter().map(|_| server.channel()).collect();
    let mut asked = tokio::task::JoinSet::new();
    for (row, (rpc, _)) in TABLE.into_iter().enumerate() {
        for (column, headers) in headers.iter().enumerate() {
            // A job of its own for each, which nobody has touched.
            let spec = osis("sleep").map(|job| pb::JobSpec { caller_id: "billing".to_owned(), ..job });
            let submit = pb::SubmitJobRequest { job: spec, ..Default::default() };
            let job = jobs.submit_job(submit).await.unwrap().into_inner().job.unwrap();
            let (message, headers, channel) =
                (request(rpc, &job.job_id), headers.clone(), channels[column].clone());
            asked.spawn(async move { (row, column, call(channel, rpc, message, &headers).await) });
        }
    }
    let (mut wrong, mut rows) = (Vec::new(), vec![vec![' '; COLUMNS.len()]; TABLE.len()]);
    while let Some(answered) = soon("all answers", asked.join_next()).await {
        let (row, column, answer) = answered.unwrap();
        match letter(&answer) {
            Ok(letter) => rows[row][column] = letter,
            Err(told) => wrong.push(format!("{} by {}: {told}", TABLE[row].0, COLUMNS[column])),
        }
    }
    for ((rpc, expected), row) in TABLE.into_iter().zip(rows) {
        let row: String = row.into_iter().collect();
        if row != expected {
            wrong.push(format!("{rpc}: {row:?} and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn of_many_jobs_each_is_refused_by_itself() {
    let other = Caller::submitter("other", &["payroll"]);
    let server = Guarded::start(&[&other]).await;
    let job = |caller: &str| osis("sleep").map(|job| pb::JobSpec { caller_id: caller.to_owned(), ..job });
    let submit = |caller: &str| pb::SubmitJobRequest { job: job(caller), ..Default::default() };
    let requests = vec![submit("billing"), submit("payroll")];
    let answer =
        server.client(&other).submit_jobs(pb::SubmitJobsRequest { requests }).await.unwrap().into_inner();
    assert_eq!(answer.results[0].error.as_ref().unwrap().reason, "PERMISSION_DENIED");
    assert!(answer.results[1].job.is_some());
}

#[tokio::test]
async fn very_long_tokens_and_many_headers_are_refused_and_the_server_goes_on() {
    let admin = Caller::new("admin", &[Role::Admin], Scopes::default());
    let server = Guarded::start(&[&admin]).await;
    let good = bearer(&admin.token.text);
    for size in [9_000, 15_000, 64 * 1024, 256 * 1024, 1024 * 1024] {
        let long = bearer(&format!("{}{}", admin.token.text, "x".repeat(size)));
        let answer = soon("an answer", call(server.channel(), "ListActors", Vec::new(), &long)).await;
        assert!(answer.is_err(), "{size}");
        if size < 16_000 {
            assert_eq!(letter(&answer), Ok('U'), "{size}");
        }
        let again = soon("an answer", call(server.channel(), "ListActors", Vec::new(), &good)).await;
        assert_eq!(letter(&again), Ok('.'), "after {size}");
    }
    // The right token among others, in any order.
    for others in [1, 50] {
        let mut many = MetadataMap::new();
        for number in 0..others {
            many.append("authorization", format!("Bearer x{number}").parse().unwrap());
        }
        many.append("authorization", format!("Bearer {}", admin.token.text).parse().unwrap());
        let answer = soon("an answer", call(server.channel(), "ListActors", Vec::new(), &many)).await;
        assert_eq!(letter(&answer), Ok('U'));
    }
}

#[tokio::test]
async fn the_end_of_a_token_follows_the_clock_ahead_and_back() {
    let mut short = Caller::new("short", &[Role::Viewer], Scopes::default());
    short.identity.not_after = Some(SystemClock.now() + Duration::from_secs(3600));
    let server = Guarded::start(&[&short]).await;
    let headers = bearer(&short.token.text);
    let asked = async || letter(&call(server.channel(), "ListActors", Vec::new(), &headers).await).unwrap();
    assert_eq!(asked().await, '.');
    server.clock.step(Duration::from_secs(3601));
    assert_eq!(asked().await, 'U');
    server.clock.step_back(Duration::from_secs(3602));
    assert_eq!(asked().await, '.');
}
