//! Reads through tonic's channel and a real socket.

use std::convert::Infallible;
use std::future::{Ready, ready};

use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::Code;
use tonic::server::NamedService;
use tonic::transport::Server;

use super::super::*;
use super::get;
use crate::client::{Client, ClientError};
use crate::proto::CancelJobRequest;

#[tokio::test]
async fn a_read_reaches_a_server_that_comes_later_and_a_write_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let mut calls = Client::connect(&format!("unix:{}", socket.display())).unwrap().calls();
    let write = calls.cancel_job(CancelJobRequest::default()).await.unwrap_err();
    assert_eq!(ClientError::from(write).code, Code::Unavailable);

    let comes_later = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let door = UnixListenerStream::new(UnixListener::bind(&socket).unwrap());
        Server::builder().add_service(Present).serve_with_incoming(door).await
    };
    tokio::select! {
        read = calls.get_job(get("j")) => assert_eq!(read.unwrap_err().message(), "present"),
        ended = comes_later => panic!("{ended:?}"),
    }
}

/// A server that knows no job.
#[derive(Clone)]
struct Present;

impl NamedService for Present {
    const NAME: &'static str = "hero.supervisor.v1.Supervisor";
}

impl Service<Request<Body>> for Present {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Status::not_found("present").into_http()))
    }
}
