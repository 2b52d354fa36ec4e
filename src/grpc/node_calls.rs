//! Messages of supervisors about a call that one of them passes on.
//!
//! Fields are only added: two neighbouring versions work together.

use tonic::{Code, Status};

/// A call for the supervisor of another machine.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NodeCall {
    /// Name of the call in the contract.
    #[prost(string, tag = "1")]
    pub(crate) method: String,
    /// Request of the call.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) request: Vec<u8>,
    /// Milliseconds for which the caller waits; absent for no limit of its own.
    #[prost(uint64, optional, tag = "3")]
    pub(crate) wait_millis: Option<u64>,
    /// `x-request-id` of the caller, and who that is, for events.
    #[prost(string, optional, tag = "4")]
    pub(crate) request_id: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub(crate) identity: Option<String>,
    /// Reason of the caller, for events.
    #[prost(string, tag = "6")]
    pub(crate) reason: String,
}

/// The answer: a response, or an error.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NodeAnswer {
    #[prost(bytes = "vec", optional, tag = "1")]
    response: Option<Vec<u8>>,
    #[prost(int32, tag = "2")]
    code: i32,
    #[prost(string, tag = "3")]
    message: String,
    /// An encoded `google.rpc.Status`, as in a trailer.
    #[prost(bytes = "vec", tag = "4")]
    details: Vec<u8>,
}

impl NodeAnswer {
    /// Returns what the caller of the passed on call gets.
    pub(crate) fn into_result(self) -> Result<Vec<u8>, Status> {
        match self.response {
            Some(response) => Ok(response),
            None => Err(Status::with_details(Code::from_i32(self.code), self.message, self.details.into())),
        }
    }
}

impl From<Result<Vec<u8>, Status>> for NodeAnswer {
    fn from(result: Result<Vec<u8>, Status>) -> Self {
        match result {
            Ok(response) => Self { response: Some(response), ..Self::default() },
            Err(status) => Self {
                response: None,
                code: status.code() as i32,
                message: status.message().to_owned(),
                details: status.details().to_vec(),
            },
        }
    }
}

/// A number of actors that a machine is to have, as its share of a number that counts over the fleet.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ShareRequest {
    /// Name of the queue.
    #[prost(string, tag = "1")]
    pub(crate) queue: String,
    #[prost(uint32, tag = "2")]
    pub(crate) replicas: u32,
    /// Milliseconds for the jobs of actors that go; absent for those of each actor.
    #[prost(uint64, optional, tag = "3")]
    pub(crate) drain_millis: Option<u64>,
    /// Names for new actors.
    #[prost(string, repeated, tag = "4")]
    pub(crate) names: Vec<String>,
}

/// The answer to it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ShareAnswer {
    /// Names of the actors that were made or started, and of those that were removed.
    #[prost(string, repeated, tag = "1")]
    pub(crate) added: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) removed: Vec<String>,
    /// True if the wait was long enough.
    #[prost(bool, tag = "3")]
    pub(crate) done: bool,
}

/// A page of the log of an actor of another machine.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LogPage {
    #[prost(message, repeated, tag = "1")]
    pub(crate) parts: Vec<crate::proto::StreamActorLogsResponse>,
    /// True if nothing follows.
    #[prost(bool, tag = "2")]
    pub(crate) ended: bool,
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn an_error_arrives_as_it_was() {
        let status = Status::with_details(Code::NotFound, "no such actor é", vec![8, 5, 0, 255].into());
        let bytes = NodeAnswer::from(Err(status.clone())).encode_to_vec();
        let arrived = NodeAnswer::decode(bytes.as_slice()).unwrap().into_result().unwrap_err();
        assert_eq!(
            (arrived.code(), arrived.message(), arrived.details()),
            (status.code(), status.message(), status.details())
        );
    }

    #[test]
    fn an_empty_response_is_no_error() {
        let bytes = NodeAnswer::from(Ok(Vec::new())).encode_to_vec();
        assert_eq!(NodeAnswer::decode(bytes.as_slice()).unwrap().into_result().unwrap(), Vec::<u8>::new());
    }
}
