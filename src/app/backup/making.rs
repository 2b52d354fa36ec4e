//! The command `backup`.

use std::io::{IsTerminal, Write, stdout};
use std::path::Path;

use serde::Serialize;
use tokio::sync::mpsc;

use super::line::{Counts, FORMAT, Header};
use super::progress::Progress;
use super::target::Target;
use super::writer::{BackupWriter, Finished};
use super::{failed, run};
use crate::adapters::redis::{BackupFault, Record, RedisBackup};
use crate::adapters::system_clock::SystemClock;
use crate::app::adapters::redis_config;
use crate::cli::{BackupArgs, Exit, Failure, Output, print_notice};
use crate::config::Config;
use crate::ports::clock::Clock;

/// Records that wait to be written.
const WAITING: usize = 16;

/// A backup that was made.
#[derive(Serialize)]
struct Made<'a> {
    file: String,
    backup: &'a str,
    bytes: u64,
    sha256: String,
    records: Counts,
}

/// Makes a backup of the Redis of the configuration, which may be in use.
///
/// # Errors
/// A file that cannot be written, or is there already; a Redis that fails or refuses.
pub fn backup(args: BackupArgs) -> Result<Exit, Failure> {
    let BackupArgs { serve, output, file, force } = args;
    let config = Config::load(serve.layers())?.config;
    let is_stdout = file == Path::new("-");
    if is_stdout && stdout().is_terminal() {
        return Err(Failure::usage(
            "a backup is no text for a terminal: name a file, or redirect the output",
        ));
    }
    if !is_stdout && !force && file.symlink_metadata().is_ok() {
        return Err(Failure::usage(format!(
            "{} is there already: name another file, or add --force to replace it",
            file.display()
        )));
    }
    let header = Header {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        backup: uuid::Uuid::new_v4().to_string(),
        time: humantime::format_rfc3339_millis(SystemClock.now()).to_string(),
        source: config.redis_url.to_string(),
    };
    let id = header.backup.clone();
    run(async move {
        let (counts, bytes, sha256) = match is_stdout {
            true => {
                let Finished { mut out, counts, bytes, sha256 } = write_to(&config, header, stdout()).await?;
                out.flush()?;
                (counts, bytes, sha256)
            }
            false => into_file(&config, header, &file).await?,
        };
        let made = Made { file: file.display().to_string(), backup: &id, bytes, sha256, records: counts };
        let text = output.render(&made)?.unwrap_or_else(|| {
            let Made { file, bytes, sha256, records, .. } = &made;
            format!("{file}: {} ({bytes} bytes, sha256 {sha256})", records.describe())
        });
        if is_stdout {
            print_notice(&text);
        } else {
            Output::new(output, false).data(&text)?;
        }
        Ok(Exit::Ok)
    })
}

async fn into_file(config: &Config, header: Header, path: &Path) -> Result<(Counts, u64, String), Failure> {
    let unwritten = |error: std::io::Error| {
        Failure::new(Exit::Refused, format!("{} cannot be written: {error}", path.display()))
    };
    let (target, file) = Target::create(path).map_err(unwritten)?;
    let out = std::io::BufWriter::new(file);
    let Finished { out, counts, bytes, sha256 } = write_to(config, header, out).await.map_err(|failure| {
        let message = format!("{}: {}", path.display(), failure.message);
        Failure { message, ..failure }
    })?;
    let file = out.into_inner().map_err(|error| unwritten(error.into_error()))?;
    target.finish(&file).map_err(unwritten)?;
    Ok((counts, bytes, sha256))
}

/// Reads and writes at once, with a few records in between.
async fn write_to<W: Write>(config: &Config, header: Header, out: W) -> Result<Finished<W>, Failure> {
    const STATE: &str = "no backup was made";
    let fault = |fault: BackupFault| failed(config, &fault, STATE);
    let redis = RedisBackup::new(&redis_config(config)).map_err(|error| fault(error.into()))?;
    // A Redis that is away from the start is not waited for.
    redis.standing().await.map_err(fault)?;
    let unwritten =
        |error: std::io::Error| Failure::new(Exit::Refused, format!("the backup cannot be written: {error}"));
    let mut writer = BackupWriter::begin(out, header).map_err(unwritten)?;
    let (sender, receiver) = mpsc::channel::<Record>(WAITING);
    let reading = async {
        // Dropped at the end, so that the writing ends as well.
        let sender = sender;
        redis.read(&sender).await
    };
    let writing = async {
        // Dropped by a failed write, so that the reading ends as well.
        let mut receiver = receiver;
        let mut progress = Progress::new("read");
        while let Some(record) = receiver.recv().await {
            writer.write(&record)?;
            progress.show(writer.records());
        }
        Ok(writer)
    };
    let (read, written) = tokio::join!(reading, writing);
    redis.close();
    // Who could not write has stopped the reading as well.
    let writer = written.map_err(unwritten)?;
    read.map_err(fault)?;
    writer.finish().map_err(unwritten)
}
