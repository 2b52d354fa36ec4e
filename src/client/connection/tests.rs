/// Needs the code of a server.
#[cfg(feature = "service")]
mod later;

use std::sync::{Arc, Mutex};

use futures::StreamExt;
use prost::Message;
use tonic::Code;
use tonic::IntoRequest;
use tonic::codegen::http::{HeaderMap, HeaderName};

use super::*;
use crate::client::error::ClientError;
use crate::proto::supervisor_client::SupervisorClient;
use crate::proto::{CancelJobRequest, FILE_DESCRIPTOR_SET, GetJobRequest, GetJobResponse};

/// A server that answers as it is told, and notes what it was asked and when.
#[derive(Clone, Default)]
struct Server {
    /// The last one is for all that follow.
    answers: Arc<Vec<Told>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone, Copy)]
enum Told {
    Status(Code),
    Http(StatusCode),
    Lost,
    Silence,
    /// An answer that begins and does not end.
    Half,
    /// An answer whose connection is lost behind its head.
    Head,
}

struct Asked {
    at: Instant,
    timeout: Option<Duration>,
    message: Bytes,
}

impl Server {
    fn says(answers: impl Into<Vec<Told>>) -> Self {
        Self { answers: Arc::new(answers.into()), asked: Arc::default() }
    }

    fn client(&self) -> SupervisorClient<Connection<Self>> {
        SupervisorClient::new(Connection::new(self.clone(), Credentials::default()))
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Service<Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        async move {
            let (at, timeout) = (Instant::now(), grpc_timeout::of(request.headers()));
            let message = request.into_body().collect().await?.to_bytes();
            let turn = this.times_asked().min(this.answers.len() - 1);
            this.asked.lock().unwrap().push(Asked { at, timeout, message });
            match this.answers[turn] {
                Told::Status(Code::Ok) => {
                    // No compression, the length in four bytes, the message.
                    let message = GetJobResponse::default().encode_to_vec();
                    assert!(message.is_empty(), "its length is zero");
                    let ok = (HeaderName::from_static("grpc-status"), "0".parse()?);
                    let trailers = HeaderMap::from_iter([ok]);
                    let body =
                        Full::new(Bytes::from_static(&[0; 5])).with_trailers(async { Some(Ok(trailers)) });
                    Ok(Response::builder()
                        .header("content-type", "application/grpc")
                        .body(Body::new(body))?)
                }
                Told::Status(code) => Ok(Status::new(code, "told so").into_http()),
                Told::Http(status) => Ok(Response::builder().status(status).body(Body::empty())?),
                Told::Lost => Err("the connection is gone".into()),
                Told::Silence => std::future::pending().await,
                Told::Head => {
                    let begun = BodyStream::new(Full::new(Bytes::from_static(&[0; 5])));
                    let gone = |_frame| tonic::Status::unknown("the connection is gone");
                    let body = StreamBody::new(begun.map(move |frame| {
                        frame.map_err(|never| match never {}).and_then(|frame| Err(gone(frame)))
                    }));
                    Ok(Response::builder()
                        .header("content-type", "application/grpc")
                        .body(Body::new(body))?)
                }
                Told::Half => {
                    let begun = BodyStream::new(Full::new(Bytes::from_static(&[0; 5])));
                    let body = StreamBody::new(begun.chain(futures::stream::pending()));
                    Ok(Response::builder()
                        .header("content-type", "application/grpc")
                        .body(Body::new(body))?)
                }
            }
        }
        .boxed()
    }
}

fn limited<T>(message: T, timeout: Duration) -> tonic::Request<T> {
    let mut request = message.into_request();
    request.set_timeout(timeout);
    request
}

fn get(id: &str) -> GetJobRequest {
    GetJobRequest { job_id: id.to_owned(), ..GetJobRequest::default() }
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_a_server_that_is_away() {
    use Told::{Http, Lost, Status};
    let server =
        Server::says([Lost, Status(Code::Unavailable), Http(StatusCode::BAD_GATEWAY), Status(Code::Ok)]);
    server.client().get_job(get("j")).await.unwrap();
    let asked = server.asked.lock().unwrap();
    assert_eq!(asked.len(), 4);
    for (pair, pause) in asked.windows(2).zip([200, 400, 800]) {
        let (pause, waited) = (Duration::from_millis(pause), pair[1].at - pair[0].at);
        // The timer of tests goes by milliseconds.
        assert!(waited >= pause && waited <= 2 * pause + Duration::from_millis(1), "{waited:?}");
        assert_eq!(pair[0].message, pair[1].message);
    }
    assert!(asked[0].message.ends_with(b"j"));
}

/// A server says INTERNAL and its like only with a reason.
#[tokio::test(start_paused = true)]
async fn a_read_is_repeated_wherever_its_way_breaks() {
    use Told::{Head, Status};
    let server = Server::says([Head, Status(Code::Internal), Status(Code::Unknown), Status(Code::Ok)]);
    server.client().get_job(get("j")).await.unwrap();
    assert_eq!(server.times_asked(), 4);

    let server = Server::says([Head, Status(Code::Ok)]);
    let status = server.client().cancel_job(CancelJobRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), server.times_asked()), (Code::Unknown, 1));
}

#[tokio::test(start_paused = true)]
async fn after_four_tries_a_read_ends_with_the_last_answer() {
    let server = Server::says([Told::Lost, Told::Status(Code::Unavailable)]);
    let status = server.client().get_job(get("j")).await.unwrap_err();
    assert_eq!((status.code(), status.message(), server.times_asked()), (Code::Unavailable, "told so", 4));

    let server = Server::says([Told::Lost]);
    let error = ClientError::from(server.client().get_job(get("j")).await.unwrap_err());
    assert_eq!(
        (error.code, error.message.contains("is gone"), server.times_asked()),
        (Code::Unavailable, true, 4)
    );
}

#[tokio::test(start_paused = true)]
async fn what_changes_something_is_not_repeated() {
    for told in [Told::Lost, Told::Status(Code::Unavailable)] {
        let server = Server::says([told, Told::Status(Code::Ok)]);
        let status = server.client().cancel_job(CancelJobRequest::default()).await.unwrap_err();
        assert_eq!((ClientError::from(status).code, server.times_asked()), (Code::Unavailable, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_server_has_decided_is_not_asked_again() {
    for code in [
        Code::NotFound,
        Code::DeadlineExceeded,
        Code::ResourceExhausted,
        Code::Unauthenticated,
        Code::PermissionDenied,
    ] {
        let server = Server::says([Told::Status(code), Told::Status(Code::Ok)]);
        let status = server.client().get_job(get("j")).await.unwrap_err();
        assert_eq!((status.code(), server.times_asked()), (code, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_call_holds_for_all_its_tries() {
    let limit = Duration::from_millis(500);
    let server = Server::says([Told::Lost]);
    let begun = Instant::now();
    let status = server.client().get_job(limited(get("j"), limit)).await.unwrap_err();
    assert_eq!((status.code(), begun.elapsed()), (Code::DeadlineExceeded, limit));
    let asked = server.asked.lock().unwrap();
    assert!(asked.len() >= 2);
    for asked in asked.iter() {
        assert_eq!(asked.timeout, Some(limit - (asked.at - begun)), "each try has what is left");
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_call_holds_while_the_server_is_silent() {
    let limit = Duration::from_millis(500);
    let server = Server::says([Told::Silence]);
    let begun = Instant::now();
    let read = server.client().get_job(limited(get("j"), limit)).await.unwrap_err();
    assert_eq!((read.code(), begun.elapsed()), (Code::DeadlineExceeded, limit));
    let write = server.client().cancel_job(limited(CancelJobRequest::default(), limit)).await.unwrap_err();
    assert_eq!((write.code(), begun.elapsed()), (Code::DeadlineExceeded, 2 * limit));
    assert_eq!(server.times_asked(), 2, "silence is no reason to ask again");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_call_holds_until_the_end_of_its_answer() {
    let limit = Duration::from_millis(500);
    let server = Server::says([Told::Half]);
    let begun = Instant::now();
    let status = server.client().get_job(limited(get("j"), limit)).await.unwrap_err();
    assert_eq!((status.code(), begun.elapsed()), (Code::DeadlineExceeded, limit));
}

#[test]
fn the_clients_of_all_languages_repeat_the_same_calls() {
    let clients = [
        include_str!("../../../clients/go/reads.go"),
        include_str!("../../../clients/java/src/main/java/hero/supervisor/RepeatReads.java"),
        include_str!("../../../clients/python/src/hero/supervisor/client/_reads.py"),
        include_str!("../../../clients/typescript/src/reads.ts"),
    ];
    let contract = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let service =
        contract.file.iter().flat_map(|file| &file.service).find(|service| service.name() == "Supervisor");
    let methods = &service.unwrap().method;
    let mut reads = 0;
    for method in methods {
        let path = format!("/hero.supervisor.v1.Supervisor/{}", method.name());
        let ours = READS.contains(&path.as_str());
        reads += usize::from(ours);
        for client in clients {
            assert_eq!(client.contains(&format!("\"{}\"", method.name())), ours, "{path}");
        }
    }
    assert_eq!(reads, READS.len(), "all are methods");
}
