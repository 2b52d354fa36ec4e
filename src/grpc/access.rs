//! Authentication and authorisation: before any handler. Before any handler.
//!
//! ```text
//!  request ─► `layer`: path → row of the table, credentials → identity, identity + row → permit
//!                │ refused: UNAUTHENTICATED (after a delay, if its address has failed often), PERMISSION_DENIED
//!                ▼
//!             handler with the permit; what depends on the job is decided there
//!                ▼
//!             `guard`: the answer ends with UNAUTHENTICATED when the identity does
//! ```

mod credentials;
mod failed_logins;
mod guard;
mod layer;
mod permits;
mod rates;
mod scrape;
mod sight;

pub(crate) use layer::AccessLayer;
pub(crate) use permits::{decide, permit};
pub(crate) use scrape::{ScrapeAccess, ScrapeRefusal};
pub(crate) use sight::{Sight, visible_job};
