//! The same binaries packed once more are the same files, byte by byte.

use std::fs;
use std::process::Command;

use crate::ran::run;

#[test]
fn packed_twice_everything_has_the_same_checksums() {
    let again = tempfile::tempdir().unwrap();
    // As another day would do it: in another order of files, by another clock.
    let _alone = crate::packing();
    let packed = run(Command::new(crate::root().join("packaging/pack")).env("DIST_OUT", again.path()));
    packed.ok("packaging/pack");
    let sums = |path: &std::path::Path| fs::read_to_string(path.join("SHA256SUMS")).unwrap();
    let (first, second) = (sums(&crate::dist()), sums(again.path()));
    let ours = |sums: &str| {
        let lines = sums.lines().filter(|line| !line.contains("  clients/")).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    assert_eq!(ours(&first), ours(&second));
    assert!(ours(&first).len() >= 7, "{first}");
}
