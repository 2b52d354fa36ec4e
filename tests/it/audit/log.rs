//! A log without a service.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hero_supervisor::adapters::audit::{Audit, AuditError, AuditOptions};
use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::domain::access::{Identity, IdentityKind, Role};
use hero_supervisor::ports::audit::{AuditLog, AuditTarget, AuditedCall, AuditedEnd, NotNoted};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// An open log with its writer.
pub(super) struct Log {
    pub(super) audit: Audit,
    closing: CancellationToken,
    writer: JoinSet<()>,
}

pub(super) fn options(path: &Path) -> AuditOptions {
    AuditOptions {
        path: path.to_owned(),
        enforced: true,
        reads: false,
        rotate_bytes: 1_000_000,
        keep: 30,
        node: "here".to_owned(),
    }
}

impl Log {
    pub(super) fn open(options: &AuditOptions) -> Result<Self, AuditError> {
        let (audit, writer) = Audit::open(options, Arc::new(SystemClock), Box::new(|_| {}))?;
        let (closing, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(writer.run(closing.clone()));
        Ok(Self { audit, closing, writer: tasks })
    }

    /// Notes a call and its end.
    pub(super) async fn call(&self, job: &str) -> Result<(), NotNoted> {
        let entry = self.audit.received(Arc::new(call(job))).await?;
        entry.done(end("OK"));
        Ok(())
    }

    pub(super) async fn close(mut self) {
        self.closing.cancel();
        while self.writer.join_next().await.is_some() {}
    }
}

pub(super) fn call(job: &str) -> AuditedCall {
    AuditedCall {
        identity: Some(Arc::new(Identity::new(IdentityKind::Token, "billing", Role::Operator))),
        peer: "192.0.2.1:5".to_owned(),
        rpc: "CancelJob",
        changes: true,
        request_id: Some("deploy-7".to_owned()),
        target: AuditTarget { job_ids: vec![job.to_owned()], ..AuditTarget::default() },
        params: Some([7; 32]),
    }
}

pub(super) fn end(code: &'static str) -> AuditedEnd {
    AuditedEnd { code, reason: None, cause: None, job_ids: Vec::new(), took: Duration::from_millis(3) }
}

/// The lines of files, as JSON.
pub(super) fn lines(files: &[PathBuf]) -> Vec<serde_json::Value> {
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect()
}

/// What the lines are: stage, or what a note is about.
pub(super) fn kinds(lines: &[serde_json::Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["note"]["kind"].as_str().unwrap_or_else(|| line["stage"].as_str().unwrap()))
        .collect()
}
