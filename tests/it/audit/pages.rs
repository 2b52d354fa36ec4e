//! The log as it is read: page by page, from its end, beside its writer.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use hero_supervisor::adapters::audit::{AuditFiles, all_files};
use hero_supervisor::ports::audit_reader::{AuditFilter, AuditLine, AuditPlace, AuditReader, AuditStage};

use super::log::{Log, lines, options};

/// Reads all pages of this size.
async fn pages(log: &AuditFiles, filter: &AuditFilter, size: usize) -> Vec<AuditLine> {
    let (mut all, mut before): (Vec<AuditLine>, Option<AuditPlace>) = (Vec::new(), None);
    loop {
        let page = log.page(filter, before, size).await.unwrap();
        assert!(page.lines.len() <= size);
        all.extend(page.lines);
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

fn numbers(lines: &[AuditLine]) -> Vec<u64> {
    lines.iter().map(|line| line.number).collect()
}

async fn write(path: &Path, calls: usize) -> Vec<u64> {
    let log = Log::open(&options_of(path)).unwrap();
    for call in 0..calls {
        log.call(&format!("job-{call}")).await.unwrap();
    }
    log.close().await;
    let noted = lines(&all_files(path).unwrap());
    noted.iter().rev().map(|line| line["seq"].as_u64().unwrap()).collect()
}

fn options_of(path: &Path) -> hero_supervisor::adapters::audit::AuditOptions {
    hero_supervisor::adapters::audit::AuditOptions { rotate_bytes: 20_000, ..options(path) }
}

#[tokio::test]
async fn pages_have_every_line_once_the_newest_first_over_all_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.ndjson");
    let log = AuditFiles::new(path.clone());
    assert_eq!(pages(&log, &AuditFilter::default(), 10).await, [], "there is no log yet");
    let expected = write(&path, 200).await;
    assert!(all_files(&path).unwrap().len() > 2, "files were replaced");
    for size in [1, 7, 100, 1000] {
        assert_eq!(numbers(&pages(&log, &AuditFilter::default(), size).await), expected, "{size}");
    }
    let all = pages(&log, &AuditFilter::default(), 1000).await;
    let ends = AuditFilter { stage: Some(AuditStage::Done), ..AuditFilter::default() };
    assert_eq!(pages(&log, &ends, 9).await.len(), 200);
    let one = AuditFilter { target: Some("job-17".to_owned()), ..AuditFilter::default() };
    let found = pages(&log, &one, 9).await;
    assert_eq!(
        found.iter().map(|line| line.stage).collect::<Vec<_>>(),
        [AuditStage::Done, AuditStage::Received]
    );
    let line = &found[0];
    assert_eq!(
        (line.identity.as_str(), line.rpc.as_str(), line.code.as_str()),
        ("token:billing", "CancelJob", "OK")
    );
    assert_eq!(
        (line.request_id.as_str(), line.peer.as_str(), line.node.as_str()),
        ("deploy-7", "192.0.2.1:5", "here")
    );
    assert_eq!((line.call, line.took), (found[1].call, Some(std::time::Duration::from_millis(3))));
    for identity in ["billing", "token:billing"] {
        let by = AuditFilter { identity: Some(identity.to_owned()), ..AuditFilter::default() };
        assert_eq!(pages(&log, &by, 1000).await.len(), 400, "{identity}");
    }
    let nobody = [
        AuditFilter { identity: Some("bill".to_owned()), ..AuditFilter::default() },
        AuditFilter { rpc: Some("PurgeQueue".to_owned()), ..AuditFilter::default() },
        AuditFilter { refused: true, ..AuditFilter::default() },
        AuditFilter { code: Some("NOT_FOUND".to_owned()), ..AuditFilter::default() },
        AuditFilter { until: Some(all.last().unwrap().at), ..AuditFilter::default() },
    ];
    for filter in nobody {
        assert_eq!(pages(&log, &filter, 10).await, [], "{filter:?}");
    }
    let late = AuditFilter { since: Some(all[9].at), ..AuditFilter::default() };
    assert!(pages(&log, &late, 100).await.len() >= 10);
}

#[tokio::test]
async fn a_page_goes_on_while_lines_come_and_files_are_replaced_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.ndjson");
    let before = write(&path, 60).await;
    let log = AuditFiles::new(path.clone());
    let first = log.page(&AuditFilter::default(), None, 5).await.unwrap();
    assert_eq!(numbers(&first.lines), before[..5]);
    // The file of the place gets another name.
    write(&path, 100).await;
    let second = log.page(&AuditFilter::default(), first.next, 5).await.unwrap();
    assert_eq!(numbers(&second.lines), before[5..10]);
    // What the place is in is gone: there is nothing older that was kept.
    for file in all_files(&path).unwrap() {
        std::fs::remove_file(file).unwrap();
    }
    let third = log.page(&AuditFilter::default(), second.next, 5).await.unwrap();
    assert_eq!((third.lines, third.next), (Vec::new(), None));
}

#[tokio::test]
async fn lines_that_are_damaged_or_not_whole_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.ndjson");
    let expected = write(&path, 3).await;
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"no line of ours\n\n\xff\xfe\n{\"seq\":99,\"time\":").unwrap();
    let log = AuditFiles::new(path.clone());
    assert_eq!(numbers(&pages(&log, &AuditFilter::default(), 4).await), expected);
    // A file that is none of ours is told, and does not fill the memory.
    let foreign = dir.path().join("foreign");
    let mut line = b"{\"seq\":1,\"time\":\"2026-01-01T00:00:00Z\",\"stage\":\"note\"}\n".to_vec();
    line.resize(4 << 20, b'x');
    line.push(b'\n');
    File::create(&foreign).unwrap().write_all(&line).unwrap();
    let refused = AuditFiles::new(foreign).page(&AuditFilter::default(), None, 4).await.unwrap_err();
    assert!(refused.to_string().contains("no supervisor has written"), "{refused}");
}
