//! Tools that ask what there is get an answer in both dialects of reflection.

use prost::Message;
use prost_types::FileDescriptorProto;
use tokio_stream::{StreamExt, iter};

use super::on_memory::{GrpcOnMemory, soon};

/// Both dialects have the same messages, in two packages.
macro_rules! reflection_test {
    ($name:ident, $dialect:ident) => {
        #[tokio::test]
        async fn $name() {
            use tonic_reflection::pb::$dialect::ServerReflectionRequest;
            use tonic_reflection::pb::$dialect::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$dialect::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$dialect::server_reflection_response::MessageResponse;

            let world = GrpcOnMemory::start();
            let mut client = ServerReflectionClient::new(world.channel());
            let ask =
                |message| ServerReflectionRequest { host: String::new(), message_request: Some(message) };
            let questions = [
                ask(MessageRequest::ListServices(String::new())),
                ask(MessageRequest::FileContainingSymbol("hero.supervisor.v1.Supervisor.RunJob".to_owned())),
                ask(MessageRequest::FileContainingSymbol("grpc.health.v1.Health".to_owned())),
                ask(MessageRequest::FileContainingSymbol("hero.supervisor.v1.ErrorReason".to_owned())),
            ];
            let asked = client.server_reflection_info(iter(questions));
            let answers = soon("reflection", asked).await.unwrap().into_inner();
            let answers: Vec<_> = soon("answers", answers.collect::<Vec<_>>()).await;
            let mut files = Vec::new();
            for answer in answers {
                match answer.unwrap().message_response.unwrap() {
                    MessageResponse::ListServicesResponse(list) => {
                        let names: Vec<String> = list.service.into_iter().map(|one| one.name).collect();
                        assert!(names.contains(&"hero.supervisor.v1.Supervisor".to_owned()), "{names:?}");
                        assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
                    }
                    MessageResponse::FileDescriptorResponse(found) => {
                        let bytes = found.file_descriptor_proto.concat();
                        files.push(FileDescriptorProto::decode(bytes.as_slice()).unwrap());
                    }
                    other => panic!("{other:?}"),
                }
            }
            let names: Vec<&str> = files.iter().map(|file| file.name()).collect();
            assert_eq!(
                names,
                [
                    "hero/supervisor/v1/supervisor_service.proto",
                    "health.proto",
                    "hero/supervisor/v1/error_reason.proto"
                ]
            );
            let comments = files[0].source_code_info.as_ref().unwrap();
            let told = |comment: &str| {
                comments.location.iter().any(|location| location.leading_comments().contains(comment))
            };
            assert!(told("Submits a job and waits for its end."), "comments are the documentation");
        }
    };
}

reflection_test!(reflection_v1_has_the_contract_with_its_comments, v1);
reflection_test!(reflection_v1alpha_has_the_contract_with_its_comments, v1alpha);
