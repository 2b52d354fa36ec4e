//! Pages of identities and of the audit log, for admins.

use prost::Message;

use crate::grpc::page_token::PageToken;
use crate::grpc::parse;
use crate::grpc::render;
use crate::grpc::response_size::FULL_BYTES;
use crate::grpc::service::SupervisorService;
use crate::grpc::status::Failure;
use crate::ports::audit_reader::AuditPlace;
use crate::proto as pb;

impl SupervisorService {
    /// Reads a page of those who may call.
    pub(super) fn identity_page(
        &self,
        request: &pb::ListIdentitiesRequest,
    ) -> Result<pb::ListIdentitiesResponse, Failure> {
        let token = PageToken::of(request);
        let limit = parse::list_identities(request)?;
        let begin = token.parse(|place| place.parse::<usize>().ok())?.unwrap_or_default();
        let Some(directory) = &self.identities else { return Ok(pb::ListIdentitiesResponse::default()) };
        let mut page = pb::ListIdentitiesResponse { authentication_required: true, ..Default::default() };
        let mut bytes = 0;
        for (index, known) in directory.known().into_iter().enumerate().skip(begin) {
            if page.identities.len() == limit || bytes >= FULL_BYTES {
                page.next_page_token = token.next(&index.to_string());
                break;
            }
            let known = render::known_identity(known);
            bytes += known.encoded_len();
            page.identities.push(known);
        }
        Ok(page)
    }

    /// Reads a page of the audit log, the newest lines first.
    pub(super) async fn audit_page(
        &self,
        request: pb::ListAuditEntriesRequest,
    ) -> Result<pb::ListAuditEntriesResponse, Failure> {
        let token = PageToken::of(&request);
        let asked = parse::list_audit_entries(request)?;
        let before = token.parse(place)?;
        let Some(log) = &self.audit_reader else { return Ok(pb::ListAuditEntriesResponse::default()) };
        let page = log.page(&asked.filter, before, asked.limit).await;
        let page = page.map_err(|error| Failure::audit_unreadable(&error.to_string()))?;
        let next = page.next.map(|AuditPlace { file, offset }| token.next(&format!("{file}.{offset}")));
        Ok(pb::ListAuditEntriesResponse {
            entries: page.lines.into_iter().map(render::audit_entry).collect(),
            next_page_token: next.unwrap_or_default(),
            log_enabled: true,
        })
    }
}

fn place(text: &str) -> Option<AuditPlace> {
    let (file, offset) = text.split_once('.')?;
    Some(AuditPlace { file: file.parse().ok()?, offset: offset.parse().ok()? })
}
