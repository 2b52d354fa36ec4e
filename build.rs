//! Compiles the public contract: messages, client and (with the service) server code, and the descriptor set for reflection and the CLI.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Below `proto/`; what they import is found from there.
const FILES: [&str; 2] =
    ["hero/supervisor/v1/supervisor_service.proto", "hero/supervisor/v1/error_reason.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    // Comments stay in the descriptor set: they are the documentation that `grpcurl describe` shows.
    let mut compiler = protox::Compiler::new([Path::new("proto")])?;
    compiler.include_source_info(true).include_imports(true).open_files(FILES)?;
    fs::write(out_dir.join("hero_supervisor_v1.binpb"), compiler.encode_file_descriptor_set())?;

    // Maps in the order of their keys: the encoding of a request is stable, so that it can be fingerprinted.
    // Messages know their names, so that the command line finds their descriptors.
    let mut prost = tonic_prost_build::Config::new();
    prost.enable_type_names();
    tonic_prost_build::configure()
        .build_server(false)
        .btree_map(".")
        .compile_fds_with_config(compiler.file_descriptor_set(), prost)?;
    if env::var_os("CARGO_FEATURE_SERVICE").is_some() {
        compile_service(&compiler, &out_dir.join("service"))?;
    }
    Ok(())
}

/// Writes the code of the service: with the messages of the client, but for the one that the server sends in a form of its own.
fn compile_service(compiler: &protox::Compiler, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    tonic_prost_build::configure()
        .build_client(false)
        .out_dir(folder)
        .extern_path(".hero.supervisor.v1", "crate::proto")
        .extern_path(
            ".hero.supervisor.v1.WatchEventsResponse",
            "crate::grpc::watch_events_message::WatchEventsMessage",
        )
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
