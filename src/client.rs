//! The client for Rust programs: jobs that are run once whatever happens to the connection or the server, watches that go
//! on by themselves, and errors for programs.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use hero_supervisor::client::{Client, Run, result};
//! use hero_supervisor::proto::ScriptType;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("127.0.0.1:50051")?;
//! let job = client.run(Run::new(ScriptType::Python, "sum(range(10))").timeout(Duration::from_secs(60))).await?;
//! assert_eq!(result(&job)?, "45");
//! # Ok(())
//! # }
//! ```
//!
//! All other calls are those of the generated client, [`Client::calls`]; [`ClientError::from`] reads their errors. The messages
//! are in [`crate::proto`], and the comments of the proto files are their documentation.
//!
//! A program that only talks to a supervisor needs the crate with `default-features = false, features = ["client"]`.

mod connect;
mod connection;
mod delays;
mod disposition;
mod error;
mod run;
mod watch;

#[cfg(feature = "service")]
pub(crate) use connect::{MAX_MESSAGE_BYTES, endpoint};
pub use connection::Connection;
pub use disposition::Disposition;
pub use error::{ClientError, JobFailed, result};
#[cfg(feature = "service")]
pub(crate) use error::{code_of, deepest};
pub use run::Run;

use crate::proto::supervisor_client::SupervisorClient;

/// Talks to one supervisor. A cheap clone; all clones share one connection.
#[derive(Debug, Clone)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// The generated client. Reads are repeated while the server is away, as [`Connection`] says, and nothing else is. Calls
    /// have the deadlines that their requests are given ([`tonic::Request::set_timeout`]), streams up to their end, and no
    /// others.
    pub fn calls(&self) -> SupervisorClient<Connection> {
        SupervisorClient::new(self.connection()).max_decoding_message_size(connect::MAX_MESSAGE_BYTES)
    }

    /// What the client talks over, for other services of the server such as grpc.health.v1.
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }
}
