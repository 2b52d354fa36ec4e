//! What is so, whatever anybody was told: the marks of scripts, and the streams of events as Redis has them.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::history::{Fault, LogEntry, Mark, Position};
use crate::stage::now;

/// The streams of events, with the letters by which events are named.
const STREAMS: [(char, &str); 4] = [
    ('k', "hero:{events}:log"),
    ('o', "hero:{osis}:events"),
    ('s', "hero:{sal}:events"),
    ('p', "hero:{python}:events"),
];
/// A machine that lets a sleeper wait this much longer stood still.
const STOOD_STILL: Duration = Duration::from_millis(300);

/// Reads marks as they come, until it is told to end.
pub(crate) async fn marks(path: PathBuf, mut over: watch::Receiver<bool>) -> Vec<Mark> {
    let (mut marks, mut read, mut rest) = (Vec::new(), 0, String::new());
    loop {
        let last = *over.borrow_and_update();
        let mut file = std::fs::File::open(&path).unwrap();
        file.seek(SeekFrom::Start(read)).unwrap();
        let mut text = String::new();
        read += file.read_to_string(&mut text).unwrap() as u64;
        rest.push_str(&text);
        while let Some((line, behind)) = rest.split_once('\n') {
            let (kind, job) = line.split_once(' ').expect("marks are lines of two words");
            marks.push(Mark { at: now(), job: job.to_owned(), end: kind == "E" });
            rest = behind.to_owned();
        }
        if last {
            return marks;
        }
        let _over_or_not = timeout(Duration::from_millis(25), over.changed()).await;
    }
}

/// Reads the streams of events, until it is told to end and has read them to their ends.
pub(crate) async fn log(url: String, mut over: watch::Receiver<bool>) -> BTreeMap<char, Vec<LogEntry>> {
    let mut log: BTreeMap<char, Vec<LogEntry>> = BTreeMap::new();
    loop {
        let last = *over.borrow_and_update();
        // While Redis is away this fails; the next try goes on where this one ended.
        let reading = timeout(Duration::from_secs(3), read(&url, &mut log)).await;
        if last && matches!(reading, Ok(Ok(()))) {
            return log;
        }
        let _over_or_not = timeout(Duration::from_millis(200), over.changed()).await;
    }
}

/// The places of the last events.
pub(crate) async fn newest(url: &str) -> BTreeMap<char, Position> {
    let mut log = BTreeMap::new();
    read(url, &mut log).await.unwrap();
    log.into_iter().filter_map(|(stream, entries)| Some((stream, entries.last()?.at))).collect()
}

async fn read(url: &str, log: &mut BTreeMap<char, Vec<LogEntry>>) -> redis::RedisResult<()> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    for (stream, key) in STREAMS {
        let entries = log.entry(stream).or_default();
        loop {
            let from =
                entries.last().map_or("-".to_owned(), |entry| format!("({}-{}", entry.at.0, entry.at.1));
            let mut range = redis::cmd("XRANGE");
            range.arg(key).arg(from).arg("+").arg("COUNT").arg(5000);
            let found: Vec<(String, BTreeMap<String, redis::Value>)> =
                range.query_async(&mut connection).await?;
            let whole = found.len() < 5000;
            entries.extend(found.into_iter().map(|(at, fields)| entry(stream, &at, &fields)));
            if whole {
                break;
            }
        }
    }
    Ok(())
}

fn entry(stream: char, at: &str, fields: &BTreeMap<String, redis::Value>) -> LogEntry {
    let (millis, sequence) = at.split_once('-').unwrap();
    let text = |name: &str| match fields.get(name) {
        Some(redis::Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _other => String::new(),
    };
    LogEntry {
        stream,
        at: (millis.parse().unwrap(), sequence.parse().unwrap()),
        job_id: text("id"),
        end: ["succeeded", "failed", "cancelled"].contains(&text("state").as_str()),
    }
}

/// Notes when the machine stood still.
pub(crate) async fn stand_stills(mut over: watch::Receiver<bool>) -> Vec<Fault> {
    const STEP: Duration = Duration::from_millis(50);
    let mut found = Vec::new();
    while !*over.borrow_and_update() {
        let begun = Instant::now();
        sleep(STEP).await;
        let took = begun.elapsed();
        if took > STEP + STOOD_STILL {
            let to = now();
            let from = to.saturating_sub(u64::try_from(took.as_millis()).unwrap());
            let kind = "the machine stood still".to_owned();
            found.push(Fault { from, to, kind, excuses: true, complaints: Vec::new() });
        }
    }
    found
}
