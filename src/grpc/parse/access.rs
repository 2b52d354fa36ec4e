//! Requests about who may call, and who has called.

use crate::domain::model::violation::Violations;
use crate::grpc::parse::value::{ListRequest, given, optional, page_size, timestamp};
use crate::ports::audit_reader::{AuditFilter, AuditStage};
use crate::proto as pb;

/// Longest text of a filter, in bytes.
const LONGEST_FILTER: usize = 1024;

/// Parses a ListIdentities request: most identities on a page.
pub(crate) fn list_identities(request: &pb::ListIdentitiesRequest) -> Result<usize, Violations> {
    let mut violations = Violations::new();
    let limit = violations.keep("page_size", page_size(request.page_size));
    limit.ok_or(violations)
}

/// Parses a ListAuditEntries request.
pub(crate) fn list_audit_entries(
    request: pb::ListAuditEntriesRequest,
) -> Result<ListRequest<AuditFilter>, Violations> {
    let mut violations = Violations::new();
    let v = &mut violations;
    let filter = AuditFilter {
        identity: text(v, "identity", request.identity),
        rpc: text(v, "rpc", request.rpc),
        target: text(v, "target", request.target),
        code: text(v, "code", request.code),
        refused: request.refused_only,
        stage: v.keep("stage", stage(request.stage)).flatten(),
        since: optional(v, "time_after", request.time_after, timestamp),
        until: optional(v, "time_before", request.time_before, timestamp),
    };
    let limit = v.keep("page_size", page_size(request.page_size));
    match limit {
        Some(limit) if violations.is_empty() => Ok(ListRequest { filter, limit }),
        Some(_) | None => Err(violations),
    }
}

fn text(violations: &mut Violations, field: &str, raw: String) -> Option<String> {
    if raw.len() > LONGEST_FILTER {
        violations.add(field, format!("has {} bytes: use at most {LONGEST_FILTER}", raw.len()));
    }
    given(raw)
}

fn stage(raw: i32) -> Result<Option<AuditStage>, String> {
    use pb::audit_entry::Stage;
    match Stage::try_from(raw) {
        Ok(Stage::Unspecified) => Ok(None),
        Ok(Stage::Received) => Ok(Some(AuditStage::Received)),
        Ok(Stage::Done) => Ok(Some(AuditStage::Done)),
        Ok(Stage::Note) => Ok(Some(AuditStage::Note)),
        Err(_unknown) => Err(super::value::unknown(raw, "STAGE_RECEIVED, STAGE_DONE or STAGE_NOTE")),
    }
}
