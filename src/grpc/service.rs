//! The handlers of all calls, a few lines each: parse, call the domain, render.

mod access_lists;
mod actor_calls;
mod actor_logs;
mod bulk_calls;
mod call;
mod events;
mod login_code;
mod node_caller;
mod node_inbox;
mod node_shares;
mod on_node;
mod own_jobs;
mod pages;
mod queues;
mod run_job;
mod script_types;
mod server_info;
mod snapshot;
mod usage;
mod watch_health;
mod watch_job;

use std::sync::Arc;

use call::no_reason;
use futures::stream::BoxStream;
pub(crate) use node_caller::NodeCaller;
pub(crate) use node_inbox::answer_node_calls;
use on_node::Place;
use tonic::{Request, Response, Status};

use crate::domain::access::Target;
use crate::domain::actors::ActorLifecycleManager;
use crate::domain::events::watch::EventHub;
use crate::domain::jobs::{Accepted, Supervisor};
use crate::domain::model::health::Scope;
use crate::domain::model::job::JobView;
use crate::domain::model::violation::Violations;
use crate::error::SupervisorError;
use crate::grpc::access::{Sight, decide, permit, visible_job};
use crate::grpc::audit::Noted;
use crate::grpc::dashboard::Sessions;
use crate::grpc::deadline::{effective_wait, time_left};
use crate::grpc::dependencies::Dependencies;
use crate::grpc::framed_stream;
use crate::grpc::metrics_layer;
use crate::grpc::parse;
use crate::grpc::render::{self, ActorView};
use crate::grpc::server_info::ServerInfo;
use crate::grpc::shutdown_gate::ShutdownGate;
use crate::grpc::status::Failure;
use crate::ports::audit_reader::AuditReader;
use crate::ports::identity_directory::IdentityDirectory;
use crate::proto as pb;
use crate::proto::supervisor_server;

type Answer<T> = Result<Response<T>, Status>;
type Stream<T> = BoxStream<'static, Result<T, Status>>;

/// The service of the contract.
pub(crate) struct SupervisorService {
    pub(crate) supervisor: Supervisor,
    pub(crate) lifecycle: ActorLifecycleManager,
    pub(crate) info: ServerInfo,
    pub(crate) dependencies: Dependencies,
    pub(crate) gate: ShutdownGate,
    /// Source of events for watches; None when no event log is kept.
    pub(crate) hub: Option<EventHub>,
    pub(crate) sessions: Sessions,
    /// Identities that may call; None if everybody may.
    pub(crate) identities: Option<Arc<dyn IdentityDirectory>>,
    /// The audit log, if there is one.
    pub(crate) audit_reader: Option<Arc<dyn AuditReader>>,
    /// The way to the supervisors of other machines; None where there is only this one.
    pub(crate) nodes: Option<NodeCaller>,
}

#[tonic::async_trait]
impl supervisor_server::Supervisor for SupervisorService {
    async fn get_server_info(
        &self,
        request: Request<pb::GetServerInfoRequest>,
    ) -> Answer<pb::GetServerInfoResponse> {
        let permit = permit(&request)?;
        let is_known = permit.decide(Target::Whole).is_ok();
        let info = self.server_info(permit.identity()).await;
        Ok(Response::new(if is_known { info } else { server_info::for_everybody(info) }))
    }

    async fn create_login_code(
        &self,
        request: Request<pb::CreateLoginCodeRequest>,
    ) -> Answer<pb::CreateLoginCodeResponse> {
        Ok(Response::new(self.login_code(&request)?))
    }

    // Actors

    async fn create_actor(
        &self,
        request: Request<pb::CreateActorRequest>,
    ) -> Answer<pb::CreateActorResponse> {
        let (call, request) = self.call(request, no_reason)?;
        let mut answer = Box::pin(self.on_node(&call, request)).await?;
        answer.actor = answer.actor.map(|actor| call.sight.actor(actor));
        Ok(Response::new(answer))
    }

    async fn get_actor(&self, request: Request<pb::GetActorRequest>) -> Answer<pb::GetActorResponse> {
        let sight = Sight::of(&permit(&request)?);
        let asked = parse::get_actor(request.get_ref())?;
        let mut actor = sight.actor(render::actor(self.lifecycle.actor(&asked.id).await?, asked.view));
        if !asked.usage_history.is_zero() {
            let after = self.lifecycle.now() - asked.usage_history;
            let history = self.lifecycle.usage_history(&asked.id, after).await?;
            actor.usage_history = history.iter().map(render::usage).collect();
        }
        Ok(Response::new(pb::GetActorResponse { actor: Some(actor) }))
    }

    async fn list_actors(&self, request: Request<pb::ListActorsRequest>) -> Answer<pb::ListActorsResponse> {
        let sight = Sight::of(&permit(&request)?);
        Ok(Response::new(self.actor_page(sight, request.into_inner()).await?))
    }

    async fn update_actor(
        &self,
        request: Request<pb::UpdateActorRequest>,
    ) -> Answer<pb::UpdateActorResponse> {
        let (call, request) = self.call(request, no_reason)?;
        let mut answer = Box::pin(self.on_node(&call, request)).await?;
        answer.actor = answer.actor.map(|actor| call.sight.actor(actor));
        Ok(Response::new(answer))
    }

    async fn delete_actor(
        &self,
        request: Request<pb::DeleteActorRequest>,
    ) -> Answer<pb::DeleteActorResponse> {
        let (call, request) = self.call(request, |request| &request.reason)?;
        let mut answer = self.on_node(&call, request).await?;
        answer.actor = answer.actor.map(|actor| call.sight.actor(actor));
        Ok(Response::new(answer))
    }

    async fn start_actor(&self, request: Request<pb::StartActorRequest>) -> Answer<pb::StartActorResponse> {
        let (call, request) = self.call(request, no_reason)?;
        let mut answer = self.on_node(&call, request).await?;
        answer.actor = answer.actor.map(|actor| call.sight.actor(actor));
        Ok(Response::new(answer))
    }

    async fn stop_actor(&self, request: Request<pb::StopActorRequest>) -> Answer<pb::StopActorResponse> {
        let (call, request) = self.call(request, |request| &request.reason)?;
        let mut answer = self.on_node(&call, request).await?;
        answer.actor = answer.actor.map(|actor| call.sight.actor(actor));
        Ok(Response::new(answer))
    }

    async fn restart_actor(
        &self,
        request: Request<pb::RestartActorRequest>,
    ) -> Answer<pb::RestartActorResponse> {
        let (call, request) = self.call(request, |request| &request.reason)?;
        let mut answer = self.on_node(&call, request).await?;
        answer.actor = answer.actor.map(|actor| call.sight.actor(actor));
        Ok(Response::new(answer))
    }

    async fn start_actors(
        &self,
        request: Request<pb::StartActorsRequest>,
    ) -> Answer<pb::StartActorsResponse> {
        let (call, request) = self.call(request, no_reason)?;
        let mut answer = self.on_nodes(&call, request).await?;
        answer.results = call.sight.results(answer.results);
        Ok(Response::new(answer))
    }

    async fn stop_actors(&self, request: Request<pb::StopActorsRequest>) -> Answer<pb::StopActorsResponse> {
        let (call, request) = self.call(request, |request| &request.reason)?;
        let mut answer = self.on_nodes(&call, request).await?;
        answer.results = call.sight.results(answer.results);
        Ok(Response::new(answer))
    }

    async fn restart_actors(
        &self,
        request: Request<pb::RestartActorsRequest>,
    ) -> Answer<pb::RestartActorsResponse> {
        let (call, request) = self.call(request, |request| &request.reason)?;
        let mut answer = self.on_nodes(&call, request).await?;
        answer.results = call.sight.results(answer.results);
        Ok(Response::new(answer))
    }

    type StreamActorLogsStream = Stream<pb::StreamActorLogsResponse>;

    async fn stream_actor_logs(
        &self,
        request: Request<pb::StreamActorLogsRequest>,
    ) -> Answer<Self::StreamActorLogsStream> {
        let (call, request) = self.call(request, no_reason)?;
        let place = if request.local_only { Place::Here } else { Place::OfActor(request.actor_id.clone()) };
        if let Some(node) = self.other_node(place).await? {
            return Ok(Response::new(actor_logs::stream_from(self, node, &call, request).await?));
        }
        let (id, query) = parse::actor_logs(request)?;
        let logs = self.gate.run(self.lifecycle.logs(&id, query)).await?;
        Ok(Response::new(actor_logs::stream(logs, self.gate.clone())))
    }

    // Machines

    async fn list_nodes(&self, request: Request<pb::ListNodesRequest>) -> Answer<pb::ListNodesResponse> {
        permit(&request)?;
        let nodes = self.lifecycle.nodes().await?.into_iter().map(render::node).collect();
        Ok(Response::new(pb::ListNodesResponse { nodes }))
    }

    // Script types

    async fn list_script_types(
        &self,
        request: Request<pb::ListScriptTypesRequest>,
    ) -> Answer<pb::ListScriptTypesResponse> {
        let sight = Sight::of(&permit(&request)?);
        let all = self.lifecycle.script_types().await?;
        let basic = |status| sight.script_type(render::script_type_status(status, ActorView::Basic));
        let script_types = all.into_iter().map(basic).collect();
        Ok(Response::new(pb::ListScriptTypesResponse { script_types }))
    }

    async fn get_script_type(
        &self,
        request: Request<pb::GetScriptTypeRequest>,
    ) -> Answer<pb::GetScriptTypeResponse> {
        let sight = Sight::of(&permit(&request)?);
        let request = request.get_ref();
        let script_type = parse::known_type(request.script_type)?;
        let view = parse::actor_view(request.view).map_err(|what| Violations::one("view", what))?;
        let status = self.lifecycle.script_type(script_type).await?;
        let status = sight.script_type(render::script_type_status(status, view));
        Ok(Response::new(pb::GetScriptTypeResponse { status: Some(status) }))
    }

    async fn update_script_type(
        &self,
        request: Request<pb::UpdateScriptTypeRequest>,
    ) -> Answer<pb::UpdateScriptTypeResponse> {
        self.gate.enter()?;
        let (call, request) = self.call(request, no_reason)?;
        let (script_type, asked) = parse::update_script_type(request)?;
        Ok(Response::new(self.update_type(&call, script_type, &asked).await?))
    }

    async fn scale_actors(
        &self,
        request: Request<pb::ScaleActorsRequest>,
    ) -> Answer<pb::ScaleActorsResponse> {
        let (call, request) = self.call(request, |request| &request.reason)?;
        let mut answer = Box::pin(self.on_node(&call, request)).await?;
        answer.status = answer.status.map(|status| call.sight.script_type(status));
        Ok(Response::new(answer))
    }

    async fn pause_queue(&self, request: Request<pb::PauseQueueRequest>) -> Answer<pb::PauseQueueResponse> {
        self.gate.enter()?;
        let (call, request) = self.call(request, no_reason)?;
        Ok(Response::new(self.pause(&call, request).await?))
    }

    async fn resume_queue(
        &self,
        request: Request<pb::ResumeQueueRequest>,
    ) -> Answer<pb::ResumeQueueResponse> {
        self.gate.enter()?;
        let (call, request) = self.call(request, no_reason)?;
        Ok(Response::new(self.resume(&call, request).await?))
    }

    async fn purge_queue(&self, request: Request<pb::PurgeQueueRequest>) -> Answer<pb::PurgeQueueResponse> {
        self.gate.enter()?;
        let (call, request) = self.call(request, no_reason)?;
        Ok(Response::new(self.purge(&call, request).await?))
    }

    // Queues by name

    async fn create_queue(
        &self,
        request: Request<pb::CreateQueueRequest>,
    ) -> Answer<pb::CreateQueueResponse> {
        self.gate.enter()?;
        let (name, script_type) = parse::create_queue(request.get_ref())?;
        let created = self.lifecycle.create_queue(name, script_type).await?;
        Ok(Response::new(pb::CreateQueueResponse { queue: Some(render::queue(&created)) }))
    }

    async fn get_queue(&self, request: Request<pb::GetQueueRequest>) -> Answer<pb::GetQueueResponse> {
        let sight = Sight::of(&permit(&request)?);
        let name = parse::queue(&request.get_ref().queue)?;
        Ok(Response::new(pb::GetQueueResponse { queue: Some(self.queue_of(sight, name).await?) }))
    }

    async fn update_queue(
        &self,
        request: Request<pb::UpdateQueueRequest>,
    ) -> Answer<pb::UpdateQueueResponse> {
        self.gate.enter()?;
        let (call, request) = self.call(request, no_reason)?;
        Ok(Response::new(self.update_queue_settings(&call, request).await?))
    }

    async fn list_queues(&self, request: Request<pb::ListQueuesRequest>) -> Answer<pb::ListQueuesResponse> {
        let sight = Sight::of(&permit(&request)?);
        Ok(Response::new(self.queue_page(sight, request.get_ref()).await?))
    }

    async fn delete_queue(
        &self,
        request: Request<pb::DeleteQueueRequest>,
    ) -> Answer<pb::DeleteQueueResponse> {
        self.gate.enter()?;
        let name = parse::queue(&request.get_ref().queue)?;
        self.lifecycle.delete_queue(name).await?;
        Ok(Response::new(pb::DeleteQueueResponse {}))
    }

    // Health

    async fn check_health(
        &self,
        request: Request<pb::CheckHealthRequest>,
    ) -> Answer<pb::CheckHealthResponse> {
        let (call, request) = self.call(request, no_reason)?;
        if parse::check_health(request.clone())?.scope != Scope::None {
            decide(&call.permit, Target::Whole)?;
        }
        Ok(Response::new(self.on_nodes(&call, request).await?))
    }

    type WatchHealthStream = Stream<pb::WatchHealthResponse>;

    async fn watch_health(
        &self,
        request: Request<pb::WatchHealthRequest>,
    ) -> Answer<Self::WatchHealthStream> {
        Ok(Response::new(self.follow_health(request.into_inner()).await?))
    }

    // Jobs

    async fn submit_job(&self, request: Request<pb::SubmitJobRequest>) -> Answer<pb::SubmitJobResponse> {
        self.gate.enter()?;
        let (permit, traceparent) = (permit(&request)?, metrics_layer::traceparent(&request));
        let noted = Noted::of(&request);
        let mut job = parse::submit_job(request.into_inner(), self.now())?;
        job.spec.traceparent = traceparent;
        own_jobs::admit(&permit, &mut job)?;
        let Accepted { job, deduplicated, existing } = self.supervisor.submit(job).await?;
        noted.job(job.id.as_str());
        let job = Some(own_jobs::own_job(&permit, job));
        Ok(Response::new(pb::SubmitJobResponse { job, deduplicated, existing }))
    }

    async fn submit_jobs(&self, request: Request<pb::SubmitJobsRequest>) -> Answer<pb::SubmitJobsResponse> {
        self.gate.enter()?;
        let (permit, traceparent) = (permit(&request)?, metrics_layer::traceparent(&request));
        let noted = Noted::of(&request);
        let results = self.submit_batch(&permit, traceparent, request.into_inner().requests).await?;
        results.iter().flat_map(|result| &result.job).for_each(|job| noted.job(&job.job_id));
        Ok(Response::new(pb::SubmitJobsResponse { results }))
    }

    async fn run_job(&self, request: Request<pb::RunJobRequest>) -> Answer<pb::RunJobResponse> {
        let call = self.parse_run(request)?;
        Box::pin(self.run(call)).await
    }

    async fn await_job(&self, request: Request<pb::AwaitJobRequest>) -> Answer<pb::AwaitJobResponse> {
        let (time_left, permit) = (time_left(request.metadata()), permit(&request)?);
        let (id, max_wait) = parse::await_job(request.into_inner())?;
        let wait = effective_wait(max_wait, time_left);
        self.is_own(&permit, &id).await?;
        let end = self.gate.run(self.supervisor.await_end(&id, wait)).await?;
        if end.done {
            metrics_layer::job_ended(&end.job);
        }
        let wait = if end.done { None } else { Box::pin(self.wait_of(&permit, &end.job)).await };
        let job = Some(pb::Job { wait, ..own_jobs::own_job(&permit, end.job) });
        Ok(Response::new(pb::AwaitJobResponse { job, wait_outcome: render::wait_outcome(end.done) }))
    }

    async fn get_job(&self, request: Request<pb::GetJobRequest>) -> Answer<pb::GetJobResponse> {
        let permit = permit(&request)?;
        let (id, view) = parse::get_job(request.get_ref())?;
        let (job, allowed) = self.own(&permit, &id, view).await?;
        if view == JobView::Full {
            allowed.payloads().map_err(|denied| Failure::denied(&permit, denied))?;
        }
        let wait = self.wait_of(&permit, &job).await;
        let job = Some(pb::Job { wait, ..visible_job(allowed, render::job(job, view)) });
        Ok(Response::new(pb::GetJobResponse { job }))
    }

    async fn list_jobs(&self, request: Request<pb::ListJobsRequest>) -> Answer<pb::ListJobsResponse> {
        let permit = permit(&request)?;
        Ok(Response::new(self.job_page(permit, request.into_inner()).await?))
    }

    async fn explain_job(&self, request: Request<pb::ExplainJobRequest>) -> Answer<pb::ExplainJobResponse> {
        let permit = permit(&request)?;
        let id = parse::explain_job(request.get_ref())?;
        let (job, allowed) = self.own(&permit, &id, JobView::Basic).await?;
        let mut explanation = self.lifecycle.explain(&job).await?;
        let reasons = explanation.reasons.into_iter();
        explanation.reasons = reasons.map(|why| own_jobs::shown(&permit, why)).collect();
        let shown = visible_job(allowed, render::basic_job(job.clone()));
        Ok(Response::new(render::explanation(&job, shown, explanation)))
    }

    async fn cancel_job(&self, request: Request<pb::CancelJobRequest>) -> Answer<pb::CancelJobResponse> {
        self.gate.enter()?;
        let permit = permit(&request)?;
        let (id, reason) = parse::cancel_job(request.into_inner())?;
        self.is_own(&permit, &id).await?;
        let cancelled = self.supervisor.cancel(&id, &reason).await?;
        let job = Some(own_jobs::own_job(&permit, cancelled.job));
        Ok(Response::new(pb::CancelJobResponse { job, changed: cancelled.changed }))
    }

    async fn update_job(&self, request: Request<pb::UpdateJobRequest>) -> Answer<pb::UpdateJobResponse> {
        self.gate.enter()?;
        let permit = permit(&request)?;
        let (id, priority) = parse::update_job(request.into_inner())?;
        self.is_own(&permit, &id).await?;
        let (job, changed) = self.supervisor.reprioritize(&id, priority).await?;
        let job = Some(own_jobs::own_job(&permit, job));
        Ok(Response::new(pb::UpdateJobResponse { job, changed }))
    }

    async fn retry_job(&self, request: Request<pb::RetryJobRequest>) -> Answer<pb::RetryJobResponse> {
        self.gate.enter()?;
        let permit = permit(&request)?;
        let (noted, traceparent) = (Noted::of(&request), metrics_layer::traceparent(&request));
        let parse::Retry { id, reset_attempts, changed } = parse::retry_job(request.into_inner())?;
        if let Some(changed) = changed {
            let again = Box::pin(self.run_again(&permit, &id, changed, traceparent)).await?;
            noted.job(again.job.id.as_str());
            let job = Some(own_jobs::own_job(&permit, again.job));
            return Ok(Response::new(pb::RetryJobResponse { job, deduplicated: again.deduplicated }));
        }
        self.is_own(&permit, &id).await?;
        let quota = own_jobs::quota(&permit);
        let retried = self.supervisor.retry(&id, reset_attempts, quota.as_ref()).await?;
        let job = Some(own_jobs::own_job(&permit, retried));
        Ok(Response::new(pb::RetryJobResponse { job, deduplicated: false }))
    }

    async fn delete_job(&self, request: Request<pb::DeleteJobRequest>) -> Answer<pb::DeleteJobResponse> {
        self.gate.enter()?;
        let permit = permit(&request)?;
        let request = request.get_ref();
        let id = parse::job_id(&request.job_id)?;
        match self.is_own(&permit, &id).await {
            Err(SupervisorError::JobNotFound(_) | SupervisorError::JobExpired(_))
                if request.allow_missing =>
            {
                return Ok(Response::new(pb::DeleteJobResponse { changed: false }));
            }
            is_own => is_own?,
        }
        let changed = self.supervisor.delete(&id, request.allow_missing).await?;
        Ok(Response::new(pb::DeleteJobResponse { changed }))
    }

    type WatchJobStream = Stream<pb::WatchJobResponse>;

    async fn watch_job(&self, request: Request<pb::WatchJobRequest>) -> Answer<Self::WatchJobStream> {
        let permit = permit(&request)?;
        Ok(Response::new(self.follow_job(permit, request.into_inner()).await?))
    }

    // Events

    type WatchEventsStream = Stream<pb::WatchEventsResponse>;

    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Answer<Self::WatchEventsStream> {
        let permit = permit(&request)?;
        Ok(framed_stream::response(self.follow_events(permit, request.into_inner()).await?))
    }

    async fn list_events(&self, request: Request<pb::ListEventsRequest>) -> Answer<pb::ListEventsResponse> {
        let permit = permit(&request)?;
        Ok(Response::new(self.event_page(&permit, request.into_inner()).await?))
    }

    // Access

    async fn list_identities(
        &self,
        request: Request<pb::ListIdentitiesRequest>,
    ) -> Answer<pb::ListIdentitiesResponse> {
        decide(&permit(&request)?, Target::Whole)?;
        Ok(Response::new(self.identity_page(request.get_ref())?))
    }

    async fn list_audit_entries(
        &self,
        request: Request<pb::ListAuditEntriesRequest>,
    ) -> Answer<pb::ListAuditEntriesResponse> {
        decide(&permit(&request)?, Target::Whole)?;
        Ok(Response::new(self.audit_page(request.into_inner()).await?))
    }
}
