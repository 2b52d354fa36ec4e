use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::adapters::redis::{SavedJob, Text};
use crate::app::backup::writer::BackupWriter;

fn header(format: u32) -> Header {
    let text = |text: &str| text.to_owned();
    Header { format, version: text("9.9.9"), backup: text("b1"), time: text("t"), source: text("s") }
}

fn job(id: &str, script: &[u8]) -> Record {
    let fields = vec![("status".into(), "queued".into()), ("script".into(), Text(script.to_vec()))];
    Record::Job(SavedJob { queue: "osis".into(), id: id.into(), fields, ..SavedJob::default() })
}

fn written(format: u32, records: &[Record]) -> Vec<u8> {
    let mut writer = BackupWriter::begin(Vec::new(), header(format)).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish().unwrap().out
}

fn opened(bytes: &[u8]) -> BackupFile {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    BackupFile::new(file).unwrap()
}

fn some_records() -> Vec<Record> {
    vec![job("j1", b"1"), job("j2", "ü\u{0}".as_bytes()), job("j3", &[0xff; 300])]
}

#[test]
fn what_is_written_is_read_with_its_lines_and_numbers() {
    let records = some_records();
    let bytes = written(FORMAT, &records);
    let mut file = opened(&bytes);
    let checked = file.check().unwrap();
    assert_eq!(checked.header, header(FORMAT));
    assert_eq!((checked.counts.jobs, checked.counts.jobs_by_state["queued"]), (3, 3));
    assert_eq!(checked.sha256, hex::encode(&Sha256::digest(&bytes)));
    let read: Vec<(u64, Record)> = file.records().unwrap().map(Result::unwrap).collect();
    assert_eq!(read, (2..).zip(records).collect::<Vec<_>>());
}

#[test]
fn other_files_and_later_formats_are_named_as_what_they_are() {
    let fault = |bytes: &[u8]| opened(bytes).check().err().unwrap().to_string();
    for other in [&b""[..], b"x", b"some text that is no backup at all", &[0; 400]] {
        assert!(fault(other).contains("no backup"), "{other:?}");
    }
    let later = fault(&written(FORMAT + 1, &[]));
    assert!(later.contains("format 2") && later.contains("9.9.9"), "{later}");
}

proptest! {
    #[test]
    fn no_changed_bit_and_no_cut_is_overlooked(at in any::<prop::sample::Index>(), bit in 0..8_u8, cuts: bool) {
        let mut bytes = written(FORMAT, &some_records());
        let at = at.index(bytes.len());
        if cuts { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        let fault = opened(&bytes).check().err();
        prop_assert!(matches!(fault, Some(FileFault::Changed | FileFault::NotABackup)), "{:?}", fault);
    }

    #[test]
    fn nothing_may_be_added(more in prop::collection::vec(any::<u8>(), 1..300)) {
        let mut bytes = written(FORMAT, &some_records());
        bytes.extend(more);
        prop_assert!(matches!(opened(&bytes).check().err(), Some(FileFault::Changed)));
    }
}
