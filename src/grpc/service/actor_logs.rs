//! StreamActorLogs: the log of an actor of this machine, or page by page that of another one.

use futures::StreamExt;
use futures::stream::unfold;
use prost::Message;
use tonic::Status;

use super::call::Call;
use super::node_caller::{NodeCaller, decoded};
use super::{Stream, SupervisorService};
use crate::domain::actors::ActorLogs;
use crate::domain::model::id::NodeName;
use crate::error::SupervisorError;
use crate::grpc::node_calls::{LogPage, NodeCall};
use crate::grpc::parse;
use crate::grpc::render;
use crate::grpc::shutdown_gate::ShutdownGate;
use crate::grpc::status::Failure;
use crate::proto as pb;

/// Name of the call.
pub(super) const METHOD: &str = "StreamActorLogs";
/// Bytes of a page after which it is complete. A part can be as long again.
const PAGE_BYTES: usize = 1024 * 1024;

/// Streams the parts of a log, until the log, the actor, the call or the server ends.
pub(super) fn stream(logs: ActorLogs, gate: ShutdownGate) -> Stream<pb::StreamActorLogsResponse> {
    let next = |state: Option<(ActorLogs, ShutdownGate)>| async move {
        let (mut logs, gate) = state?;
        let part = tokio::select! {
            biased;
            () = gate.ending.cancelled() => Err(SupervisorError::ShuttingDown),
            part = logs.next() => part,
        };
        match part {
            Ok(Some(part)) => Some((Ok(render::log_part(part)), Some((logs, gate)))),
            Ok(None) => None,
            Err(error) => Some((Err(Failure::from(error).into()), None)),
        }
    };
    unfold(Some((logs, gate)), next).boxed()
}

/// The log of an actor of another machine, as far as it was read.
struct Remote {
    nodes: NodeCaller,
    node: NodeName,
    /// The call for the next page, but for its request.
    call: NodeCall,
    /// Request for the next page. It reads all that is there already; only then does a page wait for more.
    request: pb::StreamActorLogsRequest,
    /// Wait for more, once all that is there was read.
    follow: bool,
}

/// Streams the log of an actor of another machine, page by page.
pub(super) async fn stream_from(
    service: &SupervisorService,
    node: NodeName,
    call: &Call,
    mut request: pb::StreamActorLogsRequest,
) -> Result<Stream<pb::StreamActorLogsResponse>, Status> {
    request.local_only = true;
    let mut call = call.for_node(METHOD, Vec::new());
    // Each page has a limit of its own; the deadline of the stream ends it here.
    call.wait_millis = None;
    let follow = std::mem::take(&mut request.follow);
    let mut remote = Remote { nodes: service.node_caller()?.clone(), node, call, request, follow };
    // What is wrong with the request is the answer of the call, not the first message of its stream.
    let first = remote.page().await?;
    let pages = unfold(Some((remote, Some(first))), |state| async move {
        let (mut remote, page) = state?;
        let page = match page {
            Some(page) => page,
            None => match remote.page().await {
                Ok(page) => page,
                Err(status) => return Some((vec![Err(status)], None)),
            },
        };
        let ended = page.ended;
        Some((page.parts.into_iter().map(Ok).collect(), (!ended).then_some((remote, None))))
    });
    Ok(pages.flat_map(futures::stream::iter).boxed())
}

impl Remote {
    /// Reads the next page, and sees that the one after it goes on behind it.
    async fn page(&mut self) -> Result<LogPage, Status> {
        self.call.request = self.request.encode_to_vec();
        let mut page: LogPage = decoded(&self.node, &self.nodes.call(&self.node, &self.call).await?)?;
        match page.parts.iter().rev().find(|part| !part.cursor.is_empty()) {
            Some(part) => self.request.resume_after.clone_from(&part.cursor),
            // There was no line at all, so all that come are wanted.
            None => {
                (self.request.tail_lines, self.request.since_time) = (Some(parse::MAX_TAIL), None);
            }
        }
        if page.ended && std::mem::take(&mut self.follow) {
            (self.request.follow, page.ended) = (true, false);
        }
        Ok(page)
    }
}

/// Reads one page of the log of an actor of this machine, for another supervisor. A page that is followed waits until there are
/// lines, or for a sign of life.
pub(super) async fn log_page(
    service: &SupervisorService,
    request: pb::StreamActorLogsRequest,
) -> Result<LogPage, Failure> {
    let follow = request.follow;
    let (id, query) = parse::actor_logs(request)?;
    let mut logs = service.gate.run(service.lifecycle.logs(&id, query)).await?;
    let (mut page, mut bytes, mut begun) = (LogPage::default(), 0, false);
    while bytes < PAGE_BYTES {
        let Some(part) = service.gate.wait(logs.next()).await? else {
            page.ended = true;
            break;
        };
        let is_empty = part.lines.is_empty() && part.dropped == 0;
        // The first look does not wait.
        if is_empty && follow && !std::mem::replace(&mut begun, true) {
            continue;
        }
        let part = render::log_part(part);
        bytes += part.encoded_len();
        page.parts.push(part);
        if follow {
            break;
        }
    }
    Ok(page)
}
