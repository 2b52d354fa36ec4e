//! The audit log of the service: opened before anything is served, closed after the last call has ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::adapters::audit::{Audit, AuditError, AuditFiles, AuditOptions, AuditWriter, OnState};
use crate::adapters::system_clock::SystemClock;
use crate::config::{AuditSettings, Config, Delivery};
use crate::domain::events::Events;
use crate::domain::model::event::{Event, EventKind, Source};
use crate::domain::model::id::NodeName;
use crate::ports::audit::AuditLog;
use crate::ports::audit_reader::AuditReader;
use crate::ports::clock::Clock;

/// Name in events.
const NAME: &str = "audit_log";
/// Limit of the last writes; a disk that hangs must not hold the shutdown up.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// The log as the server has it, and its writer.
pub(super) type Opened = (Option<Arc<dyn AuditLog>>, Option<AuditWriter>);

/// Opens the log of a configuration, if it names one.
///
/// # Errors
/// A file that cannot be opened, that another supervisor writes, or that is no audit log.
pub(super) fn open(config: &Config, events: &Events) -> Result<Opened, AuditError> {
    let Some(options) = options(&config.audit, &config.node) else { return Ok((None, None)) };
    let on_state = emit_states(events.clone(), config.node.clone());
    let (log, writer) = Audit::open(&options, Arc::new(SystemClock), on_state)?;
    Ok((Some(Arc::new(log)), Some(writer)))
}

/// Returns a reader of the log of a configuration, if it names one.
pub(super) fn reader(config: &Config) -> Option<Arc<dyn AuditReader>> {
    let path = config.audit.path.clone()?;
    Some(Arc::new(AuditFiles::new(path)))
}

fn options(settings: &AuditSettings, node: &NodeName) -> Option<AuditOptions> {
    Some(AuditOptions {
        path: settings.path.clone()?,
        enforced: settings.delivery == Delivery::Enforced,
        reads: settings.reads,
        rotate_bytes: settings.rotate_bytes,
        keep: usize::try_from(settings.keep).unwrap_or(usize::MAX),
        node: node.to_string(),
    })
}

/// Emits an event when the log can no longer be written, and when it can again.
fn emit_states(events: Events, node: NodeName) -> OnState {
    Box::new(move |state| {
        let name = NAME.to_owned();
        let (kind, message) = match state {
            Ok(()) => {
                let who = "can be written".to_owned();
                (
                    EventKind::DependencyUp { name, who, latency: Duration::ZERO },
                    "audit log: written again".to_owned(),
                )
            }
            Err(cause) => {
                let message = format!("audit log: cannot be written ({cause})");
                (EventKind::DependencyDown { name, reason: cause.to_owned() }, message)
            }
        };
        events.emit(Event::new(SystemClock.now(), Source::Supervisor, kind, message).on_node(&node));
    })
}

/// The writer under way.
pub(super) struct Writing {
    task: JoinSet<()>,
    closing: CancellationToken,
}

impl Writing {
    /// Begins to write.
    pub(super) fn begin(writer: Option<AuditWriter>) -> Self {
        let (mut task, closing) = (JoinSet::new(), CancellationToken::new());
        if let Some(writer) = writer {
            task.spawn(writer.run(closing.clone()));
        }
        Self { task, closing }
    }

    /// Writes what there is, and the last line.
    pub(super) async fn close(mut self) {
        self.closing.cancel();
        let ended = async { while self.task.join_next().await.is_some() {} };
        if timeout(CLOSE_LIMIT, ended).await.is_err() {
            tracing::error!("audit log: not closed (the disk has not answered within {CLOSE_LIMIT:?})");
        }
    }
}
