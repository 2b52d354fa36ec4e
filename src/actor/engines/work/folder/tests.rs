//! Folders of hosts and of jobs.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn each_job_has_an_empty_folder_that_only_its_user_can_reach() {
    let base = tempfile::tempdir().unwrap();
    let mut work = WorkFolder::open(&base.path().join("made/here")).unwrap();
    for _ in 0..2 {
        let folder = work.next().unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(names(work.path()).len(), 1);
        fs::write(folder.join("left"), "x").unwrap();
        // What a job can do to the folder of its host.
        fs::create_dir(work.path().join("beside")).unwrap();
        set_mode(work.path(), 0o777);
    }
    assert_eq!(fs::metadata(work.path()).unwrap().mode() & 0o777, 0o777);
    work.clear();
    assert_eq!(fs::metadata(work.path()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(names(work.path()), ["1"]);
    assert!(names(&work.path().join("1")).is_empty());
}

#[test]
fn the_folder_of_a_job_is_emptied_for_the_next_one_unless_it_was_exchanged() {
    let base = tempfile::tempdir().unwrap();
    let mut work = WorkFolder::open(base.path()).unwrap();
    let first = work.next().unwrap();
    fs::create_dir(first.join("inner")).unwrap();
    fs::write(first.join(".hidden"), "x").unwrap();
    set_mode(&first, 0o2777);
    assert_eq!(work.next().unwrap(), first);
    assert!(names(&first).is_empty());
    assert_eq!(fs::metadata(&first).unwrap().mode() & 0o7777, 0o700);
    let exchanges: [fn(&Path); 4] = [
        |folder| fs::rename(folder, folder.with_file_name("moved")).unwrap(),
        |folder| fs::remove_dir(folder).unwrap(),
        |folder| {
            fs::rename(folder, folder.with_file_name("moved")).unwrap();
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("mine"), "x").unwrap();
        },
        |folder| {
            fs::rename(folder, folder.with_file_name("moved")).unwrap();
            symlink("moved", folder).unwrap();
        },
    ];
    for exchange in exchanges {
        let before = work.next().unwrap();
        exchange(&before);
        let after = work.next().unwrap();
        assert_ne!(after, before);
        assert!(names(&after).is_empty());
        assert_eq!(names(work.path()).len(), 1);
    }
}

#[test]
fn a_job_cannot_lead_the_next_one_or_the_cleaning_elsewhere() {
    let (base, victim) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(victim.path().join("precious"), "x").unwrap();
    let mut work = WorkFolder::open(base.path()).unwrap();
    let folder = work.next().unwrap();
    fs::remove_dir(&folder).unwrap();
    symlink(victim.path(), &folder).unwrap();
    let host = work.path().to_owned();
    let folder = work.next().unwrap();
    assert_eq!(folder.parent().unwrap(), host);
    let moved = base.path().join("moved");
    fs::write(folder.join("left"), "x").unwrap();
    fs::rename(&host, &moved).unwrap();
    symlink(victim.path(), &host).unwrap();
    let folder = work.next().unwrap();
    assert_ne!(folder.parent().unwrap(), host);
    assert!(fs::symlink_metadata(work.path()).unwrap().is_dir());
    assert_eq!(names(victim.path()), ["precious"]);
    assert!(names(&moved).is_empty());
}

#[test]
fn a_folder_that_is_gone_is_made_again() {
    let base = tempfile::tempdir().unwrap();
    let mut work = WorkFolder::open(&base.path().join("inner")).unwrap();
    work.next().unwrap();
    fs::remove_dir_all(base.path().join("inner")).unwrap();
    assert!(work.next().unwrap().is_dir());
}

#[test]
fn only_folders_of_dead_hosts_are_swept() {
    let base = tempfile::tempdir().unwrap();
    let mut alive = WorkFolder::open(base.path()).unwrap();
    let job = alive.next().unwrap();
    let mut dead = WorkFolder::open(base.path()).unwrap();
    fs::write(dead.next().unwrap().join("secret"), "x").unwrap();
    set_mode(dead.path(), 0o000);
    let gone = dead.path().to_owned();
    let link = base.path().join(format!("{PREFIX}1-00000000"));
    symlink(alive.path(), &link).unwrap();
    fs::create_dir(base.path().join("hero-job-of-mine")).unwrap();
    sweep(base.path());
    assert!(gone.exists());
    drop(dead);
    sweep(base.path());
    assert!(!gone.exists() && job.exists());
    assert_eq!(names(base.path()).len(), 3);
}

#[test]
fn a_base_that_others_can_exchange_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let open = base.path().join("open");
    fs::create_dir_all(open.join("work")).unwrap();
    set_mode(&open, 0o777);
    for folder in [&open, &open.join("work")] {
        let refused = WorkFolder::open(folder).unwrap_err();
        assert!(refused.contains("can be written by everybody (mode 0777)"), "{refused}");
    }
    set_mode(&open, 0o1777);
    assert!(WorkFolder::open(&open.join("work")).is_ok());
    let (own, other) = (geteuid().as_raw(), geteuid().as_raw() + 1);
    assert_eq!(exchangeable(own, other, 0o755), None);
    assert_eq!(exchangeable(own, getegid().as_raw(), 0o775), None);
    assert!(exchangeable(own, getegid().as_raw() + 7, 0o775).is_some());
    assert_eq!(exchangeable(other, other, 0o700), Some(format!("belongs to user {other}")));
}
