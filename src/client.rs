//! The client for Rust programs: jobs that run once over lost connections and restarts of the server, watches that
//! resume, and errors for programs.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use hero_supervisor::client::{Client, Run};
//! use hero_supervisor::proto::ScriptType;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("127.0.0.1:50051")?;
//! let job = client.submit(Run::new(ScriptType::Python, "sum(range(10))")).await?;
//! assert_eq!(job.result(Some(Duration::from_secs(60))).await?, "45");
//! # Ok(())
//! # }
//! ```
//!
//! All other calls are those of the generated client, [`Client::calls`]; [`ClientError::from`] reads their errors.
//! The messages are in [`crate::proto`]; the comments of the proto files document them.
//!
//! A program that only talks to a supervisor needs the crate with `default-features = false, features = ["client"]`.

mod access;
mod address;
mod authorized;
mod connect;
mod connection;
mod delays;
mod disposition;
mod error;
mod handle;
mod jobs;
mod lists;
mod options;
mod run;
mod token;
mod unawaited;
mod wait;
mod watch;

#[cfg(feature = "service")]
pub(crate) use access::Refusal;
#[cfg(feature = "service")]
pub(crate) use address::DEFAULT_ADDRESS;
#[cfg(feature = "service")]
pub(crate) use authorized::Authorized;
#[cfg(feature = "service")]
pub(crate) use connect::prepare;
pub use connection::Connection;
#[cfg(feature = "service")]
pub(crate) use connection::MAX_MESSAGE_BYTES;
pub use disposition::Disposition;
pub use error::{ClientError, JobFailed, result};
#[cfg(feature = "service")]
pub(crate) use error::{code_of, deepest};
pub use handle::{JobHandle, WaitError};
pub use options::ConnectOptions;
pub use run::Run;

use std::sync::Arc;

use crate::proto::supervisor_client::SupervisorClient;

/// A client of one supervisor. Clones are cheap and share one connection.
#[derive(Debug, Clone)]
pub struct Client {
    connection: Connection,
    way: Arc<wait::Destination>,
}

impl Client {
    /// Returns the generated client. Reads are repeated while the server is unreachable, as [`Connection`] describes;
    /// other calls are not. A call has the deadline of its request ([`tonic::Request::set_timeout`]), a stream up to
    /// its end, and no other.
    pub fn calls(&self) -> SupervisorClient<Connection> {
        SupervisorClient::new(self.connection()).max_decoding_message_size(connection::MAX_MESSAGE_BYTES)
    }

    /// Returns the generated client for waits, which repeat their calls themselves.
    fn calls_of_wait(&self) -> SupervisorClient<Connection> {
        let connection = self.connection().without_repeats();
        SupervisorClient::new(connection).max_decoding_message_size(connection::MAX_MESSAGE_BYTES)
    }

    /// Returns the connection, for other services of the server such as grpc.health.v1.
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }
}
