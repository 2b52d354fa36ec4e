//! Limits of the server that several layers share.

/// Largest message in either direction, in bytes: the default of gRPC, so that no client needs a setting.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
