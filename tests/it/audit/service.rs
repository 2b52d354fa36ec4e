//! What the real service notes.

use std::path::PathBuf;

use hero_supervisor::adapters::audit::verify;
use hero_supervisor::domain::access::NewToken;
use hero_supervisor::proto as pb;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::log::{kinds, lines};
use crate::access::caller::Bearer;
use crate::support::full_service::osis;
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service, run};
use crate::support::wait::eventually;

struct Stage {
    dir: TempDir,
    service: Service,
    redis: PrivateRedis,
    admin: String,
    viewer: String,
    submitter: String,
}

type Client = SupervisorClient<InterceptedService<Channel, Bearer>>;

impl Stage {
    async fn start(flags: &[&str]) -> Self {
        let (dir, redis) = (tempfile::tempdir().unwrap(), PrivateRedis::start().await);
        let tokens = dir.path().join("tokens.toml").display().to_string();
        let create = |args: &[&str]| {
            let ran = run([&["token", "--tokens-file", &tokens, "create", "--quiet"], args].concat());
            assert_eq!(ran.code, 0, "{ran:?}");
            ran.stdout.trim_end().to_owned()
        };
        let admin = create(&["--role", "admin", "--id", "boss", "--name", "the boss"]);
        let viewer = create(&["--role", "viewer", "--id", "reader"]);
        let submitter = create(&[
            "--role",
            "submitter",
            "--id",
            "billing",
            "--caller",
            "billing",
            "--script-type",
            "osis",
        ]);
        let (path, url) = (dir.path().join("audit.ndjson").display().to_string(), redis.url());
        let own = [
            "--redis-url",
            &url,
            "--process-manager",
            "local",
            "--auth-tokens-file",
            &tokens,
            "--audit-log",
            &path,
        ];
        let service = Service::serve(&[&own, flags].concat()).await;
        Self { dir, service, redis, admin, viewer, submitter }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit.ndjson")
    }

    fn client(&self, token: &str) -> Client {
        let channel =
            Endpoint::from_shared(format!("http://{}", self.service.address())).unwrap().connect_lazy();
        SupervisorClient::with_interceptor(channel, Bearer::of(token))
    }

    fn noted(&self) -> Vec<Value> {
        lines(&[self.path()])
    }

    /// Waits for lines of a call.
    async fn until(&self, rpc: &str, stages: &[&str]) -> Vec<Value> {
        eventually(&format!("{rpc} is noted"), LIMIT, || async {
            let mut noted = self.noted();
            noted.retain(|line| line["rpc"] == rpc);
            (kinds(&noted) == stages).then_some(noted)
        })
        .await
    }

    async fn end(&mut self) {
        self.service.signal(Signal::SIGTERM);
        assert!(self.service.ended().await.success());
        let report = verify(&self.path(), None).unwrap();
        assert!(report.faults.is_empty() && report.closed, "{report:?}");
    }
}

fn pause() -> Request<pb::PauseQueueRequest> {
    let pause = pb::PauseQueueRequest {
        script_type: pb::ScriptType::Osis.into(),
        reason: String::new(),
        ..Default::default()
    };
    let mut request = Request::new(pause);
    request.metadata_mut().insert("x-request-id", "deploy-7".parse().unwrap());
    request
}

#[tokio::test]
async fn who_has_changed_what_is_noted_and_no_secret_is() {
    let mut stage = Stage::start(&[]).await;
    stage.client(&stage.admin).pause_queue(pause()).await.unwrap();
    let noted = stage.until("PauseQueue", &["received", "done"]).await;
    for line in &noted {
        assert_eq!(line["identity"], json!({"kind": "token", "id": "boss", "name": "the boss"}));
        assert_eq!(
            (&line["request_id"], &line["target"]),
            (&json!("deploy-7"), &json!({"script_type": ["osis"]}))
        );
        assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
        assert_eq!(line["params"].as_str().unwrap().len(), "sha256:".len() + 64);
    }
    assert_eq!(noted[1]["code"], "OK");
    let mut job = osis("let s3cret_script = 1");
    job.env.insert("KEY".to_owned(), "s3cret_env".to_owned());
    let submit = |job| pb::SubmitJobRequest { job: Some(job), ..Default::default() };
    let mut submitter = stage.client(&stage.submitter);
    let accepted = submitter.submit_job(submit(job.clone())).await.unwrap().into_inner().job.unwrap();
    let noted = stage.until("SubmitJob", &["received", "done"]).await;
    assert_eq!(noted[0]["target"], json!({"script_type": ["osis"]}));
    assert_eq!(noted[1]["target"], json!({"script_type": ["osis"], "job_id": [accepted.job_id]}));
    let requests = vec![submit(job.clone()), submit(job)];
    let results =
        submitter.submit_jobs(pb::SubmitJobsRequest { requests }).await.unwrap().into_inner().results;
    let ids: Vec<String> = results.into_iter().map(|result| result.job.unwrap().job_id).collect();
    assert_eq!(stage.until("SubmitJobs", &["received", "done"]).await[1]["target"]["job_id"], json!(ids));

    // A caller that leaves while its job waits.
    let run = pb::RunJobRequest { job: Some(osis("1")), ..Default::default() };
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(500), submitter.run_job(run)).await;
    assert!(waiting.is_err(), "the queue is paused");
    let noted = stage.until("RunJob", &["received", "done"]).await;
    assert_eq!(noted[1]["code"], "CANCELLED");
    assert!(noted[1]["target"]["job_id"][0].is_string(), "{}", noted[1]);
    // What fails has its reason, and reads are not noted.
    let missing = pb::CancelJobRequest { job_id: "no-job".to_owned(), ..Default::default() };
    submitter.cancel_job(missing).await.unwrap_err();
    let noted = stage.until("CancelJob", &["received", "done"]).await;
    assert_eq!((&noted[1]["code"], &noted[1]["reason"]), (&json!("NOT_FOUND"), &json!("JOB_NOT_FOUND")));
    stage.client(&stage.viewer).list_jobs(pb::ListJobsRequest::default()).await.unwrap();
    stage.end().await;
    let text = std::fs::read_to_string(stage.path()).unwrap();
    assert!(!text.contains("ListJobs") && !text.contains("s3cret"), "{text}");
    for token in [&stage.admin, &stage.viewer, &stage.submitter] {
        assert!(!text.contains(token.split('_').nth(2).unwrap()));
    }
}

#[tokio::test]
async fn refused_calls_are_noted_with_their_true_cause() {
    let mut stage = Stage::start(&[]).await;
    let unknown = NewToken::new("nobody", &[7; 32]).text;
    let wrong = NewToken::new("boss", &[7; 32]).text;
    let mut causes = Vec::new();
    for token in ["letmein", &unknown, &wrong] {
        let refused = stage.client(token).resume_queue(pb::ResumeQueueRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        causes.push("done");
        stage.until("ResumeQueue", &causes).await;
    }
    let noted = stage.until("ResumeQueue", &causes).await;
    let causes: Vec<&str> = noted.iter().map(|line| line["cause"].as_str().unwrap()).collect();
    assert_eq!(causes, ["malformed", "unknown", "wrong_secret"]);
    let channel =
        Endpoint::from_shared(format!("http://{}", stage.service.address())).unwrap().connect_lazy();
    let mut nobody = SupervisorClient::new(channel);
    nobody.scale_actors(pb::ScaleActorsRequest::default()).await.unwrap_err();
    let noted = stage.until("ScaleActors", &["done"]).await;
    let expected = ("UNAUTHENTICATED", "TOKEN_INVALID", "missing");
    assert_eq!(
        (&noted[0]["code"], &noted[0]["reason"], &noted[0]["cause"]),
        (&json!(expected.0), &json!(expected.1), &json!(expected.2))
    );
    assert!(noted[0]["identity"].is_null());
    // By the role, before the handler; by the payloads, within it, though the call is a read.
    let mut viewer = stage.client(&stage.viewer);
    viewer.stop_actors(pb::StopActorsRequest::default()).await.unwrap_err();
    let noted = stage.until("StopActors", &["done"]).await;
    assert_eq!((&noted[0]["code"], &noted[0]["cause"]), (&json!("PERMISSION_DENIED"), &json!("role")));
    assert_eq!(noted[0]["identity"]["id"], "reader");
    let job = pb::SubmitJobRequest { job: Some(osis("1")), ..Default::default() };
    let id = stage.client(&stage.admin).submit_job(job).await.unwrap().into_inner().job.unwrap().job_id;
    let full = pb::GetJobRequest { job_id: id, view: pb::JobView::Full.into() };
    viewer.get_job(full).await.unwrap_err();
    assert_eq!(stage.until("GetJob", &["done"]).await[0]["code"], "PERMISSION_DENIED");
    // Whoever has no identity cannot push out what others have done.
    let calls = (0..400).map(|_| {
        let mut nobody = nobody.clone();
        async move { nobody.purge_queue(pb::PurgeQueueRequest::default()).await.unwrap_err() }
    });
    futures::future::join_all(calls).await;
    stage.end().await;
    let noted = stage.noted();
    let purges = noted.iter().filter(|line| line["rpc"] == "PurgeQueue").count();
    assert!((90..200).contains(&purges), "{purges}");
}

#[tokio::test]
async fn reads_and_watches_are_noted_where_that_is_asked_for() {
    let mut stage = Stage::start(&["--audit-reads"]).await;
    let mut viewer = stage.client(&stage.viewer);
    let watch = viewer.watch_events(pb::WatchEventsRequest::default()).await.unwrap().into_inner();
    stage.until("WatchEvents", &["received"]).await;
    drop(watch);
    let noted = stage.until("WatchEvents", &["received", "done"]).await;
    assert_eq!(noted[1]["code"], "CANCELLED");
    let mut watch = viewer.watch_health(pb::WatchHealthRequest::default()).await.unwrap().into_inner();
    let tokens = stage.dir.path().join("tokens.toml").display().to_string();
    assert_eq!(run(["token", "--tokens-file", &tokens, "revoke", "reader"]).code, 0);
    while let Ok(message) = watch.message().await {
        assert!(message.is_some(), "it ended well");
    }
    let noted = stage.until("WatchHealth", &["received", "done"]).await;
    assert_eq!(
        (&noted[1]["code"], &noted[1]["identity"]["id"]),
        (&json!("UNAUTHENTICATED"), &json!("reader"))
    );
    stage.end().await;
}

#[tokio::test]
async fn an_admin_sees_who_may_call_and_nobody_else_does() {
    let mut stage = Stage::start(&["--audit-reads"]).await;
    let mut admin = stage.client(&stage.admin);
    let asked = pb::ListIdentitiesRequest { page_size: 2, ..Default::default() };
    for token in [&stage.viewer, &stage.submitter] {
        let refused = stage.client(token).list_identities(asked.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    stage.until("ListIdentities", &["done", "done"]).await;
    let page = admin.list_identities(asked.clone()).await.unwrap().into_inner();
    assert!(page.authentication_required);
    let next = pb::ListIdentitiesRequest { page_token: page.next_page_token.clone(), ..asked };
    let rest = admin.list_identities(next).await.unwrap().into_inner();
    let known: Vec<_> = page.identities.into_iter().chain(rest.identities).collect();
    let subjects: Vec<&str> = known.iter().map(|known| known.subject.as_str()).collect();
    assert_eq!(subjects, ["billing", "boss", "reader", ""]);
    let [billing, boss, reader, anonymous] = &known[..] else { panic!("{known:?}") };
    assert_eq!((boss.name.as_str(), &boss.roles[..]), ("the boss", &["admin".to_owned()][..]));
    assert_eq!(billing.scopes.as_ref().unwrap().callers, ["billing"]);
    assert!(boss.last_used_time.is_some() && reader.last_used_time.is_some() && boss.create_time.is_some());
    assert_eq!(anonymous.kind(), pb::known_identity::Kind::Anonymous);
    assert_eq!(anonymous.allowed_calls, ["GetServerInfo"]);

    let server = format!("http://{}", stage.service.address());
    let ran = run(["--server", &server, "--token", &stage.admin, "access", "ls", "-o", "json"]);
    assert!(
        ran.code == 0 && ran.stdout.contains("\"the boss\"") && !ran.stdout.contains("sha256"),
        "{ran:?}"
    );
    let ran = run(["--server", &server, "--token", &stage.viewer, "access", "ls"]);
    assert!(ran.code != 0 && ran.stderr.contains("admin"), "{ran:?}");
    stage.end().await;
    let noted = stage.noted();
    let reads = noted.iter().filter(|line| line["rpc"] == "ListIdentities" && line["code"] == "OK");
    assert_eq!(reads.count(), 3, "reads are noted where that is asked for");
}

#[tokio::test]
async fn an_admin_sees_who_has_called_and_nobody_else_does() {
    let stage = Stage::start(&[]).await;
    let mut admin = stage.client(&stage.admin);
    admin.pause_queue(pause()).await.unwrap();
    stage.until("PauseQueue", &["received", "done"]).await;
    let ends: [&[&str]; 2] = [&["done"], &["done", "done"]];
    for (token, ends) in [&stage.viewer, &stage.submitter].into_iter().zip(ends) {
        let request = pb::ListAuditEntriesRequest::default();
        let refused = stage.client(token).list_audit_entries(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        stage.until("ListAuditEntries", ends).await;
    }
    let asked = pb::ListAuditEntriesRequest { refused_only: true, page_size: 1, ..Default::default() };
    let page = admin.list_audit_entries(asked.clone()).await.unwrap().into_inner();
    assert!(page.log_enabled);
    let [entry] = &page.entries[..] else { panic!("{page:?}") };
    assert_eq!((entry.rpc.as_str(), entry.code.as_str()), ("ListAuditEntries", "PERMISSION_DENIED"));
    assert_eq!((entry.identity.as_str(), entry.cause.as_str()), ("token:billing", "role"));
    let next = pb::ListAuditEntriesRequest { page_token: page.next_page_token, ..asked };
    let older = admin.list_audit_entries(next.clone()).await.unwrap().into_inner();
    assert_eq!(older.entries[0].identity, "token:reader");
    let foreign = pb::ListAuditEntriesRequest { refused_only: false, ..next };
    let refused = admin.list_audit_entries(foreign).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let rpc = "x".repeat(2000);
    let wrong = pb::ListAuditEntriesRequest { stage: 99, page_size: -1, rpc, ..Default::default() };
    let refused = admin.list_audit_entries(wrong).await.unwrap_err();
    for field in ["stage", "page_size", "rpc"] {
        assert!(format!("{refused:?}").contains(field), "{refused:?}");
    }

    let server = format!("http://{}", stage.service.address());
    let ran = run(["--server", &server, "--token", &stage.admin, "access", "audit", "--rpc", "pausequeue"]);
    assert!(ran.code == 0 && ran.stdout.contains("token:boss") && ran.stdout.contains("OK"), "{ran:?}");
    let path = stage.path();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let refused = admin.list_audit_entries(pb::ListAuditEntriesRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("cannot be read"), "{refused:?}");
    stage.service.signal(Signal::SIGKILL);
}

#[tokio::test]
async fn a_supervisor_that_was_killed_goes_on_where_it_was_and_no_second_one_writes_beside_it() {
    let mut stage = Stage::start(&[]).await;
    stage.client(&stage.admin).pause_queue(pause()).await.unwrap();
    let path = stage.path().display().to_string();
    let url = stage.redis.url();
    let second = run(["serve", "--listen", "127.0.0.1:0", "--redis-url", &url, "--audit-log", &path]);
    assert_eq!(second.code, 5, "{second:?}");
    assert!(second.stderr.contains("is written by another supervisor"), "{second:?}");
    stage.service.signal(Signal::SIGKILL);
    stage.service.ended().await;
    let noted = stage.noted();
    let received = noted.iter().filter(|line| line["rpc"] == "PauseQueue" && line["stage"] == "received");
    assert_eq!(received.count(), 1, "what had an effect is noted");
    stage.service.restart().await;
    stage.client(&stage.admin).pause_queue(pause()).await.unwrap();
    stage.end().await;
    assert_eq!(stage.noted().iter().filter(|line| line["note"]["kind"] == "opened").count(), 2);
}

#[tokio::test]
async fn the_command_line_checks_and_shows_the_log() {
    let mut stage = Stage::start(&[]).await;
    stage.client(&stage.admin).pause_queue(pause()).await.unwrap();
    stage.client(&stage.viewer).pause_queue(pause()).await.unwrap_err();
    stage.end().await;
    let path = stage.path().display().to_string();
    let verified = run(["audit", "verify", &path]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(
        verified.stdout.starts_with("whole: 6 lines from 1 on in 1 files, closed in order"),
        "{verified:?}"
    );
    let head = verified.stdout.lines().nth(1).unwrap().strip_prefix("head: ").unwrap().to_owned();
    assert_eq!(run(["audit", "verify", &path, "--head", &head]).code, 0);
    let verified = run(["audit", "verify", &path, "--output", "json"]).json();
    assert_eq!((&verified["head"], &verified["faults"]), (&json!(head), &json!([])));

    let shown = |filter: &[&str]| {
        let ran = run([&["audit", "ls", &path, "--output", "json"], filter].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    assert_eq!(shown(&[]).len(), 6);
    assert_eq!(shown(&["--tail", "2"]).len(), 2);
    assert_eq!(kinds(&shown(&["--identity", "token:boss"])), ["received", "done"]);
    assert_eq!(kinds(&shown(&["--refused"])), ["done"]);
    assert_eq!(shown(&["--identity", "reader", "--code", "permission_denied"]).len(), 1);
    assert_eq!(shown(&["--target", "osis", "--rpc", "PauseQueue"]).len(), 2);
    assert_eq!(shown(&["--target", "sal"]).len(), 0);
    assert_eq!(shown(&["--since", "1h"]).len(), 6);
    let table = run(["audit", "ls", &path]).stdout;
    assert!(table.contains("token:reader") && table.contains("PERMISSION_DENIED (role)"), "{table}");

    let text = std::fs::read_to_string(stage.path()).unwrap();
    let mut damaged = text.clone().into_bytes();
    damaged.splice(0..1, *b"\xff\xfe\n{\n{");
    std::fs::write(stage.path(), damaged).unwrap();
    assert_eq!(shown(&[]).len(), 6, "damaged lines hide no other");
    std::fs::write(stage.path(), text.replace("\"reader\"", "\"nobody\"")).unwrap();
    let verified = run(["audit", "verify", &path]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.stdout.contains("audit.ndjson:5: was changed"), "{verified:?}");
    // The last lines.
    let kept: String = text.lines().take(4).map(|line| format!("{line}\n")).collect();
    std::fs::write(stage.path(), kept).unwrap();
    assert!(run(["audit", "verify", &path]).stdout.contains("not closed"));
    let verified = run(["audit", "verify", &path, "--head", &head]);
    assert_eq!(verified.code, 1);
    assert!(verified.stdout.contains("lines were removed from the end"), "{verified:?}");
    assert_eq!(run(["audit", "verify", "/no/such.log"]).code, 3);
}
