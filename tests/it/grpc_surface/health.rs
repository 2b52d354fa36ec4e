//! Readiness means that Redis and the process manager answer.

use std::time::Duration;

use hero_supervisor::adapters::memory::process_manager::Fault;
use hero_supervisor::proto as pb;
use hero_supervisor::proto::dependency::State;
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::on_memory::{GrpcOnMemory, LIMIT, soon};
use crate::support::wait::eventually;

const READY: &str = "hero.supervisor.v1.Supervisor";
const JOBS: &str = "hero.supervisor.v1.jobs";
const ACTORS: &str = "hero.supervisor.v1.actors";

async fn serving(client: &HealthClient<Channel>, name: &str) -> bool {
    let request = HealthCheckRequest { service: name.to_owned() };
    let answer = client.clone().check(request).await.unwrap().into_inner();
    match answer.status() {
        ServingStatus::Serving => true,
        ServingStatus::NotServing => false,
        other @ (ServingStatus::Unknown | ServingStatus::ServiceUnknown) => panic!("{name} is {other:?}"),
    }
}

async fn until(client: &HealthClient<Channel>, expected: [(&str, bool); 4]) {
    let what = format!("{expected:?}");
    eventually(&what, LIMIT, || async {
        for (name, up) in expected {
            if serving(client, name).await != up {
                return None;
            }
        }
        Some(())
    })
    .await;
}

#[tokio::test]
async fn every_name_is_known_and_red_before_its_dependency_answers() {
    let world = GrpcOnMemory::prepare();
    world.broker.set_unavailable(true);
    world.processes.set_fault(Fault::Hung);
    let world = world.serve_unix();
    let client = HealthClient::new(world.channel());
    for name in [READY, JOBS, ACTORS] {
        assert!(!serving(&client, name).await, "{name}");
    }
    until(&client, [("", true), (READY, false), (JOBS, false), (ACTORS, false)]).await;
    world.broker.set_unavailable(false);
    until(&client, [("", true), (READY, false), (JOBS, true), (ACTORS, false)]).await;
    world.processes.set_fault(Fault::None);
    until(&client, [("", true), (READY, true), (JOBS, true), (ACTORS, true)]).await;
}

#[tokio::test]
async fn an_outage_is_seen_soon_and_its_end_as_well() {
    let world = GrpcOnMemory::start();
    let client = HealthClient::new(world.channel());
    until(&client, [("", true), (READY, true), (JOBS, true), (ACTORS, true)]).await;
    world.broker.set_unavailable(true);
    let begun = Instant::now();
    until(&client, [("", true), (READY, false), (JOBS, false), (ACTORS, true)]).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    let info = world.client().get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    let [redis, processes] = info.dependencies.try_into().unwrap();
    assert_eq!((redis.name.as_str(), redis.state()), ("redis", State::Down));
    assert!(!redis.message.is_empty() && redis.check_time.is_some());
    assert_eq!((processes.name.as_str(), processes.state()), ("process_manager", State::Up));
    assert!(processes.latency.is_some());

    world.broker.set_unavailable(false);
    until(&client, [("", true), (READY, true), (JOBS, true), (ACTORS, true)]).await;
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_not_found_and_a_watch_of_it_stays_open() {
    let world = GrpcOnMemory::start();
    let request = HealthCheckRequest { service: "nobody".to_owned() };
    let mut client = HealthClient::new(world.channel());
    assert_eq!(client.check(request.clone()).await.unwrap_err().code(), Code::NotFound);
    let mut watch = client.watch(request).await.unwrap().into_inner();
    let first = soon("an answer", watch.message()).await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    let more = tokio::time::timeout(Duration::from_millis(300), watch.message()).await;
    assert!(more.is_err(), "it stays open: {more:?}");
    world.shutdown.escalate();
    assert!(soon("the end", watch.message()).await.is_ok_and(|more| more.is_none()));
}

#[tokio::test]
async fn a_watch_of_a_name_tells_what_it_is_and_every_change() {
    let world = GrpcOnMemory::start();
    let client = HealthClient::new(world.channel());
    until(&client, [("", true), (READY, true), (JOBS, true), (ACTORS, true)]).await;
    let request = HealthCheckRequest { service: JOBS.to_owned() };
    let mut watch = client.clone().watch(request).await.unwrap().into_inner();
    for (unavailable, expected) in
        [(false, ServingStatus::Serving), (true, ServingStatus::NotServing), (false, ServingStatus::Serving)]
    {
        world.broker.set_unavailable(unavailable);
        let said = soon("a change", watch.message()).await.unwrap().unwrap();
        assert_eq!(said.status(), expected);
    }
}
