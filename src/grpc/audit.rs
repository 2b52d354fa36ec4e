//! Notes calls in the audit log: all that change something, those that were refused because of who calls, and reads if asked.
//!
//! ```text
//!  request ─► `ends`: a slot in its extensions ─► access ─► deadline ─► `begins`: received, or refused with AUDIT_UNAVAILABLE
//!                                                                          ▼
//!  answer  ◄─ `ends`: done, with the code of the trailers ◄───────────── handler
//! ```

mod begins;
mod ends;
mod slot;
mod target;

pub(crate) use begins::AuditBegins;
pub(crate) use ends::AuditEnds;
pub(crate) use slot::{Noted, refused};
