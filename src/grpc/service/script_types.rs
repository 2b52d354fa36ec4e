//! Script types and queues: their status, their settings, their scaling and their pause.

use crate::domain::access::Target;
use crate::domain::actors::ScaleRequest;
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::settings::ScriptTypeSettings;
use crate::error::SupervisorError;
use crate::grpc::access::{Sight, decide};
use crate::grpc::parse::{self, QueueChoice, UpdateSettings};
use crate::grpc::render::{self, ActorView};
use crate::grpc::service::SupervisorService;
use crate::grpc::service::call::Call;
use crate::grpc::status::Failure;
use crate::proto as pb;

impl SupervisorService {
    /// Reads the status of a queue; that of a script type is the one of its default queue.
    pub(super) async fn queue_status(
        &self,
        sight: Sight,
        queue: QueueName,
    ) -> Result<pb::ScriptTypeStatus, SupervisorError> {
        let status = self.lifecycle.queue_status(queue).await?;
        Ok(sight.script_type(render::script_type_status(status, ActorView::Basic)))
    }

    /// Finds the queue that a request means.
    async fn chosen(&self, choice: QueueChoice) -> Result<TypedQueue, Failure> {
        if let Some(queue) = choice.default_queue() {
            return Ok(queue);
        }
        match choice.name {
            Some(name) => Ok(choice.check(self.supervisor.typed_queue(name).await?)?),
            // Such a choice was refused when it was parsed.
            None => Err(Failure::script_type_not_found(0)),
        }
    }

    /// Changes the settings of a queue; false if they were only checked.
    pub(super) async fn update_settings(
        &self,
        call: &Call,
        queue: TypedQueue,
        asked: &UpdateSettings,
    ) -> Result<bool, Failure> {
        if asked.defines_programs() {
            decide(&call.permit, Target::Whole)?;
        }
        // The etag is compared with what the change is made of, so that nobody else's change comes in between.
        let change = |stored: &ScriptTypeSettings, template: Option<&ActorConfig>| {
            if asked.etag.as_ref().is_some_and(|etag| *etag != render::etag_of(stored)) {
                return Err(SupervisorError::SettingsConflict(queue.name));
            }
            Ok(asked.change(queue, stored, template)?)
        };
        if asked.validate_only {
            call.manager.check_script_type(queue, change).await?;
            return Ok(false);
        }
        call.manager.update_script_type(queue, change).await?;
        Ok(true)
    }

    /// Changes the settings of a script type.
    pub(super) async fn update_type(
        &self,
        call: &Call,
        script_type: ScriptType,
        asked: &UpdateSettings,
    ) -> Result<pb::UpdateScriptTypeResponse, Failure> {
        let status = match self.update_settings(call, script_type.into(), asked).await? {
            true => Some(self.queue_status(call.sight, script_type.into()).await?),
            false => None,
        };
        Ok(pb::UpdateScriptTypeResponse { status })
    }

    /// Scales a queue.
    pub(super) async fn scale(
        &self,
        call: &Call,
        request: pb::ScaleActorsRequest,
    ) -> Result<pb::ScaleActorsResponse, Failure> {
        let asked = parse::scale_actors(request)?;
        let wait = call.wait(asked.max_wait);
        let queue = self.chosen(asked.queue).await?;
        let wanted = ScaleRequest {
            queue,
            replicas: asked.replicas,
            drain_timeout: asked.drain_timeout,
            trial: asked.validate_only,
            take_over: asked.take_over,
            scope: asked.scope,
        };
        let scaled = Box::pin(self.gate.run(call.manager.scale(wanted, wait))).await?;
        let ids = |ids: Vec<ActorId>| ids.iter().map(ActorId::to_string).collect();
        Ok(pb::ScaleActorsResponse {
            status: Some(self.queue_status(call.sight, queue.name).await?),
            added_actor_ids: ids(scaled.added),
            removed_actor_ids: ids(scaled.removed),
            wait_outcome: render::wait_outcome(scaled.done),
            unplaced_replicas: render::count(scaled.shares.unplaced),
            shares: render::shares(scaled.shares.nodes),
        })
    }

    /// Pauses a queue.
    pub(super) async fn pause(
        &self,
        call: &Call,
        request: pb::PauseQueueRequest,
    ) -> Result<pb::PauseQueueResponse, Failure> {
        let (choice, reason) = parse::pause(request.script_type, request.queue, request.reason)?;
        let queue = self.chosen(choice).await?.name;
        let changed = call.manager.pause_queue(queue, &reason).await?;
        let status = Some(self.queue_status(call.sight, queue).await?);
        Ok(pb::PauseQueueResponse { status, changed })
    }

    /// Resumes a queue.
    pub(super) async fn resume(
        &self,
        call: &Call,
        request: pb::ResumeQueueRequest,
    ) -> Result<pb::ResumeQueueResponse, Failure> {
        let (choice, reason) = parse::pause(request.script_type, request.queue, request.reason)?;
        let queue = self.chosen(choice).await?.name;
        let changed = call.manager.resume_queue(queue, &reason).await?;
        let status = Some(self.queue_status(call.sight, queue).await?);
        Ok(pb::ResumeQueueResponse { status, changed })
    }

    /// Purges a queue.
    pub(super) async fn purge(
        &self,
        call: &Call,
        request: pb::PurgeQueueRequest,
    ) -> Result<pb::PurgeQueueResponse, Failure> {
        let (choice, purge) = parse::purge(request)?;
        let queue = self.chosen(choice).await?.name;
        let purged_count = render::count(call.manager.purge_queue(purge.of(queue)).await?);
        Ok(pb::PurgeQueueResponse { purged_count })
    }
}
