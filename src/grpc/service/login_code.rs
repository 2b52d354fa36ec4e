//! CreateLoginCode: a code that opens a session of the dashboard for its caller.

use tokio::time::Instant;
use tonic::Request;
use tonic::codegen::http::HeaderValue;

use crate::grpc::dashboard::{CODE_LIFE, Shown};
use crate::grpc::peer::Peer;
use crate::grpc::render;
use crate::grpc::service::SupervisorService;
use crate::grpc::status::Failure;
use crate::proto as pb;

impl SupervisorService {
    /// Makes a code for what the caller has shown.
    pub(super) fn login_code(
        &self,
        request: &Request<pb::CreateLoginCodeRequest>,
    ) -> Result<pb::CreateLoginCodeResponse, Failure> {
        self.gate.enter()?;
        // It was checked on the way here.
        let token = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let authorization = token.and_then(|token| HeaderValue::from_str(token).ok());
        let shown = Shown::of(authorization, request.extensions().get::<Peer>());
        let code = self.sessions.code(shown, Instant::now());
        let url = self.info.dashboard_url.as_ref().map(|url| format!("{url}#/login/{code}"));
        Ok(pb::CreateLoginCodeResponse {
            code,
            url: url.unwrap_or_default(),
            expire_time: Some(render::timestamp(self.lifecycle.now() + CODE_LIFE)),
        })
    }
}
