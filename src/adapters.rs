//! Ports filled with the real world. Adapters name ports and domain values, never each other and never gRPC.

pub mod audit;
pub mod exec_shim;
pub mod jwks;
pub mod local;
mod log_ring;
pub mod memory;
pub mod process_usage;
pub mod program_files;
pub mod redis;
pub mod system_clock;
pub mod zinit;
