//! Queues: created, read and deleted by name.

use futures::stream::{StreamExt, iter};

use crate::domain::actors::ActorLifecycleManager;
use crate::domain::jobs::Supervisor;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::queue_refusal::QueueRefusal;
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

/// Most queues of a page that are read with their numbers, and queues that are read at a time.
const MOST_READ: usize = 50;
const AT_ONCE: usize = 8;

impl SupervisorService {
    /// Reads a queue with its numbers, its settings and its state.
    pub(super) async fn queue_of(&self, sight: Sight, name: QueueName) -> Result<pb::Queue, SupervisorError> {
        read_queue(&self.supervisor, &self.lifecycle, sight, name).await
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
        sight: Sight,
        request: &pb::ListQueuesRequest,
    ) -> Result<pb::ListQueuesResponse, Failure> {
        let token = PageToken::of(request);
        let limit = parse::page_size(request.page_size).map_err(|what| Violations::one("page_size", what))?;
        let limit = if request.include_status { limit.min(MOST_READ) } else { limit };
        let after = token.parse(|name| QueueName::parse(name).ok())?;
        let named = self.supervisor.named_queues().await?;
        let mut queues: Vec<pb::Queue> = match request.named_only {
            true => Vec::new(),
            false => ScriptType::ALL.into_iter().map(render::default_queue).collect(),
        };
        queues.extend(named.iter().map(render::queue));
        queues.sort_by(|a, b| a.queue.cmp(&b.queue));
        queues.retain(|queue| after.is_none_or(|after| queue.queue.as_str() > after.as_str()));
        let more = queues.len() > limit;
        queues.truncate(limit);
        let next_page_token = match queues.last() {
            Some(last) if more => token.next(&last.queue),
            _end => String::new(),
        };
        if request.include_status {
            queues = self.read_all(sight, queues).await?;
        }
        Ok(pb::ListQueuesResponse { queues, next_page_token })
    }

    /// Reads queues with their numbers. One that is deleted meanwhile is left out.
    async fn read_all(
        &self,
        sight: Sight,
        queues: Vec<pb::Queue>,
    ) -> Result<Vec<pb::Queue>, SupervisorError> {
        let names = queues.into_iter().filter_map(|queue| QueueName::parse(&queue.queue).ok());
        let each = iter(names).map(|name| self.queue_of(sight, name)).buffered(AT_ONCE);
        let read: Vec<Result<pb::Queue, SupervisorError>> = each.collect().await;
        let is_there =
            |read: &Result<_, _>| !matches!(read, Err(SupervisorError::Queue(QueueRefusal::NotFound(_))));
        read.into_iter().filter(is_there).collect()
    }
}

/// Reads a queue with its numbers, its settings and its state.
pub(super) async fn read_queue(
    supervisor: &Supervisor,
    lifecycle: &ActorLifecycleManager,
    sight: Sight,
    name: QueueName,
) -> Result<pb::Queue, SupervisorError> {
    let queue = match name.default_type() {
        Some(script_type) => render::default_queue(script_type),
        None => render::queue(&supervisor.named_queue(name).await?),
    };
    let (depth, actors) = supervisor.queue_numbers(name).await?;
    let status = lifecycle.queue_status(name).await?;
    let etag = render::etag_of(&status.settings);
    let status = Some(sight.script_type(render::script_type_status(status, ActorView::Basic)));
    Ok(pb::Queue { status, etag, ..render::with_numbers(queue, depth, actors) })
}
