//! Identities that a server knows, and lines of the audit log.

use crate::domain::access::{IdentityKind, Pattern, Role, Scopes};
use crate::grpc::render::{count, duration, timestamp};
use crate::ports::audit_reader::{AuditLine, AuditStage};
use crate::ports::identity_directory::KnownIdentity;
use crate::proto as pb;

/// Renders somebody who may call.
pub(crate) fn known_identity(known: KnownIdentity) -> pb::KnownIdentity {
    let KnownIdentity { identity, subject, created_at, old_secret_not_after, last_used_at } = known;
    pb::KnownIdentity {
        kind: kind(identity.kind).into(),
        subject,
        name: identity.name,
        roles: Role::ALL
            .into_iter()
            .filter(|role| identity.roles.has(*role))
            .map(|role| role.as_str().to_owned())
            .collect(),
        scopes: Some(scopes(&identity.scopes)),
        calls_per_second: identity.quotas.rps.map(count),
        max_queued: identity.quotas.jobs.max_queued.map(count),
        max_running: identity.quotas.jobs.max_running.map(count),
        allowed_calls: identity.calls.into_iter().map(str::to_owned).collect(),
        create_time: created_at.map(timestamp),
        not_after: identity.not_after.map(timestamp),
        old_secret_not_after: old_secret_not_after.map(timestamp),
        last_used_time: last_used_at.map(timestamp),
    }
}

fn kind(kind: IdentityKind) -> pb::known_identity::Kind {
    use pb::known_identity::Kind;
    match kind {
        IdentityKind::Token => Kind::Token,
        IdentityKind::Certificate => Kind::Certificate,
        IdentityKind::Unix => Kind::Unix,
        IdentityKind::Jwt => Kind::Jwt,
        IdentityKind::Anonymous | IdentityKind::Local => Kind::Anonymous,
    }
}

fn scopes(scopes: &Scopes) -> pb::IdentityScopes {
    let texts = |patterns: &Option<Vec<Pattern>>| patterns.iter().flatten().map(Pattern::to_string).collect();
    pb::IdentityScopes {
        callers: texts(&scopes.callers),
        contexts: texts(&scopes.contexts),
        script_types: texts(&scopes.script_types),
        target_actors: texts(&scopes.target_actors),
        see_payloads: scopes.see_payloads,
    }
}

/// Renders a line of the audit log.
pub(crate) fn audit_entry(line: AuditLine) -> pb::AuditEntry {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    pb::AuditEntry {
        line: number(line.number),
        time: Some(timestamp(line.at)),
        stage: match line.stage {
            AuditStage::Received => pb::audit_entry::Stage::Received,
            AuditStage::Done => pb::audit_entry::Stage::Done,
            AuditStage::Note => pb::audit_entry::Stage::Note,
        }
        .into(),
        node: line.node,
        call: line.call.map(number),
        identity: line.identity,
        identity_name: line.identity_name,
        peer: line.peer,
        rpc: line.rpc,
        request_id: line.request_id,
        targets: line.targets,
        all_actors: line.all_actors,
        code: line.code,
        reason: line.reason,
        cause: line.cause,
        duration: line.took.map(duration),
        suppressed_count: number(line.suppressed),
        note: line.note,
    }
}
