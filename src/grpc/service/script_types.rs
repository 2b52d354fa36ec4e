//! Script types: their status after a change, and the pause of their queues.

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::model::script_type::ScriptType;
use crate::error::SupervisorError;
use crate::grpc::parse;
use crate::grpc::render::{self, ActorView};
use crate::grpc::service::SupervisorService;
use crate::grpc::status::Failure;
use crate::proto as pb;

impl SupervisorService {
    /// Reads the status of a script type.
    pub(super) async fn script_type_status(
        &self,
        script_type: ScriptType,
    ) -> Result<pb::ScriptTypeStatus, SupervisorError> {
        let status = self.lifecycle.script_type(script_type).await?;
        Ok(render::script_type_status(status, ActorView::Basic))
    }

    /// Pauses a queue.
    pub(super) async fn pause(
        &self,
        lifecycle: &ActorLifecycleManager,
        request: pb::PauseQueueRequest,
    ) -> Result<pb::PauseQueueResponse, Failure> {
        let (script_type, reason) = parse::pause(request.script_type, request.reason)?;
        let changed = lifecycle.pause_queue(script_type, &reason).await?;
        let status = Some(self.script_type_status(script_type).await?);
        Ok(pb::PauseQueueResponse { status, changed })
    }

    /// Resumes a queue.
    pub(super) async fn resume(
        &self,
        lifecycle: &ActorLifecycleManager,
        request: pb::ResumeQueueRequest,
    ) -> Result<pb::ResumeQueueResponse, Failure> {
        let (script_type, reason) = parse::pause(request.script_type, request.reason)?;
        let changed = lifecycle.resume_queue(script_type, &reason).await?;
        let status = Some(self.script_type_status(script_type).await?);
        Ok(pb::ResumeQueueResponse { status, changed })
    }
}
