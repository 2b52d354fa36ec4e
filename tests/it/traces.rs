//! One trace from the caller through the call and the queue to the script, as a collector gets it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hero_supervisor::proto as pb;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::support::full_service::{FullService, create, osis};
use crate::support::redis::PrivateRedis;
use crate::support::service::LIMIT;
use crate::support::wait::eventually;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A collector that keeps what it gets.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans;
        let spans =
            resources.into_iter().flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        self.spans.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start(tasks: &mut JoinSet<()>) -> (Self, SocketAddr) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TraceServiceServer::new(collector.clone());
        tasks.spawn(async move {
            let served = tonic::transport::Server::builder().add_service(service);
            served.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        (collector, address)
    }

    fn named(&self, name: &str) -> Option<Span> {
        self.spans.lock().unwrap().iter().find(|span| span.name == name).cloned()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn asked(script: &str) -> Request<pb::RunJobRequest> {
    let mut request = Request::new(pb::RunJobRequest { job: Some(osis(script)), ..Default::default() });
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    request
}

#[tokio::test]
async fn a_trace_goes_from_the_caller_through_call_and_queue_to_the_script() {
    let mut tasks = JoinSet::new();
    let (collector, address) = Collector::start(&mut tasks).await;
    let endpoint = format!("http://{address}");
    let whole = FullService::start_on(PrivateRedis::start().await, &["--otlp-endpoint", &endpoint]).await;
    let mut definition = whole.definition("osis_actor_0");
    definition.config.as_mut().unwrap().args.push(format!("--otlp-endpoint={endpoint}"));
    let mut client = whole.client();
    create(&mut client, definition).await;
    let answer = client.run_job(asked("env(\"TRACEPARENT\")")).await.unwrap().into_inner();
    let seen_by_script = answer.job.unwrap().result.unwrap();

    let (call, attempt) = eventually("both spans have come", LIMIT, || async {
        Some((collector.named("RunJob")?, collector.named("job attempt")?))
    })
    .await;
    assert_eq!((hex(&call.trace_id), hex(&call.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    assert_eq!((hex(&attempt.trace_id), &attempt.parent_span_id), (TRACE.to_owned(), &call.span_id));
    assert_eq!(seen_by_script, format!("00-{TRACE}-{}-01", hex(&call.span_id)));
    assert!(call.start_time_unix_nano <= attempt.end_time_unix_nano);
}

#[tokio::test]
async fn without_a_collector_the_script_sees_the_callers_own_trace() {
    let whole = FullService::start().await;
    whole.running_actor("osis_actor_0").await;
    let answer = whole.client().run_job(asked("env(\"TRACEPARENT\")")).await.unwrap().into_inner();
    assert_eq!(answer.job.unwrap().result.unwrap(), format!("00-{TRACE}-{CALLER}-01"));
}
