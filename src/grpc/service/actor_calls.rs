//! The calls about one actor, as the supervisor of its machine runs them.

use super::SupervisorService;
use super::call::Call;
use super::on_node::{OnNode, Place};
use crate::domain::actors::Updated;
use crate::domain::model::actor::ActorConfig;
use crate::domain::model::id::ActorId;
use crate::domain::model::violation::Violations;
use crate::grpc::parse;
use crate::grpc::render;
use crate::grpc::status::Failure;
use crate::proto as pb;

/// Gives a request about one actor its place: the machine of the actor, unless it is to stay.
macro_rules! of_actor {
    () => {
        fn place(&self) -> Place {
            if self.local_only { Place::Here } else { Place::OfActor(self.actor_id.clone()) }
        }

        fn stay(&mut self) {
            self.local_only = true;
        }
    };
}

impl OnNode for pb::CreateActorRequest {
    type Response = pb::CreateActorResponse;
    const METHOD: &'static str = "CreateActor";

    fn place(&self) -> Place {
        Place::Named(self.node.clone())
    }

    // Where it arrives, its machine is this one.
    fn stay(&mut self) {}

    async fn run(self, service: &SupervisorService, call: &Call) -> Result<Self::Response, Failure> {
        let asked = parse::create_actor(self)?;
        if asked.validate_only {
            let config = service.lifecycle.complete(asked.config).await?;
            service.lifecycle.validate(&config).await?;
            return Ok(pb::CreateActorResponse { changed: true, ..Default::default() });
        }
        let wait = call.wait(asked.max_wait);
        let created = Box::pin(service.gate.run(call.manager.create(asked.config, asked.start, wait)));
        let (actor, changed, wait_outcome) = render::changed(created.await?);
        Ok(pb::CreateActorResponse { actor, changed, wait_outcome })
    }
}

impl OnNode for pb::UpdateActorRequest {
    type Response = pb::UpdateActorResponse;
    const METHOD: &'static str = "UpdateActor";
    of_actor!();

    async fn run(self, service: &SupervisorService, call: &Call) -> Result<Self::Response, Failure> {
        let asked = parse::update_actor(self)?;
        let wait = call.wait(asked.max_wait);
        let change = |old: &ActorConfig| asked.change(old);
        let updated = call.manager.update(&asked.id, asked.update.clone(), change, wait);
        let Updated { status, restarted, .. } = service.gate.run(updated).await?;
        Ok(pb::UpdateActorResponse { actor: Some(render::basic_actor(status)), restarted })
    }
}

impl OnNode for pb::DeleteActorRequest {
    type Response = pb::DeleteActorResponse;
    const METHOD: &'static str = "DeleteActor";
    of_actor!();

    async fn run(self, service: &SupervisorService, call: &Call) -> Result<Self::Response, Failure> {
        let id = actor_id(&self.actor_id)?;
        let options = parse::stop_options(self.drain_timeout, self.force)?;
        let deleted = service.gate.run(call.manager.delete(&id, options, self.allow_missing)).await?;
        Ok(pb::DeleteActorResponse { actor: deleted.map(render::basic_actor) })
    }
}

impl OnNode for pb::StartActorRequest {
    type Response = pb::StartActorResponse;
    const METHOD: &'static str = "StartActor";
    of_actor!();

    async fn run(self, service: &SupervisorService, call: &Call) -> Result<Self::Response, Failure> {
        let (id, max_wait) = parse::wait_for_actor(&self.actor_id, self.max_wait)?;
        let started = service.gate.run(call.manager.start(&id, call.wait(max_wait))).await?;
        let (actor, changed, wait_outcome) = render::changed(started);
        Ok(pb::StartActorResponse { actor, changed, wait_outcome })
    }
}

impl OnNode for pb::StopActorRequest {
    type Response = pb::StopActorResponse;
    const METHOD: &'static str = "StopActor";
    of_actor!();

    async fn run(self, service: &SupervisorService, call: &Call) -> Result<Self::Response, Failure> {
        let (id, max_wait) = parse::wait_for_actor(&self.actor_id, self.max_wait)?;
        let options = parse::stop_options(self.drain_timeout, self.force)?;
        let stopped = service.gate.run(call.manager.stop(&id, options, call.wait(max_wait))).await?;
        let (actor, changed, wait_outcome) = render::changed(stopped);
        Ok(pb::StopActorResponse { actor, changed, wait_outcome })
    }
}

impl OnNode for pb::RestartActorRequest {
    type Response = pb::RestartActorResponse;
    const METHOD: &'static str = "RestartActor";
    of_actor!();

    async fn run(self, service: &SupervisorService, call: &Call) -> Result<Self::Response, Failure> {
        let (id, max_wait) = parse::wait_for_actor(&self.actor_id, self.max_wait)?;
        let options = parse::stop_options(self.drain_timeout, self.force)?;
        let restarted = service.gate.run(call.manager.restart(&id, options, call.wait(max_wait))).await?;
        let (actor, changed, wait_outcome) = render::changed(restarted);
        Ok(pb::RestartActorResponse { actor, changed, wait_outcome })
    }
}

impl OnNode for pb::ScaleActorsRequest {
    type Response = pb::ScaleActorsResponse;
    const METHOD: &'static str = "ScaleActors";

    fn place(&self) -> Place {
        // The whole fleet is scaled from anywhere.
        match self.scope() {
            pb::ScaleScope::Fleet => Place::Here,
            pb::ScaleScope::Unspecified | pb::ScaleScope::Node => Place::Named(self.node.clone()),
        }
    }

    // Where it arrives, its machine is this one.
    fn stay(&mut self) {}

    async fn run(self, service: &SupervisorService, call: &Call) -> Result<Self::Response, Failure> {
        service.scale(call, self).await
    }
}

fn actor_id(raw: &str) -> Result<ActorId, Violations> {
    ActorId::parse(raw).map_err(|description| Violations::one("actor_id", description))
}
