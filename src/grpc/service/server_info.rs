//! Answers about the server itself and about script types.

use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use crate::descriptors::call_names;
use crate::domain::access::{Identity, Target, decide};
use crate::domain::model::event::filter::EventFilter;
use crate::domain::model::job::{
    MAX_ATTEMPTS, MAX_BATCH, MAX_INPUT_BYTES, MAX_PAIRS, MAX_RESULT_BYTES, MAX_SCRIPT_BYTES, MAX_SPAN,
};
use crate::grpc::deadline::MAX_WAIT;
use crate::grpc::limits::MAX_MESSAGE_BYTES;
use crate::grpc::parse::MAX_PAGE;
use crate::grpc::render;
use crate::grpc::server_info::{ClientCertificates, TlsStatus};
use crate::grpc::service::SupervisorService;
use crate::ports::event_log::Extent;
use crate::proto as pb;
use crate::proto::get_server_info_response::Mode;

/// Time for the log of events to say what it keeps.
const LOG_TIMEOUT: Duration = Duration::from_millis(300);
/// Time for which the queue remembers a request id.
const REQUEST_ID_WINDOW: Duration = Duration::from_secs(24 * 3600);

impl SupervisorService {
    /// Collects the answer to GetServerInfo.
    pub(super) async fn server_info(&self, caller: &Identity) -> pb::GetServerInfoResponse {
        let mode = match (self.gate.soft.is_cancelled(), self.info.dev) {
            (true, _) => Mode::Draining,
            (false, true) => Mode::Dev,
            (false, false) => Mode::Normal,
        };
        let kept = self.events_kept().await;
        pb::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_version: "v1".to_owned(),
            instance_id: self.info.instance_id.clone(),
            node: self.info.node.to_string(),
            start_time: Some(render::timestamp(self.info.started_at)),
            mode: mode.into(),
            capabilities: call_names().map(str::to_owned).collect(),
            limits: Some(limits()),
            dependencies: self.dependencies.render(),
            oldest_event_cursor: kept.as_ref().map(|kept| kept.oldest.encode()).unwrap_or_default(),
            newest_event_cursor: kept.as_ref().map(|kept| kept.newest.encode()).unwrap_or_default(),
            tls: self.info.tls.as_ref().map(|tls| tls_status(tls.status())),
            insecure: self.info.insecure,
            identity: Some(identity(caller)),
            dashboard_url: self.info.dashboard_url.clone().unwrap_or_default(),
        }
    }

    /// Returns the events that are kept; None when the log does not answer at once, since the caller may be looking for
    /// what is wrong with the log.
    async fn events_kept(&self) -> Option<Extent> {
        let log = self.hub.as_ref()?.log();
        timeout(LOG_TIMEOUT, log.extent(&EventFilter::default().streams())).await.ok()?.ok()
    }

    /// The time that jobs are measured by.
    pub(super) fn now(&self) -> SystemTime {
        self.supervisor.clock().now()
    }
}

/// Leaves what a caller without an identity may know: version, calls and limits, but no names of machines and addresses.
pub(super) fn for_everybody(info: pb::GetServerInfoResponse) -> pb::GetServerInfoResponse {
    pb::GetServerInfoResponse {
        node: String::new(),
        dependencies: Vec::new(),
        oldest_event_cursor: String::new(),
        newest_event_cursor: String::new(),
        dashboard_url: String::new(),
        ..info
    }
}

fn identity(caller: &Identity) -> pb::Identity {
    let is_allowed = |rpc: &&str| decide(caller, rpc, Target::Call).is_ok();
    pb::Identity {
        id: caller.label().unwrap_or_default(),
        name: caller.name.clone(),
        roles: caller.roles.iter().map(|role| role.as_str().to_owned()).collect(),
        allowed_calls: call_names().filter(is_allowed).map(str::to_owned).collect(),
        not_after: caller.not_after.map(render::timestamp),
    }
}

fn tls_status(status: TlsStatus) -> pb::TlsStatus {
    use pb::tls_status::ClientAuth;
    let client_auth = match status.client_certificates {
        ClientCertificates::None => ClientAuth::None,
        ClientCertificates::Optional => ClientAuth::Optional,
        ClientCertificates::Required => ClientAuth::Required,
    };
    pb::TlsStatus {
        names: status.names,
        not_after: Some(render::timestamp(status.not_after)),
        min_version: status.min_version.to_owned(),
        client_auth: client_auth.into(),
    }
}

fn limits() -> pb::Limits {
    pb::Limits {
        max_script_bytes: render::count(MAX_SCRIPT_BYTES),
        max_input_bytes: render::count(MAX_INPUT_BYTES),
        max_result_bytes: render::count(MAX_RESULT_BYTES),
        max_message_bytes: render::count(MAX_MESSAGE_BYTES),
        max_batch_jobs: render::count(MAX_BATCH),
        max_page_size: render::count(MAX_PAGE),
        max_labels: render::count(MAX_PAIRS),
        max_attempts: render::count(MAX_ATTEMPTS),
        max_wait: Some(render::duration(MAX_WAIT)),
        max_job_span: Some(render::duration(MAX_SPAN)),
        request_id_window: Some(render::duration(REQUEST_ID_WINDOW)),
    }
}
