//! Any change, removal or displacement of lines is found.

use std::path::{Path, PathBuf};

use hero_supervisor::adapters::audit::{Head, all_files, verify};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::FileFailurePersistence;

use super::log::{Log, options};

fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::SourceParallel("proptest-regressions");
    ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() }
}

/// A whole log of three files, and its last line.
fn written(dir: &Path) -> (PathBuf, Head) {
    let path = dir.join("audit.ndjson");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options =
            hero_supervisor::adapters::audit::AuditOptions { rotate_bytes: 2_000, ..options(&path) };
        let log = Log::open(&options).unwrap();
        for number in 0..6 {
            log.call(&format!("job-{number}")).await.unwrap();
        }
        log.close().await;
    });
    let report = verify(&path, None).unwrap();
    assert!(report.faults.is_empty() && report.closed && report.files >= 3, "{report:?}");
    (path, report.head)
}

/// The lines of all files, each with the file that it is in.
fn lines(path: &Path) -> Vec<(PathBuf, String)> {
    let each = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        text.lines().map(|line| (file.clone(), line.to_owned())).collect::<Vec<_>>()
    };
    all_files(path).unwrap().into_iter().flat_map(each).collect()
}

fn write(path: &Path, lines: &[(PathBuf, String)]) {
    for file in all_files(path).unwrap() {
        let own = lines.iter().filter(|(of, _)| *of == file).map(|(_, line)| format!("{line}\n"));
        std::fs::write(&file, own.collect::<String>()).unwrap();
    }
}

#[derive(Debug, Clone)]
enum Tampering {
    Byte { line: Index, place: Index, bits: u8 },
    Remove { line: Index },
    RemoveFrom { line: Index },
    RemoveFile { file: Index },
    Repeat { line: Index },
    Swap { one: Index, other: Index },
    Insert { line: Index, text: String },
}

fn tampering() -> impl Strategy<Value = Tampering> {
    prop_oneof![
        (any::<Index>(), any::<Index>(), 1_u8..128).prop_map(|(line, place, bits)| Tampering::Byte {
            line,
            place,
            bits
        }),
        any::<Index>().prop_map(|line| Tampering::Remove { line }),
        any::<Index>().prop_map(|line| Tampering::RemoveFrom { line }),
        any::<Index>().prop_map(|file| Tampering::RemoveFile { file }),
        any::<Index>().prop_map(|line| Tampering::Repeat { line }),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Tampering::Swap { one, other }),
        (any::<Index>(), "[ -~]{0,80}").prop_map(|(line, text)| Tampering::Insert { line, text }),
    ]
}

/// Tampers with a log. Returns false if that leaves it as it was.
fn tamper(path: &Path, how: &Tampering) -> bool {
    let mut lines = lines(path);
    let count = lines.len();
    match how {
        Tampering::Byte { line, place, bits } => {
            let line = &mut lines[line.index(count)].1;
            let mut bytes = line.clone().into_bytes();
            let place = place.index(bytes.len());
            bytes[place] = (bytes[place] ^ bits) & 0x7f;
            let changed = String::from_utf8(bytes).unwrap();
            // A carriage return at the end of a line is not seen by those who read lines, and a line end makes two of one.
            if changed == *line {
                return false;
            }
            *line = changed;
        }
        Tampering::Remove { line } => drop(lines.remove(line.index(count))),
        Tampering::RemoveFrom { line } => lines.truncate(line.index(count)),
        Tampering::RemoveFile { file } => {
            let files = all_files(path).unwrap();
            // The oldest one may be gone: that is what `keep` is for.
            let gone = &files[1 + file.index(files.len() - 1)];
            std::fs::remove_file(gone).unwrap();
            return true;
        }
        Tampering::Repeat { line } => {
            let line = line.index(count);
            lines.insert(line, lines[line].clone());
        }
        Tampering::Swap { one, other } => {
            let (one, other) = (one.index(count), other.index(count));
            let (text, with) = (lines[one].1.clone(), lines[other].1.clone());
            (lines[one].1, lines[other].1) = (with, text);
            if one == other {
                return false;
            }
        }
        Tampering::Insert { line, text } => {
            let line = line.index(count);
            lines.insert(line, (lines[line].0.clone(), text.clone()));
        }
    }
    write(path, &lines);
    true
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_is_changed_removed_or_displaced_is_found(how in tampering()) {
        let dir = tempfile::tempdir().unwrap();
        let (path, head) = written(dir.path());
        if tamper(&path, &how) {
            let found = verify(&path, Some(&head)).map(|report| report.faults);
            prop_assert!(found.as_ref().map_or(true, |faults| !faults.is_empty()), "{:?}", how);
            // Without a head from elsewhere only lines at the end can be missed, and then the log does not end in order.
            let found = verify(&path, None).unwrap();
            prop_assert!(!found.faults.is_empty() || !found.closed, "{:?} {:?}", how, found);
        }
    }
}

#[test]
fn the_place_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = written(dir.path());
    let whole = lines(&path);
    let told = |lines: &[(PathBuf, String)]| {
        write(&path, lines);
        let faults = verify(&path, None).unwrap().faults;
        faults.into_iter().map(|fault| (fault.file, fault.line, fault.what)).collect::<Vec<_>>()
    };
    let first = whole[0].0.clone();
    assert!(told(&whole).is_empty());

    let mut changed = whole.clone();
    changed[2].1 = changed[2].1.replace("billing", "payroll");
    let expected = "was changed: its hash is not that of its text".to_owned();
    assert_eq!(told(&changed), [(first.clone(), 3, expected)]);

    let mut removed = whole.clone();
    drop(removed.drain(1..3));
    assert_eq!(told(&removed), [(first.clone(), 2, "lines 2 to 3 are missing before it".to_owned())]);

    let mut swapped = whole.clone();
    let (one, other) = (whole[2].1.clone(), whole[3].1.clone());
    (swapped[2].1, swapped[3].1) = (other, one);
    assert_eq!(told(&swapped)[0], (first, 3, "line 3 is missing before it".to_owned()));
    assert_eq!(told(&whole), []);
}
