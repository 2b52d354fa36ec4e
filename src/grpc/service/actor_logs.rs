//! StreamActorLogs.

use futures::StreamExt;
use futures::stream::unfold;

use super::Stream;
use crate::domain::actors::ActorLogs;
use crate::error::SupervisorError;
use crate::grpc::render;
use crate::grpc::shutdown_gate::ShutdownGate;
use crate::grpc::status::Failure;
use crate::proto as pb;

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
