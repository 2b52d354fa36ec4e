//! Queues: created, read and deleted by name.

use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;
use crate::domain::model::violation::Violations;
use crate::error::SupervisorError;
use crate::grpc::page_token::PageToken;
use crate::grpc::parse;
use crate::grpc::render;
use crate::grpc::service::SupervisorService;
use crate::grpc::status::Failure;
use crate::proto as pb;

impl SupervisorService {
    /// Reads a queue with its numbers.
    pub(super) async fn queue_of(&self, name: QueueName) -> Result<pb::Queue, SupervisorError> {
        let queue = match name.default_type() {
            Some(script_type) => render::default_queue(script_type),
            None => render::queue(&self.supervisor.named_queue(name).await?),
        };
        let (depth, actors) = self.supervisor.queue_numbers(name).await?;
        Ok(render::with_numbers(queue, depth, actors))
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
