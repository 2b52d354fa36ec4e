//! However long a request is: the error fits into what every client takes, and comes soon.
//!
//! Every field of every call is filled with far too much, by the description of the contract, so that a new call or field
//! is tried as well.

use std::collections::BTreeMap;
use std::time::Duration;

use hero_supervisor::proto as pb;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MethodDescriptor, ReflectMessage, Value,
};
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::HeaderMap;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::on_memory::{GrpcOnMemory, osis, told};

/// What is promised of an error: half of what the strictest clients take.
const MAX_TRAILERS: usize = 4096;
/// A refusal takes milliseconds; others may be compiling on the same cores, and nothing here is optimised.
const SOON: Duration = Duration::from_secs(5);
/// How deep messages in messages are filled.
const DEPTH: usize = 4;

/// Messages as bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length).to_vec()))
    }
}

/// Bytes of the trailers that the error came in, as HTTP/2 counts them.
fn trailers(status: &Status) -> usize {
    let mut headers = HeaderMap::new();
    status.add_header(&mut headers).unwrap();
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

/// One call with these bytes; of a stream, its first message.
async fn call(world: &GrpcOnMemory, method: &MethodDescriptor, request: Vec<u8>) -> Result<usize, Status> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let mut client = Grpc::new(world.channel()).max_decoding_message_size(64 * 1024 * 1024);
    client.ready().await.unwrap();
    let mut request = Request::new(request);
    request.set_timeout(Duration::from_secs(1));
    let path = path.parse().unwrap();
    if !method.is_server_streaming() {
        return Ok(client.unary(request, path, Raw).await?.into_inner().len());
    }
    let mut stream = client.server_streaming(request, path, Raw).await?.into_inner();
    Ok(stream.message().await?.map_or(0, |message| message.len()))
}

/// A message that says what is needed to come past the first checks.
fn usual(message: prost_reflect::MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let value = match (field.name(), field.kind()) {
            ("actor_id", _) => Value::String("a".to_owned()),
            ("job_id", _) => Value::String("j".to_owned()),
            ("script", _) => Value::String("40 + 2".to_owned()),
            ("binary_path", _) => Value::String("/bin/a".to_owned()),
            ("script_type", Kind::Enum(_)) => Value::EnumNumber(1),
            ("replicas", _) => Value::I32(0),
            ("max_wait", Kind::Message(duration)) => {
                let mut wait = DynamicMessage::new(duration);
                wait.set_field_by_name("nanos", Value::I32(1_000_000));
                Value::Message(wait)
            }
            ("job" | "config" | "settings", Kind::Message(inner)) if depth > 0 => {
                Value::Message(usual(inner, depth - 1))
            }
            _other => continue,
        };
        filled.set_field(&field, value);
    }
    filled
}

/// Far too much of a field: one long text, a few odd ones, very many.
#[expect(clippy::wildcard_enum_match_arm, reason = "a kind that no request has yet is told by a panic")]
fn too_much(field: &FieldDescriptor) -> Vec<Value> {
    let list = |item: Value, count: usize| Value::List(vec![item; count]);
    let map = |name: &dyn Fn(usize) -> String, count: usize| {
        Value::Map((0..count).map(|n| (MapKey::String(name(n)), Value::String("\u{1}".into()))).collect())
    };
    if field.is_map() {
        let long = map(&|_| "\u{1}".repeat(1_000_000), 1);
        return vec![long, map(&|n| format!("{n:064}"), 64), map(&|n| format!("9{n}"), 60_000)];
    }
    let kind = field.kind();
    if field.is_list() {
        return match kind {
            Kind::String => vec![
                list(Value::String("\u{1}".repeat(1_000_000)), 1),
                list(Value::String("\0".to_owned()), 300),
                list(Value::String("\0".to_owned()), 200_000),
            ],
            Kind::Enum(_) => vec![list(Value::EnumNumber(99), 1_000_000)],
            Kind::Int32 => vec![list(Value::I32(99), 1_000_000)],
            Kind::Message(inner) => vec![list(Value::Message(DynamicMessage::new(inner)), 1000)],
            other => panic!("how are many {other:?} made?"),
        };
    }
    match kind {
        Kind::String => ["\u{1}", "é", "x/"].map(|part| Value::String(part.repeat(1_000_000))).to_vec(),
        Kind::Enum(_) => vec![Value::EnumNumber(i32::MIN)],
        Kind::Int32 => vec![Value::I32(i32::MIN), Value::I32(i32::MAX)],
        Kind::Int64 => vec![Value::I64(i64::MIN)],
        Kind::Bool | Kind::Double => Vec::new(),
        Kind::Message(_) => Vec::new(),
        other => panic!("what is too much for {other:?}?"),
    }
}

/// Requests with one field in this message, or below it, filled with too much, in every way, and which field that is.
/// `whole` makes the request of the message.
fn spoil(
    message: &DynamicMessage,
    depth: usize,
    path: &str,
    whole: &dyn Fn(DynamicMessage) -> DynamicMessage,
    all: &mut Vec<(String, Vec<u8>)>,
) {
    for field in message.descriptor().fields() {
        let path = format!("{path}.{}", field.name());
        for value in too_much(&field) {
            let mut spoiled = message.clone();
            spoiled.set_field(&field, value);
            all.push((path.clone(), whole(spoiled).encode_to_vec()));
        }
        if let Kind::Message(inner) = field.kind()
            && depth > 0
            && !field.is_map()
        {
            let there = message.get_field(&field).as_message().cloned();
            let there = there.unwrap_or_else(|| DynamicMessage::new(inner));
            let outer = |below: DynamicMessage| {
                let below = Value::Message(below);
                let mut spoiled = message.clone();
                spoiled.set_field(&field, if field.is_list() { Value::List(vec![below]) } else { below });
                whole(spoiled)
            };
            spoil(&there, depth - 1, &path, &outer, all);
        }
    }
}

#[tokio::test]
async fn whatever_is_too_much_is_refused_soon_and_in_few_words() {
    let world = GrpcOnMemory::start();
    let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
    let service = pool.get_service_by_name("hero.supervisor.v1.Supervisor").unwrap();
    let (mut calls, mut refused) = (0, 0);
    for method in service.methods() {
        let mut requests = Vec::new();
        spoil(&usual(method.input(), DEPTH), DEPTH, method.name(), &|request| request, &mut requests);
        for (path, bytes) in requests {
            let what = format!("too much in {path}");
            let begun = Instant::now();
            let answer = tokio::time::timeout(SOON, call(&world, &method, bytes)).await;
            let answer = answer.unwrap_or_else(|_| panic!("{what}: not within {SOON:?}"));
            calls += 1;
            match answer {
                Ok(length) => assert!(length <= 4 * 1024 * 1024, "{what}: {length} bytes"),
                Err(status) => {
                    refused += 1;
                    let length = trailers(&status);
                    assert!(length <= MAX_TRAILERS, "{what}: {length} bytes of trailers");
                    let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
                    // Watches and waits are ended by the deadline of the call, which its caller has set.
                    let late = matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled);
                    assert!(late || reason.is_some(), "{what}: {status:?}");
                    let ours = matches!(status.code(), Code::Internal | Code::Unknown);
                    assert!(!ours, "{what} is no fault of the server: {status:?}, {:?}", begun.elapsed());
                }
            }
        }
    }
    assert!(calls > 300 && refused > 150, "{calls} calls, {refused} refused");
}

#[tokio::test]
async fn a_request_that_is_too_long_or_is_none_is_refused_with_a_reason() {
    let world = GrpcOnMemory::start();
    let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
    let service = pool.get_service_by_name("hero.supervisor.v1.Supervisor").unwrap();
    for method in service.methods() {
        let long = call(&world, &method, vec![0; 5 * 1024 * 1024]).await.unwrap_err();
        assert_eq!((long.code(), told(&long).1.as_str()), (Code::ResourceExhausted, "REQUEST_TOO_LARGE"));
        let cut = call(&world, &method, vec![0x0a, 0x7f]).await.unwrap_err();
        assert_eq!((cut.code(), told(&cut).1.as_str()), (Code::InvalidArgument, "REQUEST_MALFORMED"));
    }
    let not_text = call(&world, &service.methods().next().unwrap(), vec![0x0a, 1, 0xff]).await;
    // A field that GetServerInfo does not know is passed over; a text that is none is not.
    assert!(not_text.is_ok());
    let submit = service.methods().find(|method| method.name() == "SubmitJob").unwrap();
    let not_text = call(&world, &submit, vec![0x12, 1, 0xff]).await.unwrap_err();
    assert_eq!(told(&not_text).1, "REQUEST_MALFORMED");
}

#[tokio::test]
async fn a_batch_is_answered_whole_however_long_it_is() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    // With labels at their limits: a thousand of them would be 20 MiB, and a request of a thousand does not come in.
    let labels = (0..15).map(|n| (format!("k{n:02}"), "v".repeat(250))).collect();
    let job = pb::JobSpec { labels, ..osis("sleep").unwrap() };
    let bad = pb::JobSpec {
        labels: (0..64).map(|n| (format!("{n:064}"), String::new())).collect(),
        ..osis("sleep").unwrap()
    };
    let good = |n: usize| pb::SubmitJobRequest {
        job: Some(job.clone()),
        job_id: format!("job-{n}"),
        ..Default::default()
    };
    for share in [2, 1000] {
        let requests = (0..850)
            .map(|n| match n % share {
                1 if share == 2 => pb::SubmitJobRequest { job: Some(bad.clone()), ..Default::default() },
                _ => good(n + share * 1000),
            })
            .collect();
        let request = pb::SubmitJobsRequest { requests };
        assert!(request.encoded_len() < 4 * 1024 * 1024, "{}", request.encoded_len());
        let results = client.submit_jobs(request).await.unwrap().into_inner().results;
        assert_eq!(results.len(), 850);
        for (n, result) in results.iter().enumerate() {
            match (&result.job, &result.error) {
                (Some(job), None) => assert_eq!(job.job_id, format!("job-{}", n + share * 1000)),
                (None, Some(error)) => {
                    assert_eq!((error.code, error.metadata["violations"].as_str()), (3, "64"), "{error:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_largest_job_that_is_accepted_can_be_read_back() {
    let mut world = GrpcOnMemory::start();
    world.start_osis_worker();
    let mut client = world.client();
    let env = |value: usize| (0..64).map(|n| (format!("E{n:02}"), "e".repeat(value))).collect();
    let labels: BTreeMap<String, String> = (0..64).map(|n| (format!("{n:063}"), "l".repeat(256))).collect();
    let script = format!("big{}", " ".repeat(1024 * 1024 - 3));
    let input = |bytes: usize| format!("\"{}\"", "i".repeat(bytes - 2));
    let room = 256 * 1024;
    let job = |value, room| {
        let input = input(room);
        pb::JobSpec { env: env(value), input, labels: labels.clone(), ..osis(&script).unwrap() }
    };
    let most = (1024 * 1024) / 64 - 3;
    let small = |input| pb::JobSpec { input, ..osis("1").unwrap() };
    for (job, fields) in [
        (job(most + 1, 2), vec!["job.env"]),
        (job(most, room + 1), vec!["job.input"]),
        (small(input(1024 * 1024 + 1)), vec!["job.input"]),
        (small(format!("{}{}", "[".repeat(128), "]".repeat(128))), vec!["job.input"]),
    ] {
        let refused = pb::SubmitJobRequest { job: Some(job), ..Default::default() };
        let refused = client.submit_job(refused).await.unwrap_err();
        assert_eq!(told(&refused).2, fields);
    }
    let run =
        pb::RunJobRequest { job: Some(job(most, room)), job_id: "large".to_owned(), ..Default::default() };
    let done = client.run_job(run).await.unwrap().into_inner();
    assert_eq!(done.job.unwrap().result.unwrap().len(), 1024 * 1024);
    let get = pb::GetJobRequest { job_id: "large".to_owned(), view: pb::JobView::Full.into() };
    let read = client.get_job(get).await.unwrap().into_inner().job.unwrap();
    let spec = read.spec.unwrap();
    assert_eq!((spec.script.len(), spec.env.len(), spec.input.len()), (1 << 20, 64, room));
    assert_eq!(read.result.unwrap().len(), 1 << 20);
}

#[tokio::test]
async fn actors_with_long_definitions_are_listed_page_by_page_and_stopped_at_once() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let config = pb::ActorConfig {
        script_type: pb::ScriptType::Osis.into(),
        binary_path: "/bin/a".to_owned(),
        args: vec!["x".repeat(60_000); 2],
        ..Default::default()
    };
    for n in 0..45 {
        let request = pb::CreateActorRequest {
            actor_id: format!("a{n:02}"),
            config: Some(config.clone()),
            start: Some(false),
            ..Default::default()
        };
        client.create_actor(request).await.unwrap();
    }
    let (mut request, mut found, mut pages) = (pb::ListActorsRequest::default(), Vec::new(), 0);
    loop {
        let page = client.list_actors(request.clone()).await.unwrap().into_inner();
        assert!(page.encoded_len() <= 4 * 1024 * 1024);
        pages += 1;
        found.extend(page.actors.into_iter().map(|actor| actor.actor_id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!((found.len(), found.is_sorted()), (45, true));
    assert!(pages > 1);
    let selector = Some(pb::ActorSelector { all: true, ..Default::default() });
    let stop = pb::StopActorsRequest { selector, ..Default::default() };
    let results = client.stop_actors(stop).await.unwrap().into_inner().results;
    assert_eq!(results.len(), 45);
    assert!(results.iter().all(|result| result.actor.as_ref().unwrap().actor_id == result.actor_id));

    let longer = pb::ActorConfig { args: vec!["x".repeat(60_000); 3], ..config };
    let actor_id = "longer".to_owned();
    let request = pb::CreateActorRequest { actor_id, config: Some(longer), ..Default::default() };
    assert_eq!(told(&client.create_actor(request).await.unwrap_err()).2, ["config"]);
}
