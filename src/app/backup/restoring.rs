//! The command `restore`.

use std::fs::{File, OpenOptions};
use std::io::{self, stdin};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

use super::line::Counts;
use super::plan::{Plan, decide};
use super::progress::Progress;
use super::reader::{BackupFile, Checked, FileFault};
use super::{failed, run};
use crate::adapters::redis::{BackupFault, Record, RedisBackup, Standing, Written};
use crate::app::adapters::redis_config;
use crate::cli::{Exit, Failure, Output, RestoreArgs};
use crate::config::Config;

/// Records of one write, and bytes of their values after which no further one is added.
const RECORDS: usize = 200;
const BYTES: usize = 1024 * 1024;

/// A restore that is done, or was only tried.
#[derive(Serialize)]
struct Restored<'a> {
    file: String,
    backup: &'a str,
    made_at: &'a str,
    made_of: &'a str,
    sha256: &'a str,
    records: &'a Counts,
    dry_run: bool,
    /// Line behind which it went on; 0 if it began.
    went_on_behind_line: u64,
    /// Records that were written.
    restored: u64,
    /// Records that were there.
    already_there: u64,
    /// Jobs that an actor had when the backup was made.
    lost_attempts: u64,
}

/// Restores a backup into the Redis of the configuration.
///
/// # Errors
/// A file that is not what was written; a Redis that is not empty, fails or refuses.
pub fn restore(args: RestoreArgs) -> Result<Exit, Failure> {
    let RestoreArgs { serve, output, file: path, into_existing, dry_run } = args;
    let config = Config::load(serve.layers())?.config;
    let name = path.display().to_string();
    let refused = |fault: FileFault| Failure::new(Exit::Refused, format!("{name} {fault}"));
    let file = open(&path).map_err(|error| refused(error.into()))?;
    let mut file = BackupFile::new(file).map_err(&refused)?;
    let checked = file.check().map_err(&refused)?;
    run(async {
        let (line, written) = into_redis(&config, &name, &file, &checked, into_existing, dry_run).await?;
        let restored = Restored {
            file: name.clone(),
            backup: &checked.header.backup,
            made_at: &checked.header.time,
            made_of: &checked.header.source,
            sha256: &checked.sha256,
            records: &checked.counts,
            dry_run,
            went_on_behind_line: line,
            restored: written.new,
            already_there: written.known,
            lost_attempts: written.lost,
        };
        let text = output.render(&restored)?.unwrap_or_else(|| describe(&restored));
        Output::new(output, false).data(&text)?;
        Ok(Exit::Ok)
    })
}

fn describe(restored: &Restored<'_>) -> String {
    let Restored { file, made_at, made_of, records, .. } = restored;
    let begin = format!("{file}, made at {made_at} of {made_of}: {}", records.describe());
    if restored.dry_run {
        let from = match restored.went_on_behind_line {
            0 => "all of it would be restored".to_owned(),
            line => format!("the restore would go on behind line {line}"),
        };
        return format!("{begin}\n{from}\nthis was a dry run: nothing was changed");
    }
    let lost = match restored.lost_attempts {
        0 => String::new(),
        lost => format!("; actors had {lost} of the jobs, and those attempts count as lost"),
    };
    format!(
        "{begin}\nrestored {} records, {} were there already{lost}",
        restored.restored, restored.already_there
    )
}

/// Opens the file. Standard input becomes a file first, since it is read twice.
fn open(path: &Path) -> io::Result<File> {
    if path != Path::new("-") {
        // A pipe would wait for its other end.
        if std::fs::metadata(path)?.is_file() {
            return File::open(path);
        }
        return Err(io::Error::other("it is not a file"));
    }
    let copy = std::env::temp_dir().join(format!("hero-restore-{}", uuid::Uuid::new_v4()));
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&copy)?;
    // Nobody else needs its name.
    std::fs::remove_file(&copy)?;
    io::copy(&mut stdin().lock(), &mut file)?;
    Ok(file)
}

/// Returns the line behind which it began, and what was written.
async fn into_redis(
    config: &Config,
    name: &str,
    file: &BackupFile,
    checked: &Checked,
    into_existing: bool,
    dry_run: bool,
) -> Result<(u64, Written), Failure> {
    let untouched = |fault: BackupFault| failed(config, &fault, "nothing was restored");
    let redis = RedisBackup::new(&redis_config(config)).map_err(|error| untouched(error.into()))?;
    let id = &checked.header.backup;
    let standing = redis.standing().await.map_err(untouched)?;
    let contents = redis.contents().await.map_err(untouched)?;
    let plan = decide(id, standing.as_ref(), &contents, into_existing)
        .map_err(|why| Failure::new(Exit::Refused, format!("Redis at {}: {why}", config.redis_url)))?;
    let from = match plan {
        Plan::Begin => 0,
        Plan::GoOn(line) => line,
    };
    if dry_run {
        return Ok((from, Written::default()));
    }
    let mut standing = Standing { backup: id.clone(), line: from };
    let mut all = Written::default();
    let mut progress = Progress::new("restored");
    let mut records =
        file.records().map_err(|fault| Failure::new(Exit::Refused, format!("{name} {fault}")))?;
    redis.note(&standing).await.map_err(untouched)?;
    loop {
        let stopped = |fault: BackupFault, line: u64| {
            failed(
                config,
                &fault,
                &format!("restored up to line {line}: run the same command again to go on there"),
            )
        };
        let batch = next_batch(&mut records, from).map_err(|fault| {
            let state =
                format!("restored up to line {}: take another copy, and run the same command", standing.line);
            Failure::new(Exit::Refused, format!("{name} {fault}; {state}"))
        })?;
        let Some((last, _record)) = batch.last() else { break };
        let written = redis.write(id, &batch).await.map_err(|fault| stopped(fault, standing.line))?;
        all.add(written);
        let next = Standing { line: *last, ..standing.clone() };
        redis.note(&next).await.map_err(|fault| stopped(fault, standing.line))?;
        standing = next;
        progress.show(all.new + all.known);
    }
    redis.forget().await.map_err(|fault| {
        failed(config, &fault, "all is restored: run the same command again to remove the notes about it")
    })?;
    redis.close();
    Ok((from, all))
}

/// The next records behind this line.
fn next_batch(
    records: &mut impl Iterator<Item = Result<(u64, Record), FileFault>>,
    from: u64,
) -> Result<Vec<(u64, Record)>, FileFault> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for record in records.by_ref() {
        let (line, record) = record?;
        if line <= from {
            continue;
        }
        bytes += size_of(&record);
        batch.push((line, record));
        if batch.len() == RECORDS || bytes >= BYTES {
            break;
        }
    }
    Ok(batch)
}

/// About how many bytes a record has.
fn size_of(record: &Record) -> usize {
    match record {
        Record::Job(job) => job.fields.iter().map(|(name, value)| name.0.len() + value.0.len()).sum(),
        Record::Object(object) => object.value.0.len(),
        Record::Field { value, .. } => value.0.len(),
        Record::Queue(_) | Record::Request(_) => 0,
    }
}
