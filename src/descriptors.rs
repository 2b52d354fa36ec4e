//! The contract as data: the descriptors of its messages and calls, read from the compiled proto files.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use crate::proto::FILE_DESCRIPTOR_SET;

/// Full name of the service.
const SERVICE: &str = "hero.supervisor.v1.Supervisor";

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).ok());

static CALLS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let service = POOL.as_ref().and_then(|pool| pool.get_service_by_name(SERVICE));
    service.map(|service| service.methods().map(|call| call.name().to_owned()).collect()).unwrap_or_default()
});

/// Names of the calls, in the order of the proto file.
pub fn call_names() -> impl Iterator<Item = &'static str> {
    CALLS.iter().map(String::as_str)
}

/// Returns true if the service has a call of this name.
pub(crate) fn is_call(name: &str) -> bool {
    call_names().any(|call| call == name)
}

/// Returns the descriptors of all requests, by the name of the call.
pub(crate) fn requests() -> HashMap<String, MessageDescriptor> {
    let service = POOL.as_ref().and_then(|pool| pool.get_service_by_name(SERVICE));
    let calls = service.iter().flat_map(|service| service.methods());
    calls.map(|call| (call.name().to_owned(), call.input())).collect()
}

/// Returns the descriptor of a message type.
///
/// # Errors
/// A description, if the descriptor set does not decode or lacks the type. A test would have found both.
pub(crate) fn descriptor<M: Name>() -> Result<MessageDescriptor, String> {
    let name = M::full_name();
    let pool = POOL.as_ref().ok_or("the descriptor set does not decode")?;
    pool.get_message_by_name(&name).ok_or_else(|| format!("{name} is not in the descriptor set"))
}

/// Converts a message into its dynamic form.
///
/// # Errors
/// Those of [`descriptor`], and a description of a message that does not decode.
pub(crate) fn dynamic<M: Message + Name>(message: &M) -> Result<DynamicMessage, String> {
    DynamicMessage::decode(descriptor::<M>()?, message.encode_to_vec().as_slice())
        .map_err(|error| error.to_string())
}

/// Reads a message from its canonical proto JSON.
///
/// # Errors
/// Those of [`descriptor`], and a description of JSON that is not of this message.
pub(crate) fn from_json<M: Message + Name + Default>(json: serde_json::Value) -> Result<M, String> {
    let message = DynamicMessage::deserialize(descriptor::<M>()?, json).map_err(|error| error.to_string())?;
    message.transcode_to().map_err(|error| error.to_string())
}
