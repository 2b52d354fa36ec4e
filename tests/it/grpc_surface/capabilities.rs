//! Every call of the contract either works and is listed, or says that it does not.

use std::collections::BTreeSet;

use hero_supervisor::descriptors::call_names;
use hero_supervisor::proto as pb;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use super::on_memory::{GrpcOnMemory, soon, told};

fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
    pool.get_service_by_name("hero.supervisor.v1.Supervisor").unwrap().methods().collect()
}

/// Sends an empty request, whatever the call is, and answers with what comes first.
async fn call(channel: Channel, method: &MethodDescriptor) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = format!("/hero.supervisor.v1.Supervisor/{}", method.name());
    let codec = ProstCodec::<(), ()>::default();
    let path = PathAndQuery::from_maybe_shared(path).unwrap();
    let answer = grpc.server_streaming(Request::new(()), path, codec).await?;
    answer.into_inner().message().await.map(drop)
}

#[tokio::test]
async fn a_call_is_either_listed_or_not_supported() {
    let world = GrpcOnMemory::start();
    for method in methods() {
        let name = method.name();
        let answer = soon(name, call(world.channel(), &method)).await;
        let refused = answer.err().filter(|status| status.code() == Code::Unimplemented);
        match refused {
            None => assert!(call_names().any(|call| call == name), "{name} works and is not listed"),
            Some(status) => {
                assert!(!call_names().any(|call| call == name), "{name} is listed and does not work");
                assert_eq!(told(&status).1, "NOT_SUPPORTED");
                let details = status.get_error_details();
                assert_eq!(details.error_info().unwrap().metadata["capability"], name);
            }
        }
    }
}

#[tokio::test]
async fn the_list_has_only_calls_of_the_contract() {
    let world = GrpcOnMemory::start();
    let info = world.client().get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    let listed: BTreeSet<&str> = info.capabilities.iter().map(String::as_str).collect();
    assert_eq!(listed, call_names().collect());
    let known: Vec<String> = methods().iter().map(|method| method.name().to_owned()).collect();
    for name in listed {
        assert!(known.iter().any(|known| known == name), "{name}");
    }
}

#[tokio::test]
async fn the_server_says_who_it_is_and_what_it_accepts() {
    let world = GrpcOnMemory::start();
    let mut client = world.client();
    let info = client.get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.api_version.as_str(), info.node.as_str()), ("v1", "here"));
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(info.mode(), pb::get_server_info_response::Mode::Normal);
    assert!(!info.instance_id.is_empty() && info.start_time.is_some());
    let limits = info.limits.unwrap();
    assert_eq!((limits.max_script_bytes, limits.max_message_bytes), (1 << 20, 4 << 20));
    assert_eq!(limits.max_wait.unwrap().seconds, 600);
}
