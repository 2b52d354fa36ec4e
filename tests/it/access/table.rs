//! Every call of the server, driven by the descriptors, with every kind of credentials.

use std::collections::BTreeSet;
use std::time::Duration;

use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::domain::access::{NewToken, RULES, Role, Scopes, TokenTable};
use hero_supervisor::ports::clock::Clock;
use hero_supervisor::proto as pb;
use prost_reflect::DescriptorPool;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use super::caller::{Caller, Guarded};
use crate::grpc_surface::on_memory::{soon, told};

/// All calls that the server has, as `service/call`.
fn calls() -> BTreeSet<String> {
    let sets = [
        pb::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut calls = BTreeSet::new();
    for set in sets {
        let pool = DescriptorPool::decode(set).unwrap();
        for service in pool.services() {
            calls.extend(service.methods().map(|call| format!("{}/{}", service.full_name(), call.name())));
        }
    }
    calls
}

/// The name that a call has in the table.
fn row(call: &str) -> &str {
    call.strip_prefix("hero.supervisor.v1.Supervisor/").unwrap_or(call)
}

/// Who gets through to the handler: n nobody known, v viewer, p viewer with payloads, s submitter, o operator, a admin.
const EXPECTED: [(&str, &str); 49] = [
    ("GetServerInfo", "nvpsoa"),
    ("CreateLoginCode", "vpsoa"),
    ("CreateActor", "a"),
    ("GetActor", "vpoa"),
    ("ListActors", "vpoa"),
    ("UpdateActor", "a"),
    ("DeleteActor", "a"),
    ("StartActor", "oa"),
    ("StopActor", "oa"),
    ("RestartActor", "oa"),
    ("StartActors", "oa"),
    ("StopActors", "oa"),
    ("RestartActors", "oa"),
    ("StreamActorLogs", "poa"),
    ("ListNodes", "vpoa"),
    ("ListScriptTypes", "vpsoa"),
    ("GetScriptType", "vpsoa"),
    ("UpdateScriptType", "oa"),
    ("ScaleActors", "oa"),
    ("PauseQueue", "oa"),
    ("ResumeQueue", "oa"),
    ("PurgeQueue", "oa"),
    ("CreateQueue", "oa"),
    ("GetQueue", "vpoa"),
    ("UpdateQueue", "oa"),
    ("ListQueues", "vpoa"),
    ("DeleteQueue", "oa"),
    ("CheckHealth", "vpoa"),
    ("WatchHealth", "vpoa"),
    ("SubmitJob", "soa"),
    ("SubmitJobs", "soa"),
    ("RunJob", "soa"),
    ("AwaitJob", "vpsoa"),
    ("GetJob", "vpsoa"),
    ("ExplainJob", "vpsoa"),
    ("ListJobs", "vpsoa"),
    ("CancelJob", "soa"),
    ("UpdateJob", "soa"),
    ("RetryJob", "soa"),
    ("DeleteJob", "soa"),
    ("WatchJob", "vpsoa"),
    ("WatchEvents", "vpsoa"),
    ("ListEvents", "vpsoa"),
    ("ListIdentities", "a"),
    ("ListAuditEntries", "a"),
    ("grpc.health.v1.Health/Check", "nvpsoa"),
    ("grpc.health.v1.Health/Watch", "nvpsoa"),
    ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "vpsoa"),
    ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "vpsoa"),
];

#[test]
fn the_table_has_every_call_of_the_contract_and_no_other() {
    let calls = calls();
    let table: BTreeSet<&str> = RULES.iter().map(|rule| rule.rpc).collect();
    assert_eq!(table, calls.iter().map(|call| row(call)).collect());
    assert_eq!(table.len(), RULES.len(), "a row twice");
}

/// Sends an empty request with these headers, and answers with the error that comes first, if one does.
async fn call(channel: Channel, call: &str, headers: &MetadataMap) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_maybe_shared(format!("/{call}")).unwrap();
    let mut request = Request::new(());
    *request.metadata_mut() = headers.clone();
    let answer = grpc.server_streaming(request, path, ProstCodec::<(), ()>::default()).await?;
    // A watch that is open says nothing for a while.
    let mut messages = answer.into_inner();
    let first = tokio::time::timeout(Duration::from_millis(20), messages.message());
    first.await.map_or(Ok(()), |message| message.map(drop))
}

fn bearer(token: &str) -> MetadataMap {
    let mut headers = MetadataMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    headers
}

/// Whether a call came to its handler: an empty request is refused there for what it lacks.
fn came_through(answer: &Result<(), Status>) -> bool {
    !matches!(answer, Err(status) if [Code::Unauthenticated, Code::PermissionDenied].contains(&status.code()))
}

#[tokio::test]
async fn each_role_reaches_the_calls_of_its_row_and_no_other() {
    let seeing = Scopes { see_payloads: true, ..Scopes::default() };
    let known = [
        ('v', Caller::new("viewer1", &[Role::Viewer], Scopes::default())),
        ('p', Caller::new("viewer2", &[Role::Viewer], seeing)),
        ('s', Caller::submitter("submitter", &["billing"])),
        ('o', Caller::new("operator", &[Role::Operator], Scopes::default())),
        ('a', Caller::new("admin", &[Role::Admin], Scopes::default())),
    ];
    let server = Guarded::start(&known.each_ref().map(|(_, caller)| caller)).await;
    let mut wrong = Vec::new();
    for rpc in calls() {
        let expected = EXPECTED.iter().find(|(name, _)| *name == row(&rpc)).map(|(_, who)| *who).unwrap();
        let mut callers = vec![('n', MetadataMap::new())];
        callers.extend(known.iter().map(|(letter, caller)| (*letter, bearer(&caller.token.text))));
        for (letter, headers) in callers {
            let answer = soon(&rpc, call(server.channel(), &rpc, &headers)).await;
            if came_through(&answer) != expected.contains(letter) {
                wrong.push(format!("{rpc} for {letter}: {answer:?}"));
            }
            if let Err(status) = &answer
                && !came_through(&answer)
            {
                let (code, reason, _) = told(status);
                let expected = if letter == 'n' { "TOKEN_INVALID" } else { "PERMISSION_DENIED" };
                assert_eq!(reason, expected, "{rpc} {code:?}");
                let details = status.get_error_details();
                let metadata = &details.error_info().unwrap().metadata;
                assert!(
                    letter == 'n' || (metadata["rpc"] == row(&rpc) && metadata.contains_key("needed")),
                    "{metadata:?}"
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn credentials_that_are_not_valid_now_are_refused_in_the_same_words_for_every_call() {
    let admin = Caller::new("admin", &[Role::Admin], Scopes::default());
    let mut expired = Caller::new("expired", &[Role::Admin], Scopes::default());
    expired.identity.not_after = Some(SystemClock.now() - Duration::from_secs(1));
    let revoked = Caller::new("revoked", &[Role::Admin], Scopes::default());
    let server = Guarded::start(&[&admin, &expired, &revoked]).await;
    server.identities.set_tokens(TokenTable::new([admin.stored(), expired.stored()]));

    let mut twice = bearer(&admin.token.text);
    twice.append("authorization", format!("Bearer {}", admin.token.text).parse().unwrap());
    let mut basic = MetadataMap::new();
    basic.insert("authorization", "Basic YWRtaW46YWRtaW4=".parse().unwrap());
    let long = format!("{}{}", admin.token.text, "x".repeat(7000));
    let kinds = [
        ("malformed", bearer("letmein")),
        ("no scheme", basic),
        ("empty", bearer("")),
        ("unknown", bearer(&NewToken::new("nobody", &[7; 32]).text)),
        ("wrong secret", bearer(&NewToken::new("admin", &[7; 32]).text)),
        ("a slip", bearer(&admin.token.text.replace("hst_admin", "hst_admim"))),
        ("expired", bearer(&expired.token.text)),
        ("revoked", bearer(&revoked.token.text)),
        ("very long", bearer(&long)),
        ("two headers", twice),
    ];
    let mut messages = BTreeSet::new();
    // A request that is refused holds its answer back after the tenth in a minute, so not all are asked for one by one.
    // One connection for each kind: hundreds that come at once overflow the accept queue of some systems.
    let mut asked = tokio::task::JoinSet::new();
    for (kind, headers) in &kinds {
        let shared = server.channel();
        for rpc in calls().into_iter().filter(|rpc| !rpc.starts_with("grpc.health")) {
            let (channel, kind, headers) = (shared.clone(), *kind, headers.clone());
            asked.spawn(async move { (call(channel, &rpc, &headers).await, rpc, kind) });
        }
    }
    while let Some(answered) = soon("all answers", asked.join_next()).await {
        let (answer, rpc, kind) = answered.unwrap();
        let status = answer.err().unwrap_or_else(|| panic!("{rpc} is open to {kind}"));
        assert_eq!(told(&status).1, "TOKEN_INVALID", "{rpc} {kind}");
        assert_eq!(status.code(), Code::Unauthenticated, "{rpc} {kind}");
        messages.insert(status.message().to_owned());
    }
    assert_eq!(messages.len(), 1, "{messages:?}");
    for rpc in ["grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch"] {
        assert!(call(server.channel(), rpc, &bearer("letmein")).await.is_ok(), "{rpc} is always open");
    }
    assert!(
        call(server.channel(), "hero.supervisor.v1.Supervisor/ListActors", &bearer(&admin.token.text))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_call_that_there_is_not_is_unknown_to_everybody() {
    let admin = Caller::new("admin", &[Role::Admin], Scopes::default());
    let server = Guarded::start(&[&admin]).await;
    for path in [
        "hero.supervisor.v1.Supervisor/Nonsense",
        "hero.supervisor.v1.Supervisor/getJob",
        "x.Y/GetJob",
        "GetJob",
    ] {
        for headers in [MetadataMap::new(), bearer(&admin.token.text)] {
            let status = call(server.channel(), path, &headers).await.unwrap_err();
            assert_eq!(
                (status.code(), told(&status).1.as_str()),
                (Code::Unimplemented, "NOT_SUPPORTED"),
                "{path}"
            );
        }
    }
}
