//! Who may call and by which way: every call with every kind of credentials, jobs of others, the end of identities, and TLS.

pub(crate) mod caller;
mod certificates;
mod command_line;
mod handshakes;
mod jwt;
mod matrix;
mod metrics;
mod own_jobs;
mod payloads;
pub(crate) mod pki;
mod quotas;
mod reload;
mod revoked;
mod stage;
mod table;
mod tls;
mod tls_init;
mod token_file;
