//! The calls about many actors. Those that are named and belong to other machines are looked after by the supervisors
//! there; everything else of a selector means actors of this machine.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use tonic::Status;
use tonic_types::StatusExt;

use super::SupervisorService;
use super::call::Call;
use super::on_node::{OnNode, Place};
use crate::domain::model::id::{ActorId, NodeName};
use crate::grpc::parse;
use crate::grpc::render;
use crate::grpc::response_size::BatchBudget;
use crate::grpc::status::Failure;
use crate::proto as pb;

/// A request about the actors of a selector.
pub(super) trait OnNodes: OnNode {
    /// Returns the selector.
    fn selector(&mut self) -> &mut Option<pb::ActorSelector>;

    /// Returns true if one machine has to be done before the next one begins.
    fn one_after_another(&self) -> bool;

    /// Adds the answer of another machine about these actors.
    ///
    /// # Errors
    /// That of the other machine, if there is no place for it in the answer.
    fn add(
        into: &mut Self::Response,
        ids: &[ActorId],
        answer: Result<Self::Response, Status>,
    ) -> Result<(), Status>;
}

impl SupervisorService {
    /// Runs a call on the machines that it is about.
    pub(super) async fn on_nodes<R: OnNodes>(
        &self,
        call: &Call,
        mut request: R,
    ) -> Result<R::Response, Status> {
        let there = self.named_elsewhere(&mut request).await?;
        if there.is_empty() {
            return Ok(request.run(self, call).await?);
        }
        let calls = there.iter().map(|(node, ids)| {
            let mut part = request.clone();
            narrow(&mut part, ids.iter().map(ActorId::to_string).collect());
            async move { (ids.as_slice(), self.pass_on(node, call, part).await) }
        });
        let (in_turn, calls) = (request.one_after_another(), calls.collect::<Vec<_>>());
        let names: BTreeSet<String> = there.values().flatten().map(ActorId::to_string).collect();
        let here = self.run_rest(call, request, &names);
        let (mut answer, others) = if in_turn {
            let (answer, mut others) = (here.await?, Vec::with_capacity(calls.len()));
            for call in calls {
                others.push(call.await);
            }
            (answer, others)
        } else {
            let (answer, others) = tokio::join!(here, join_all(calls));
            (answer?, others)
        };
        for (ids, other) in others {
            R::add(&mut answer, ids, other)?;
        }
        Ok(answer)
    }

    /// Returns the named actors of other machines.
    async fn named_elsewhere<R: OnNodes>(
        &self,
        request: &mut R,
    ) -> Result<BTreeMap<NodeName, Vec<ActorId>>, Failure> {
        let passes_on = self.nodes.is_some() && !matches!(request.place(), Place::Here);
        let Some(selector) = request.selector().as_ref().filter(|_selector| passes_on) else {
            return Ok(BTreeMap::new());
        };
        // Names that cannot be one are the business of the call itself.
        let ids: Vec<ActorId> = selector.actor_ids.iter().flat_map(|raw| ActorId::parse(raw)).collect();
        Ok(self.lifecycle.elsewhere(&ids).await?)
    }

    /// Runs a call here, for what is left of its selector.
    async fn run_rest<R: OnNodes>(
        &self,
        call: &Call,
        mut request: R,
        elsewhere: &BTreeSet<String>,
    ) -> Result<R::Response, Failure> {
        let named =
            request.selector().as_ref().map(|selector| selector.actor_ids.clone()).unwrap_or_default();
        let left: Vec<String> = named.into_iter().filter(|name| !elsewhere.contains(name)).collect();
        if left.is_empty() {
            return Ok(R::Response::default());
        }
        narrow(&mut request, left);
        request.run(self, call).await
    }
}

/// Names other actors in a selector; the rest of it stays.
fn narrow<R: OnNodes>(request: &mut R, actor_ids: Vec<String>) {
    if let Some(selector) = request.selector() {
        selector.actor_ids = actor_ids;
    }
}

/// Adds the results of another machine, or its error to each of the actors.
fn merge_results(
    into: &mut Vec<pb::ActorResult>,
    ids: &[ActorId],
    answer: Result<Vec<pb::ActorResult>, Status>,
) {
    match answer {
        Ok(results) => into.extend(results),
        Err(status) => into.extend(ids.iter().map(|id| pb::ActorResult {
            actor_id: id.to_string(),
            error: Some(of_item(&status)),
            ..Default::default()
        })),
    }
    into.sort_by(|a, b| a.actor_id.cmp(&b.actor_id));
    let mut batch = BatchBudget::default();
    *into = std::mem::take(into).into_iter().map(|result| batch.actor(result)).collect();
}

/// The error of one item of many.
fn of_item(status: &Status) -> pb::ItemError {
    let details = status.get_error_details();
    let info = details.error_info();
    pb::ItemError {
        code: status.code() as i32,
        reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
        message: status.message().to_owned(),
        metadata: info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default(),
        field_violations: Vec::new(),
    }
}

/// Gives a request about many actors what it shares with the others.
macro_rules! of_selector {
    () => {
        fn place(&self) -> Place {
            if self.local_only { Place::Here } else { Place::Named(String::new()) }
        }

        fn stay(&mut self) {
            self.local_only = true;
        }
    };
}

impl OnNode for pb::StartActorsRequest {
    type Response = pb::StartActorsResponse;
    const METHOD: &'static str = "StartActors";
    of_selector!();

    async fn run(self, service: &SupervisorService, call: &Call) -> Result<Self::Response, Failure> {
        let (selector, max_wait) = parse::selector(self.selector, self.max_wait)?;
        let started = call.manager.start_many(&selector, call.wait(max_wait));
        let results = render::results(service.gate.run(started).await?);
        Ok(pb::StartActorsResponse { results })
    }
}

impl OnNode for pb::StopActorsRequest {
    type Response = pb::StopActorsResponse;
    const METHOD: &'static str = "StopActors";
    of_selector!();

    async fn run(self, service: &SupervisorService, call: &Call) -> Result<Self::Response, Failure> {
        let (selector, max_wait) = parse::selector(self.selector, self.max_wait)?;
        let options = parse::stop_options(self.drain_timeout, self.force)?;
        let stopped = call.manager.stop_many(&selector, &options, call.wait(max_wait));
        let results = render::results(service.gate.run(stopped).await?);
        Ok(pb::StopActorsResponse { results })
    }
}

impl OnNode for pb::RestartActorsRequest {
    type Response = pb::RestartActorsResponse;
    const METHOD: &'static str = "RestartActors";
    of_selector!();

    async fn run(self, service: &SupervisorService, call: &Call) -> Result<Self::Response, Failure> {
        let (selector, max_wait) = parse::selector(self.selector, self.max_wait)?;
        let options = parse::stop_options(self.drain_timeout, self.force)?;
        let at_a_time = parse::restart_actors(self.max_unavailable)?;
        let restarted = call.manager.restart_many(&selector, &options, at_a_time, call.wait(max_wait));
        let results = render::results(service.gate.run(restarted).await?);
        Ok(pb::RestartActorsResponse { results })
    }
}

impl OnNode for pb::CheckHealthRequest {
    type Response = pb::CheckHealthResponse;
    const METHOD: &'static str = "CheckHealth";
    of_selector!();

    async fn run(self, service: &SupervisorService, call: &Call) -> Result<Self::Response, Failure> {
        let asked = parse::check_health(self)?;
        let wait = call.wait(asked.max_wait);
        let checked = service.lifecycle.check_health(&asked.selector, asked.scope, wait);
        let reports = render::health_reports(service.gate.run(checked).await?);
        Ok(pb::CheckHealthResponse { reports })
    }
}

/// Merges the results of a change of many actors.
macro_rules! merges_results {
    ($request:ty, $in_turn:expr) => {
        impl OnNodes for $request {
            fn selector(&mut self) -> &mut Option<pb::ActorSelector> {
                &mut self.selector
            }

            fn one_after_another(&self) -> bool {
                let in_turn: fn(&Self) -> bool = $in_turn;
                in_turn(self)
            }

            fn add(
                into: &mut Self::Response,
                ids: &[ActorId],
                answer: Result<Self::Response, Status>,
            ) -> Result<(), Status> {
                merge_results(&mut into.results, ids, answer.map(|answer| answer.results));
                Ok(())
            }
        }
    };
}

merges_results!(pb::StartActorsRequest, |_request| false);
merges_results!(pb::StopActorsRequest, |_request| false);
// Of all actors together no more are to be away at a time.
merges_results!(pb::RestartActorsRequest, |request| request.max_unavailable > 0);

impl OnNodes for pb::CheckHealthRequest {
    fn selector(&mut self) -> &mut Option<pb::ActorSelector> {
        &mut self.selector
    }

    fn one_after_another(&self) -> bool {
        false
    }

    fn add(
        into: &mut Self::Response,
        _ids: &[ActorId],
        answer: Result<Self::Response, Status>,
    ) -> Result<(), Status> {
        into.reports.extend(answer?.reports);
        into.reports.sort_by(|a, b| a.actor_id.cmp(&b.actor_id));
        let mut batch = BatchBudget::default();
        into.reports = std::mem::take(&mut into.reports).into_iter().map(|one| batch.health(one)).collect();
        Ok(())
    }
}
