//! Calls that other supervisors pass on to this one: each is taken once, run, and answered.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tonic::Status;

use super::SupervisorService;
use super::actor_logs::log_page;
use super::call::Call;
use super::node_shares;
use super::on_node::OnNode;
use crate::error::{SupervisorError, chain};
use crate::grpc::node_calls::{NodeAnswer, NodeCall};
use crate::grpc::status::Failure;
use crate::ports::node_calls::{HOLD_EVERY, MAX_ANSWER_BYTES, NodeInbox, NodeInboxError, TakenCall};
use crate::proto as pb;

/// Calls that are run at a time. Further ones wait with those who make them, or go to another supervisor of this machine.
const AT_ONCE: usize = 64;
/// Delay after a failed read.
const RETRY: Duration = Duration::from_millis(500);
/// Attempts to write an answer, and the delay between two.
const ANSWER_ATTEMPTS: u32 = 5;
const ANSWER_RETRY: Duration = Duration::from_millis(300);

/// Takes and answers calls until a shutdown begins. What was taken by then is answered first.
pub(crate) async fn answer_node_calls(service: Arc<SupervisorService>, mut inbox: Box<dyn NodeInbox>) {
    let (places, mut running) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    let soft = service.gate.soft.clone();
    while let Some(Ok(place)) = soft.run_until_cancelled(Arc::clone(&places).acquire_owned()).await {
        while running.try_join_next().is_some() {}
        match soft.run_until_cancelled(inbox.next()).await {
            None => break,
            Some(Ok(taken)) => {
                let service = Arc::clone(&service);
                running.spawn(async move {
                    Box::pin(answer(&service, taken.as_ref())).await;
                    drop(place);
                });
            }
            Some(Err(error)) => {
                tracing::debug!(error = %chain(&error), "node calls: not read ({})", chain(&error));
                soft.run_until_cancelled(sleep(RETRY)).await;
            }
        }
    }
    while running.join_next().await.is_some() {}
}

/// Runs one call, holds it while it runs, and answers it.
async fn answer(service: &SupervisorService, taken: &dyn TakenCall) {
    // Beside each other: a hold that Redis keeps waiting must not keep the call waiting.
    let result = tokio::select! {
        biased;
        result = run(service, taken.call()) => result,
        never = hold(taken) => match never {},
    };
    if let Err(error) = write(taken, encoded(result)).await {
        tracing::warn!(error = %chain(&error), "node calls: answer not written ({})", chain(&error));
    }
}

/// Holds a call again and again, without end.
async fn hold(taken: &dyn TakenCall) -> Infallible {
    let mut holds = interval(HOLD_EVERY);
    holds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        holds.tick().await;
        if let Err(error) = taken.hold().await {
            tracing::debug!(error = %chain(&error), "node calls: not held ({})", chain(&error));
        }
    }
}

/// Writes an answer, again if Redis is away for a moment.
async fn write(taken: &dyn TakenCall, answer: Vec<u8>) -> Result<(), NodeInboxError> {
    let mut attempt = 1;
    loop {
        match taken.answer(answer.clone()).await {
            Err(_again) if attempt < ANSWER_ATTEMPTS => {
                attempt += 1;
                sleep(ANSWER_RETRY).await;
            }
            written => return written,
        }
    }
}

fn encoded(result: Result<Vec<u8>, Status>) -> Vec<u8> {
    let answer = NodeAnswer::from(result).encode_to_vec();
    if answer.len() <= MAX_ANSWER_BYTES {
        return answer;
    }
    let what = "answer a call of another supervisor".to_owned();
    let source = format!("the answer has {} bytes, more than {MAX_ANSWER_BYTES}", answer.len()).into();
    NodeAnswer::from(Err(SupervisorError::Internal { what, source }.into())).encode_to_vec()
}

async fn run(service: &SupervisorService, message: &[u8]) -> Result<Vec<u8>, Status> {
    let passed = NodeCall::decode(message).map_err(|error| Failure::malformed(&error.to_string()))?;
    let rpc = if passed.method == node_shares::METHOD { node_shares::LIKE } else { passed.method.as_str() };
    let call = service.passed_on(&passed, rpc)?;
    let bytes = passed.request.as_slice();
    match passed.method.as_str() {
        pb::CreateActorRequest::METHOD => one::<pb::CreateActorRequest>(service, &call, bytes).await,
        pb::UpdateActorRequest::METHOD => one::<pb::UpdateActorRequest>(service, &call, bytes).await,
        pb::DeleteActorRequest::METHOD => one::<pb::DeleteActorRequest>(service, &call, bytes).await,
        pb::StartActorRequest::METHOD => one::<pb::StartActorRequest>(service, &call, bytes).await,
        pb::StopActorRequest::METHOD => one::<pb::StopActorRequest>(service, &call, bytes).await,
        pb::RestartActorRequest::METHOD => one::<pb::RestartActorRequest>(service, &call, bytes).await,
        pb::StartActorsRequest::METHOD => one::<pb::StartActorsRequest>(service, &call, bytes).await,
        pb::StopActorsRequest::METHOD => one::<pb::StopActorsRequest>(service, &call, bytes).await,
        pb::RestartActorsRequest::METHOD => one::<pb::RestartActorsRequest>(service, &call, bytes).await,
        pb::ScaleActorsRequest::METHOD => one::<pb::ScaleActorsRequest>(service, &call, bytes).await,
        pb::CheckHealthRequest::METHOD => one::<pb::CheckHealthRequest>(service, &call, bytes).await,
        super::actor_logs::METHOD => Ok(log_page(service, request(bytes)?).await?.encode_to_vec()),
        node_shares::METHOD => Ok(service.scale_to_share(&call, request(bytes)?).await?.encode_to_vec()),
        unknown => Err(Failure::no_such_call(&format!("{unknown} is not passed on")).into()),
    }
}

async fn one<R: OnNode>(service: &SupervisorService, call: &Call, bytes: &[u8]) -> Result<Vec<u8>, Status> {
    let mut request: R = request(bytes)?;
    request.stay();
    Ok(request.run(service, call).await?.encode_to_vec())
}

fn request<R: Message + Default>(bytes: &[u8]) -> Result<R, Failure> {
    R::decode(bytes).map_err(|error| Failure::malformed(&error.to_string()))
}
