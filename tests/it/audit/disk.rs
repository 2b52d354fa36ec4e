//! A disk that is full, for real.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hero_supervisor::adapters::audit::verify;
use hero_supervisor::proto as pb;
use pb::event::Type;
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::log::lines;
use crate::grpc_surface::on_memory::told;
use crate::support::full_service::{Client, client};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;

/// A file system of 256 KiB in a namespace of its own, so that nobody needs rights to mount it.
struct SmallDisk {
    holder: Child,
    folder: PathBuf,
    _dir: TempDir,
}

impl SmallDisk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        let script =
            format!("mount -t tmpfs -o size=256k,mode=700 x {at} && echo mounted && exec sleep 3600");
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "mounted\n");
        let folder = PathBuf::from(format!("/proc/{}/root{at}", holder.id()));
        Self { holder, folder, _dir: dir }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("audit.ndjson")
    }

    fn fill(&self) {
        let mut file = File::create(self.folder.join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.folder.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _gone = self.holder.kill();
        let _gone = self.holder.wait();
    }
}

struct Stage {
    disk: SmallDisk,
    service: Service,
    _redis: PrivateRedis,
}

impl Stage {
    async fn start(delivery: &str) -> Self {
        let (disk, redis) = (SmallDisk::new(), PrivateRedis::start().await);
        let (path, url) = (disk.path().display().to_string(), redis.url());
        let args = [
            "--redis-url",
            &url,
            "--process-manager",
            "local",
            "--audit-log",
            &path,
            "--audit-delivery",
            delivery,
        ];
        let service = Service::serve(&args).await;
        Self { disk, service, _redis: redis }
    }

    fn client(&self) -> Client {
        client(&self.service)
    }

    async fn pause(&self) -> Result<(), Status> {
        let request = pb::PauseQueueRequest {
            script_type: pb::ScriptType::Osis.into(),
            reason: String::new(),
            ..Default::default()
        };
        self.client().pause_queue(request).await.map(drop)
    }

    async fn resume(&self) -> Result<(), Status> {
        let request = pb::ResumeQueueRequest {
            script_type: pb::ScriptType::Osis.into(),
            reason: String::new(),
            ..Default::default()
        };
        self.client().resume_queue(request).await.map(drop)
    }

    async fn is_paused(&self) -> bool {
        let request = pb::GetScriptTypeRequest { script_type: pb::ScriptType::Osis.into(), view: 0 };
        let answer = self.client().get_script_type(request).await.unwrap().into_inner();
        answer.status.unwrap().paused
    }

    /// Waits for an event about the log.
    async fn until_told(&self, kind: Type) {
        eventually("the state of the log is told", LIMIT, || async {
            let request = pb::ListEventsRequest { page_size: 1000, ..Default::default() };
            let events = self.client().list_events(request).await.ok()?.into_inner().events;
            let is_it = |event: &pb::Event| match &event.detail {
                Some(pb::event::Detail::Dependency(of)) => event.r#type() == kind && of.name == "audit_log",
                _other_or_none => false,
            };
            events.iter().any(is_it).then_some(())
        })
        .await;
    }
}

fn last_note(path: &Path, kind: &str) -> serde_json::Value {
    let noted = lines(&[path.to_owned()]);
    noted.into_iter().rfind(|line| line["note"]["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[tokio::test]
async fn enforced_refuses_changes_before_they_have_an_effect_while_reads_go_on() {
    let mut stage = Stage::start("enforced").await;
    stage.pause().await.unwrap();
    stage.disk.fill();
    // A few lines may find room in the last block of the file.
    let mut paused = true;
    let refused = loop {
        let changed = if paused { stage.resume().await } else { stage.pause().await };
        match changed {
            Ok(()) => paused = !paused,
            Err(status) => break status,
        }
    };
    let (code, reason, _) = told(&refused);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "AUDIT_UNAVAILABLE"), "{refused:?}");
    let details = refused.get_error_details();
    assert!(details.error_info().unwrap().metadata["cause"].contains("No space left"), "{refused:?}");
    assert!(details.retry_info().is_some());
    assert_eq!(stage.is_paused().await, paused, "it had an effect");
    // Everything that changes something is refused alike, and reads are not.
    let submit =
        pb::SubmitJobRequest { job: Some(crate::support::full_service::osis("1")), ..Default::default() };
    let refused = stage.client().submit_job(submit).await.unwrap_err();
    assert_eq!(told(&refused).1, "AUDIT_UNAVAILABLE");
    let jobs = stage.client().list_jobs(pb::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    assert!(jobs.is_empty(), "{jobs:?}");
    stage.until_told(Type::DependencyDown).await;

    stage.disk.make_room();
    eventually("changes are taken again", LIMIT, || async {
        let changed = if paused { stage.resume().await } else { stage.pause().await };
        changed.ok()
    })
    .await;
    stage.until_told(Type::DependencyUp).await;
    stage.service.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(stage.service.ended().await.success());
    let report = verify(&stage.disk.path(), None).unwrap();
    assert!(report.faults.is_empty() && report.closed, "{report:?}");
    let note = &last_note(&stage.disk.path(), "recovered")["note"];
    assert!(note["refused"].as_u64() >= Some(2) && note["lost"] == 0, "{note}");
    assert!(note["cause"].as_str().unwrap().contains("No space left"), "{note}");
    // Each call that was noted has its end.
    let noted = lines(&[stage.disk.path()]);
    let calls = |stage: &str| {
        noted
            .iter()
            .filter(|line| line["stage"] == stage)
            .map(|line| line["call"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(calls("received").len(), calls("done").len());
}

#[tokio::test]
async fn best_effort_goes_on_and_counts_what_is_lost() {
    let mut stage = Stage::start("best_effort").await;
    stage.pause().await.unwrap();
    stage.disk.fill();
    eventually("a line is lost", LIMIT, || async {
        stage.resume().await.unwrap();
        stage.pause().await.unwrap();
        stage.service.stderr().contains("lines are lost (No space left").then_some(())
    })
    .await;
    for _ in 0..5 {
        stage.resume().await.unwrap();
    }
    assert!(!stage.is_paused().await);
    stage.disk.make_room();
    stage.until_told(Type::DependencyUp).await;
    stage.service.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(stage.service.ended().await.success());
    let report = verify(&stage.disk.path(), None).unwrap();
    assert!(report.faults.is_empty() && report.closed, "{report:?}");
    let note = &last_note(&stage.disk.path(), "recovered")["note"];
    assert!(note["lost"].as_u64() > Some(0) && note["refused"] == 0, "{note}");
}
