//! Who may call: every call with every kind of credentials, jobs of others, and the end of identities.

mod caller;
mod own_jobs;
mod payloads;
mod revoked;
mod table;
mod token_file;
