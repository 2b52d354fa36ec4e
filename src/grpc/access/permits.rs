//! The permit of a request, as handlers use it.

use tonic::Request;

use crate::domain::access::{Allowed, Permit, Target};
use crate::grpc::status::Failure;

/// Returns the permit of a request.
///
/// # Errors
/// A request that has not come through the layer: nothing is allowed then.
pub(crate) fn permit<T>(request: &Request<T>) -> Result<Permit, Failure> {
    request.extensions().get::<Permit>().cloned().ok_or_else(Failure::token_invalid)
}

/// Decides about a part of a call.
///
/// # Errors
/// PERMISSION_DENIED, or UNAUTHENTICATED for a caller without credentials.
pub(crate) fn decide(permit: &Permit, target: Target<'_>) -> Result<Allowed, Failure> {
    permit.decide(target).map_err(|denied| Failure::denied(permit, denied))
}
