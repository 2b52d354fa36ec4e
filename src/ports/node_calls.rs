//! Calls that one supervisor passes on to the supervisor of another machine, and their answers.
//!
//! A call is taken at most once, within [`TAKE_LIMIT`]; one that nobody takes has had no effect. Whoever takes it holds
//! it while it works, so that the caller learns when that supervisor has gone. What calls and answers say is nobody's
//! business here: they are bytes.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::model::id::NodeName;
use crate::ports::store_fault::{StoreFault, store_error};

store_error! {
    /// Error of a read of calls.
    NodeInboxError, "the store of calls between machines"
}

/// Longest time until the supervisor of a node takes a call.
pub const TAKE_LIMIT: Duration = Duration::from_secs(3);
/// Calls to one node that can wait to be taken.
pub const MAX_WAITING: usize = 64;
/// Bytes of one call.
pub const MAX_CALL_BYTES: usize = 1024 * 1024;
/// Bytes of one answer.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Reason for which a call has no answer.
#[derive(Debug)]
pub enum NodeCallError {
    /// Nobody took the call in time, and nobody will.
    NotTaken,
    /// As many calls as are allowed wait for this node already.
    TooMany,
    /// Taken, and whoever took it is gone; it may have had its effect.
    Lost,
    /// The store failed before the call was there.
    NotSent(StoreFault),
    /// The store failed afterwards; the call may have had its effect.
    Unknown(StoreFault),
}

impl fmt::Display for NodeCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTaken => write!(f, "its supervisor did not take the call within {TAKE_LIMIT:?}"),
            Self::TooMany => write!(f, "{MAX_WAITING} calls wait for its supervisor already"),
            Self::Lost => f.write_str("its supervisor took the call and is gone"),
            Self::NotSent(fault) => write!(f, "the call could not be passed on: {fault}"),
            Self::Unknown(fault) => write!(f, "the answer of its supervisor could not be read: {fault}"),
        }
    }
}

impl std::error::Error for NodeCallError {}

/// Passes calls on, and hands them out to those who answer them.
#[async_trait]
pub trait NodeCalls: Send + Sync {
    /// Passes a call on to the supervisor of a node and waits for its answer, as long as that supervisor works at it.
    async fn call(&self, node: &NodeName, call: Vec<u8>) -> Result<Vec<u8>, NodeCallError>;

    /// Begins to take the calls for a node. Several may do so; each call goes to one of them.
    fn inbox(&self, node: &NodeName) -> Box<dyn NodeInbox>;
}

/// The calls for one node.
#[async_trait]
pub trait NodeInbox: Send {
    /// Takes the next call; waits until there is one. After an error the next call goes on where this one was.
    async fn next(&mut self) -> Result<Box<dyn TakenCall>, NodeInboxError>;
}

/// A call that was taken. It has to be held again and again until it is answered.
#[async_trait]
pub trait TakenCall: Send + Sync {
    /// Returns what the call says.
    fn call(&self) -> &[u8];

    /// Says that the call is still worked at. To be repeated each [`HOLD_EVERY`].
    async fn hold(&self) -> Result<(), NodeInboxError>;

    /// Answers the call. Who asked may have gone.
    async fn answer(&self, answer: Vec<u8>) -> Result<(), NodeInboxError>;
}

/// Time between two holds of a taken call.
pub const HOLD_EVERY: Duration = Duration::from_secs(2);
/// Silence of whoever has taken a call after which it counts as lost.
pub const HOLD_TERM: Duration = Duration::from_secs(10);
