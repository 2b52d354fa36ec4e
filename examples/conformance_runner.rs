//! The runner of the Rust client: it does what the driver of `clients/conformance` says, through the client as anybody uses
//! it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a runner ends by panicking when it is told nonsense, and talks on stdout"
)]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use futures::StreamExt;
use hero_supervisor::client::{Client, ClientError, ConnectOptions, Run, result};
use hero_supervisor::proto::{self as pb, FILE_DESCRIPTOR_SET};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap());
const SERVICE: &str = "hero.supervisor.v1.Supervisor";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Command {
    id: u64,
    r#do: String,
    #[serde(default)]
    address: String,
    cacert: Option<String>,
    client_cert: Option<String>,
    client_key: Option<String>,
    token: Option<String>,
    token_file: Option<String>,
    #[serde(default)]
    script_type: String,
    #[serde(default)]
    script: String,
    spec: Option<Value>,
    input: Option<Value>,
    request_id: Option<String>,
    #[serde(default)]
    job_id: String,
    timeout_ms: Option<u64>,
    #[serde(default)]
    cancel_on_wait_end: bool,
    queue: Option<String>,
    #[serde(default)]
    method: String,
    #[serde(default)]
    request: Value,
    pause_after: Option<usize>,
    #[serde(default)]
    target: u64,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    binary: String,
    #[serde(default)]
    json: Value,
}

/// A command that is being done.
#[derive(Clone, Default)]
struct Operation {
    cancelled: CancellationToken,
    resumed: Arc<Notify>,
}

/// How commands end.
type Answer = Result<Value, ClientError>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let active: Arc<Mutex<HashMap<u64, Operation>>> = Arc::default();
    let mut client: Option<Client> = None;
    let mut work = JoinSet::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let command: Command = serde_json::from_str(&line).expect("a command");
        let target = active.lock().unwrap().get(&command.target).cloned();
        match command.r#do.as_str() {
            "connect" => {
                let connected = Client::connect_with(&command.address, &options(&command));
                end(command.id, connected.map(|connected| client = Some(connected)).map(|()| Value::Null));
            }
            "cancel" => {
                target.unwrap_or_default().cancelled.cancel();
                end(command.id, Ok(Value::Null));
            }
            "resume" => {
                target.unwrap_or_default().resumed.notify_one();
                end(command.id, Ok(Value::Null));
            }
            _work => {
                let operation = Operation::default();
                active.lock().unwrap().insert(command.id, operation.clone());
                let client = client.clone().expect("connect first");
                let active = Arc::clone(&active);
                work.spawn(async move {
                    let id = command.id;
                    let cancelled = operation.cancelled.clone();
                    let doing = Box::pin(perform(&client, command, &operation));
                    let done = cancelled.run_until_cancelled(doing).await;
                    active.lock().unwrap().remove(&id);
                    end(id, done.unwrap_or_else(|| Err(Status::cancelled("given up").into())));
                });
            }
        }
    }
}

fn options(command: &Command) -> ConnectOptions {
    let mut options = ConnectOptions::new();
    if let Some(path) = &command.cacert {
        options = options.cacert(path);
    }
    if let (Some(certificate), Some(key)) = (&command.client_cert, &command.client_key) {
        options = options.client_cert(certificate, key);
    }
    if let Some(token) = &command.token {
        options = options.token(token);
    }
    if let Some(path) = &command.token_file {
        options = options.token_file(path);
    }
    options
}

async fn perform(client: &Client, command: Command, operation: &Operation) -> Answer {
    let timeout = command.timeout_ms.map(Duration::from_millis);
    match command.r#do.as_str() {
        "run" => {
            let spec: pb::JobSpec = typed(&command.spec.unwrap_or_else(|| json!({})));
            let script_type = pb::ScriptType::from_str_name(&command.script_type).unwrap_or_default();
            let script = command.script;
            let mut run = Run::new(script_type, "").job_id(command.job_id).spec(|job| {
                *job = pb::JobSpec { script_type: script_type.into(), script, ..spec };
            });
            if let Some(input) = command.input {
                run = run.input(input.to_string());
            }
            if let Some(id) = command.request_id {
                run = run.request_id(id);
            }
            if let Some(timeout) = timeout {
                run = run.timeout(timeout);
            }
            if let Some(queue) = command.queue {
                run = run.queue(queue);
            }
            if command.cancel_on_wait_end {
                run = run.cancel_on_wait_end();
            }
            client.run(run).await.map(|job| shown(&job))
        }
        "await" => client.await_job(&command.job_id, timeout).await.map(|job| shown(&job)),
        "result" => {
            let job = client.await_job(&command.job_id, timeout).await?;
            Ok(match result(&job) {
                Ok(result) => json!({"result": result}),
                Err(failed) => json!({"failed": failed.kind().as_str_name()}),
            })
        }
        "call" => {
            let (path, input, output) = method(&command.method);
            let mut grpc = Grpc::new(client.connection());
            grpc.ready().await.map_err(Status::from_error)?;
            let mut request = Request::new(read(&input, &command.request));
            timeout.into_iter().for_each(|timeout| request.set_timeout(timeout));
            let answer = grpc.unary(request, path, Dynamic(output)).await?;
            Ok(json_of(answer.get_ref()))
        }
        "stream" => {
            let (path, input, output) = method(&command.method);
            let mut grpc = Grpc::new(client.connection());
            grpc.ready().await.map_err(Status::from_error)?;
            let request = Request::new(read(&input, &command.request));
            let mut messages = grpc.server_streaming(request, path, Dynamic(output)).await?.into_inner();
            let mut told = Told::new(command.id, command.pause_after, operation);
            while let Some(message) = messages.message().await? {
                told.item(json_of(&message)).await;
            }
            Ok(Value::Null)
        }
        "watchEvents" => {
            let mut messages = client.watch_events(typed(&command.request));
            let mut told = Told::new(command.id, command.pause_after, operation);
            while let Some(message) = messages.next().await {
                told.item(shown(&message?)).await;
            }
            Ok(Value::Null)
        }
        "watchHealth" => {
            let mut messages = client.watch_health(typed(&command.request));
            let mut told = Told::new(command.id, command.pause_after, operation);
            while let Some(message) = messages.next().await {
                told.item(shown(&message?)).await;
            }
            Ok(Value::Null)
        }
        "golden" => {
            let bytes = unhex(&command.binary);
            let descriptor = POOL.get_message_by_name(&command.r#type).unwrap();
            let again = through_generated(&command.r#type, &bytes);
            let from_binary = DynamicMessage::decode(descriptor.clone(), again.as_slice()).unwrap();
            let from_json = read(&descriptor, &command.json).encode_to_vec();
            Ok(json!({
                "json": json_of(&from_binary),
                "binary": hex(&through_generated(&command.r#type, &from_json)),
                "again": hex(&again),
            }))
        }
        other => panic!("unknown command {other}"),
    }
}

/// Tells the items of a stream, and stops reading where it is told to.
struct Told<'a> {
    id: u64,
    count: usize,
    pause_after: Option<usize>,
    operation: &'a Operation,
}

impl<'a> Told<'a> {
    fn new(id: u64, pause_after: Option<usize>, operation: &'a Operation) -> Self {
        Self { id, count: 0, pause_after, operation }
    }

    async fn item(&mut self, item: Value) {
        println!("{}", json!({"id": self.id, "item": item}));
        self.count += 1;
        if Some(self.count) == self.pause_after {
            self.operation.resumed.notified().await;
        }
    }
}

fn end(id: u64, answer: Answer) {
    let line = match answer {
        Ok(ok) => json!({"id": id, "ok": ok}),
        Err(error) => json!({"id": id, "error": {
            "code": error.code_name(), "reason": error.reason, "message": error.message, "metadata": error.metadata,
            "retryAfterMs": u64::try_from(error.retry_after.as_millis()).unwrap(), "fields": error.fields,
            "refusal": refusal(&error),
        }}),
    };
    println!("{line}");
}

fn refusal(error: &ClientError) -> &'static str {
    match (error.is_unauthenticated(), error.is_permission_denied()) {
        (true, _) => "unauthenticated",
        (_, true) => "permission_denied",
        (false, false) => "",
    }
}

/// Reads bytes as the generated type of this name, and writes it again.
fn through_generated(name: &str, bytes: &[u8]) -> Vec<u8> {
    macro_rules! any_of {
        ($($message:ident),*) => {
            match name {
                $(_ if name == pb::$message::full_name() => pb::$message::decode(bytes).unwrap().encode_to_vec(),)*
                other => panic!("no golden message is a {other}: name it here"),
            }
        };
    }
    any_of!(
        CreateActorRequest,
        GetServerInfoRequest,
        Job,
        ScaleActorsRequest,
        UpdateScriptTypeRequest,
        WatchEventsResponse,
        WatchHealthResponse
    )
}

/// A message of the generated client from its JSON.
fn typed<M: Message + Name + Default>(json: &Value) -> M {
    let descriptor = POOL.get_message_by_name(&M::full_name()).unwrap();
    M::decode(read(&descriptor, json).encode_to_vec().as_slice()).unwrap()
}

fn shown<M: Message + Name>(message: &M) -> Value {
    let descriptor = POOL.get_message_by_name(&M::full_name()).unwrap();
    json_of(&DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).unwrap())
}

fn read(descriptor: &MessageDescriptor, json: &Value) -> DynamicMessage {
    DynamicMessage::deserialize(descriptor.clone(), json).unwrap_or_else(|why| panic!("{why}: {json}"))
}

fn json_of(message: &DynamicMessage) -> Value {
    serde_json::to_value(message).unwrap()
}

fn method(name: &str) -> (PathAndQuery, MessageDescriptor, MessageDescriptor) {
    let service = POOL.get_service_by_name(SERVICE).unwrap();
    let method = service.methods().find(|method| method.name() == name).expect("a method of the contract");
    (format!("/{SERVICE}/{name}").parse().unwrap(), method.input(), method.output())
}

/// Any message, by its descriptor.
#[derive(Clone)]
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(out).map_err(|error| Status::new(Code::Internal, error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), bytes);
        message.map(Some).map_err(|error| Status::new(Code::Internal, error.to_string()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
