//! Script types: their status after a change, and the pause of their queues.

use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::grpc::access::Sight;
use crate::grpc::parse;
use crate::grpc::render::{self, ActorView};
use crate::grpc::service::SupervisorService;
use crate::grpc::service::call::Call;
use crate::grpc::status::Failure;
use crate::proto as pb;

impl SupervisorService {
    /// Reads the status of a script type.
    pub(super) async fn script_type_status(
        &self,
        sight: Sight,
        script_type: ScriptType,
    ) -> Result<pb::ScriptTypeStatus, SupervisorError> {
        let status = self.lifecycle.script_type(script_type).await?;
        Ok(sight.script_type(render::script_type_status(status, ActorView::Basic)))
    }

    /// Pauses a queue.
    pub(super) async fn pause(
        &self,
        call: &Call,
        request: pb::PauseQueueRequest,
    ) -> Result<pb::PauseQueueResponse, Failure> {
        let (script_type, reason) = parse::pause(request.script_type, request.reason)?;
        let changed = call.manager.pause_queue(script_type, &reason).await?;
        let status = Some(self.script_type_status(call.sight, script_type).await?);
        Ok(pb::PauseQueueResponse { status, changed })
    }

    /// Resumes a queue.
    pub(super) async fn resume(
        &self,
        call: &Call,
        request: pb::ResumeQueueRequest,
    ) -> Result<pb::ResumeQueueResponse, Failure> {
        let (script_type, reason) = parse::pause(request.script_type, request.reason)?;
        let changed = call.manager.resume_queue(script_type, &reason).await?;
        let status = Some(self.script_type_status(call.sight, script_type).await?);
        Ok(pb::ResumeQueueResponse { status, changed })
    }
}
