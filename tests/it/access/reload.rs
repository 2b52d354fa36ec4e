//! Certificates that change while the service runs.

use std::os::unix::fs::symlink;
use std::time::Duration;

use hero_supervisor::proto as pb;
use nix::sys::signal::Signal;
use pb::event::{Topic, Type};
use rustls::version::TLS13;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::pki::{Ca, write};
use super::stage::{NAME, TlsStage, handshake, info};
use crate::support::full_service::client;
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;

/// Waits until new connections are served by this CA.
async fn served_by(stage: &TlsStage, ca: &Ca) {
    eventually("the new certificate is served", LIMIT, || async {
        handshake(stage.address(), &ca.pem, NAME, &[&TLS13]).await.ok().map(drop)
    })
    .await;
}

/// Waits for an event of the server; answers with what is in it.
pub(super) async fn event(service: &Service, kind: Type) -> pb::Event {
    eventually("the event is listed", LIMIT, || async {
        let request = pb::ListEventsRequest {
            topics: vec![Topic::Server.into()],
            page_size: 1000,
            ..Default::default()
        };
        let listed = client(service).list_events(request).await.ok()?.into_inner();
        listed.events.into_iter().find(|event| event.r#type() == kind)
    })
    .await
}

pub(super) fn subject(event: &pb::Event) -> (String, String) {
    let Some(pb::event::Detail::Reload(reload)) = &event.detail else { panic!("no reload in {event:?}") };
    (reload.subject.clone(), reload.error.clone())
}

#[tokio::test]
async fn a_ca_is_replaced_under_load_and_no_call_fails() {
    let stage = TlsStage::start(&[]).await;
    let new = Ca::new("the next CA");
    // Callers trust both, as they do while a CA is replaced.
    let both = format!("{}{}", stage.ca.pem, new.pem);
    let mut calls = JoinSet::new();
    let mut every_5_ms = interval(Duration::from_millis(5));
    every_5_ms.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let kept = stage.client_with(&both, None);
    // 200 calls a second, every tenth on a connection of its own.
    for number in 0..1600 {
        every_5_ms.tick().await;
        if number == 400 {
            new.pair(&[NAME]).write(stage.dir.path());
        }
        let caller = if number % 10 == 0 { stage.client_with(&both, None) } else { kept.clone() };
        calls.spawn(info(caller));
    }
    let failed: Vec<String> = calls.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed.first());
    served_by(&stage, &new).await;
    assert!(stage.handshake(NAME, &[&TLS13]).await.is_err(), "the former one is gone");
    assert_eq!(
        subject(&event(&stage.service, Type::ServerReloaded).await),
        ("tls".to_owned(), String::new())
    );
}

#[tokio::test]
async fn a_broken_pair_changes_nothing_and_is_told() {
    let stage = TlsStage::start(&[]).await;
    write(&stage.path("server.key"), &stage.ca.pair(&[NAME]).key);
    let (what, fault) = subject(&event(&stage.service, Type::ServerReloadFailed).await);
    assert_eq!(what, "tls");
    assert!(fault.contains("is not the key of the certificate"), "{fault}");
    info(stage.client()).await.unwrap();
    assert!(stage.handshake(NAME, &[&TLS13]).await.is_ok());
    assert!(stage.service.stderr().contains("what was loaded before stays in force"));
}

#[tokio::test]
async fn a_swapped_link_is_seen_as_kubernetes_swaps_it() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, new) = (Ca::new("server CA"), Ca::new("the next CA"));
    for (folder, ca) in [("v1", &ca), ("v2", &new)] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
        ca.pair(&[NAME]).write(&dir.path().join(folder));
    }
    symlink("v1", dir.path().join("data")).unwrap();
    for file in ["server.crt", "server.key"] {
        symlink(format!("data/{file}"), dir.path().join(file)).unwrap();
    }
    let stage = TlsStage::start_on(dir, ca, &[]).await;
    info(stage.client()).await.unwrap();
    symlink("v2", stage.path("next")).unwrap();
    std::fs::rename(stage.path("next"), stage.path("data")).unwrap();
    served_by(&stage, &new).await;
}

#[tokio::test]
async fn a_hangup_loads_the_files_and_ends_nothing() {
    let stage = TlsStage::start(&[]).await;
    stage.service.signal(Signal::SIGHUP);
    event(&stage.service, Type::ServerReloaded).await;
    info(stage.client()).await.unwrap();
}

#[tokio::test]
async fn a_service_without_files_to_load_outlives_sighup() {
    let redis = PrivateRedis::start().await;
    let service = Service::serve(&["--redis-url", &redis.url(), "--process-manager", "local"]).await;
    service.signal(Signal::SIGHUP);
    eventually("the signal is told", LIMIT, || async {
        service.stderr().contains("SIGHUP changes nothing").then_some(())
    })
    .await;
    client(&service).get_server_info(pb::GetServerInfoRequest {}).await.unwrap();
}
