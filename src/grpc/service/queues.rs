//! Queues: created, read and deleted by name.

use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::Violations;
use crate::error::SupervisorError;
use crate::grpc::access::Sight;
use crate::grpc::page_token::PageToken;
use crate::grpc::parse;
use crate::grpc::render::{self, ActorView};
use crate::grpc::service::SupervisorService;
use crate::grpc::service::call::Call;
use crate::grpc::status::Failure;
use crate::proto as pb;

impl SupervisorService {
    /// Reads a queue with its numbers, its settings and its state.
    pub(super) async fn queue_of(&self, sight: Sight, name: QueueName) -> Result<pb::Queue, SupervisorError> {
        let queue = match name.default_type() {
            Some(script_type) => render::default_queue(script_type),
            None => render::queue(&self.supervisor.named_queue(name).await?),
        };
        let (depth, actors) = self.supervisor.queue_numbers(name).await?;
        let status = self.lifecycle.queue_status(name).await?;
        let etag = render::etag_of(&status.settings);
        let status = Some(sight.script_type(render::script_type_status(status, ActorView::Basic)));
        Ok(pb::Queue { status, etag, ..render::with_numbers(queue, depth, actors) })
    }

    /// Changes the settings of a queue.
    pub(super) async fn update_queue_settings(
        &self,
        call: &Call,
        request: pb::UpdateQueueRequest,
    ) -> Result<pb::UpdateQueueResponse, Failure> {
        let (name, asked) = parse::update_queue(request)?;
        let queue = self.supervisor.typed_queue(name).await?;
        let queue = match self.update_settings(call, queue, &asked).await? {
            true => Some(self.queue_of(call.sight, name).await?),
            false => None,
        };
        Ok(pb::UpdateQueueResponse { queue })
    }

    /// Reads a page of the queues by name.
    pub(super) async fn queue_page(
        &self,
        request: &pb::ListQueuesRequest,
    ) -> Result<pb::ListQueuesResponse, Failure> {
        let token = PageToken::of(request);
        let limit = parse::page_size(request.page_size).map_err(|what| Violations::one("page_size", what))?;
        let after = token.parse(|name| QueueName::parse(name).ok())?;
        let named = self.supervisor.named_queues().await?;
        let mut queues: Vec<pb::Queue> = ScriptType::ALL.into_iter().map(render::default_queue).collect();
        queues.extend(named.iter().map(render::queue));
        queues.sort_by(|a, b| a.queue.cmp(&b.queue));
        queues.retain(|queue| after.is_none_or(|after| queue.queue.as_str() > after.as_str()));
        let more = queues.len() > limit;
        queues.truncate(limit);
        let next_page_token = match queues.last() {
            Some(last) if more => token.next(&last.queue),
            _end => String::new(),
        };
        Ok(pb::ListQueuesResponse { queues, next_page_token })
    }
}
