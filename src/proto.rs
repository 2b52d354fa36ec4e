//! Generated from `proto/hero/supervisor/v1`: messages, [`supervisor_client`] and, with the service, `supervisor_server`.
//!
//! The comments in the proto files are the documentation; what stands here is a copy of them.

tonic::include_proto!("hero.supervisor.v1");

/// Every file of the contract with all that it imports and with comments, as an encoded `FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hero_supervisor_v1.binpb"));
