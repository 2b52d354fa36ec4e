//! Compiles the public contract: messages, client and (with the service) server code, and the descriptor set for reflection and the CLI.
//! With the service it also compresses the files of the dashboard, which are committed as they were built (`web/generate`).

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
    let service = env::var_os("CARGO_FEATURE_SERVICE").is_some();
    tonic_prost_build::configure()
        .build_server(service)
        .btree_map(".")
        .compile_fds_with_config(compiler.file_descriptor_set(), prost)?;
    #[cfg(feature = "service")]
    dashboard::embed(Path::new("web/dist"), &out_dir)?;
    Ok(())
}

/// Files of the dashboard, which the program has in itself.
#[cfg(feature = "service")]
mod dashboard {
    use std::error::Error;
    use std::fmt::Write;
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use sha2::{Digest, Sha256};

    /// Writes each file below `dist`, compressed, and the table of them: `dashboard_files.rs`.
    pub(super) fn embed(dist: &Path, out_dir: &Path) -> Result<(), Box<dyn Error>> {
        println!("cargo:rerun-if-changed={}", dist.display());
        let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?)
            .join(dist);
        let mut table = String::from("&[\n");
        for (number, file) in files(&root)?.into_iter().enumerate() {
            let content = fs::read(&file)?;
            // The same for every toolchain, unlike the hashes of the standard library: equal programs have equal bytes.
            let digest = Sha256::digest(&content);
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&content)?;
            let compressed = out_dir.join(format!("dashboard_{number}.gz"));
            fs::write(&compressed, encoder.finish()?)?;
            let path = format!("/{}", file.strip_prefix(&root)?.display());
            let etag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            let etag = format!("\"{etag}\"");
            writeln!(
                table,
                "    File {{ path: {path:?}, etag: {etag:?}, gzip: include_bytes!({compressed:?}) }},"
            )?;
        }
        table.push(']');
        fs::write(out_dir.join("dashboard_files.rs"), table)?;
        Ok(())
    }

    /// Returns the files below a folder, in the order of their names.
    fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() { all.extend(files(&path)?) } else { all.push(path) }
        }
        all.sort();
        Ok(all)
    }
}
