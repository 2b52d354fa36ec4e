//! Entries that are read, mistakes that are refused, and two writers at the same time.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;
use crate::domain::access::{NewToken, Role, TokenTable};
use crate::domain::model::job::JobQuota;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn grant(roles: &[&str]) -> TokenGrant {
    TokenGrant { roles: roles.iter().map(|role| (*role).to_owned()).collect(), ..TokenGrant::default() }
}

fn submitter() -> TokenGrant {
    TokenGrant {
        name: "billing backend".to_owned(),
        callers: vec!["billing".to_owned(), "billing-*".to_owned()],
        script_types: vec!["python".to_owned()],
        rps: Some(200),
        max_queued: Some(100),
        max_running: Some(5),
        not_after: Some(NOW + Duration::from_secs(3600)),
        ..grant(&["submitter"])
    }
}

#[test]
fn what_is_written_is_read_and_the_secret_is_not_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens.toml");
    let token = NewToken::new("k3v9", &[7; 32]);
    let mut edit = TokenFileEdit::open(&path).unwrap();
    edit.add(&token, &submitter(), NOW);
    edit.save().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let secret = token.text.split('_').nth(2).unwrap();
    assert!(text.starts_with('#') && !text.contains(secret), "{text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let tokens = read_tokens(&path).unwrap();
    let identity = &tokens[0].identity;
    assert_eq!((identity.id.as_str(), identity.name.as_str()), ("k3v9", "billing backend"));
    assert_eq!((identity.roles, identity.quotas.rps), (Role::Submitter.into(), Some(200)));
    let jobs = JobQuota { max_queued: Some(100), max_running: Some(5) };
    assert_eq!(identity.quotas.jobs, jobs);
    let table = TokenTable::new(tokens);
    assert!(table.check(&token.text, NOW).is_ok());
    assert!(table.check(&token.text, NOW + Duration::from_secs(3600)).is_err());
}

#[test]
fn comments_and_other_tokens_stay_when_one_is_rotated_or_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens.toml");
    let (one, two) = (NewToken::new("one", &[1; 32]), NewToken::new("two", &[2; 32]));
    let mut edit = TokenFileEdit::open(&path).unwrap();
    edit.add(&one, &grant(&["viewer"]), NOW);
    edit.add(&two, &grant(&["admin"]), NOW);
    edit.save().unwrap();
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("# the last line is ours\n");
    std::fs::write(&path, text).unwrap();

    let fresh = NewToken::new("one", &[3; 32]);
    let mut edit = TokenFileEdit::open(&path).unwrap();
    edit.rotate(&fresh, Some(NOW + Duration::from_secs(60))).unwrap();
    edit.save().unwrap();
    let table = || TokenTable::new(read_tokens(&path).unwrap());
    assert!(table().check(&fresh.text, NOW).is_ok() && table().check(&one.text, NOW).is_ok());
    assert!(table().check(&one.text, NOW + Duration::from_secs(61)).is_err());
    let again = NewToken::new("one", &[4; 32]);
    let mut edit = TokenFileEdit::open(&path).unwrap();
    edit.rotate(&again, None).unwrap();
    edit.save().unwrap();
    assert!(table().check(&fresh.text, NOW).is_err() && table().check(&again.text, NOW).is_ok());

    let mut edit = TokenFileEdit::open(&path).unwrap();
    edit.remove("one").unwrap();
    assert!(matches!(edit.remove("one"), Err(TokenFileError::NotFound(_))));
    edit.save().unwrap();
    assert!(table().check(&again.text, NOW).is_err() && table().check(&two.text, NOW).is_ok());
    assert!(std::fs::read_to_string(&path).unwrap().contains("# the last line is ours"));
}

#[test]
fn a_file_with_mistakes_is_refused_as_a_whole_with_all_of_them() {
    let path = Path::new("tokens.toml");
    let refused = |text: &str| parse(path, text).unwrap_err().to_string();
    assert!(refused("[[token]\nid = 1").contains("not valid"));
    let digest = "0".repeat(64);
    let told = refused(&format!(
        "colour = 1\n[[token]]\nid = \"A b\"\nsha256 = \"{digest}\"\nrole = \"submitter\"\n\
         [[token]]\nid = \"x\"\nsha256 = \"1234\"\nrole = \"king\"\nnot_after = \"tomorrow\"\nsecret = \"s\"\n\
         [[token]]\nid = \"y\"\nsha256 = \"{digest}\"\nrole = \"admin\"\nprevious_sha256 = \"{digest}\"\n\
         [[token]]\nid = \"y\"\nsha256 = \"{digest}\"\nrole = \"admin\"\nnot_after = 2027-06-30T00:00:00Z\n"
    ));
    for part in [
        "colour",
        "token[0].id",
        "token[0].callers",
        "token[0].script_types",
        "token[1].sha256",
        "token[1].role",
        "token[1].not_after",
        "token[1].secret",
        "token[2].previous_sha256",
        "token[3].id",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(!told.contains("token[3].not_after"), "a date of TOML is a time: {told}");
}

#[test]
fn a_file_that_others_can_read_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens.toml");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let told = read_tokens(&path).unwrap_err().to_string();
    assert!(told.contains("chmod 600") && told.contains("640"), "{told}");
    assert!(TokenFileEdit::open(&path).is_err());
}

#[test]
fn what_is_no_file_of_text_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(read_tokens(&pipe).unwrap_err().to_string().contains("is not a file"));
    assert!(TokenFileEdit::open(&pipe).is_err());
    let path = dir.path().join("tokens.toml");
    std::fs::write(&path, b"# \xff\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(read_tokens(&path).unwrap_err().to_string().contains("not UTF-8"));
    let elsewhere = dir.path().join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, dir.path().join("new.toml.lock")).unwrap();
    assert!(TokenFileEdit::open(&dir.path().join("new.toml")).is_err() && !elsewhere.exists());
}

#[test]
fn a_time_after_the_year_9999_is_written_as_the_last_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens.toml");
    let far = NOW + Duration::from_secs(400_000_000_000);
    let token = NewToken::new("k3v9", &[7; 32]);
    let mut edit = TokenFileEdit::open(&path).unwrap();
    edit.add(&token, &TokenGrant { not_after: Some(far), ..grant(&["viewer"]) }, NOW);
    edit.rotate(&NewToken::new("k3v9", &[8; 32]), Some(far)).unwrap();
    edit.save().unwrap();
    let end = read_tokens(&path).unwrap()[0].identity.not_after.unwrap();
    assert_eq!(humantime::format_rfc3339_seconds(end).to_string(), "9999-12-31T23:59:59Z");
}

#[test]
fn two_writers_lose_nothing_of_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens.toml");
    std::thread::scope(|scope| {
        for writer in 0..4_u8 {
            let path = &path;
            scope.spawn(move || {
                for number in 0..5_u8 {
                    let token = NewToken::new(&format!("t{writer}-{number}"), &[writer; 32]);
                    let mut edit = TokenFileEdit::open(path).unwrap();
                    edit.add(&token, &grant(&["viewer"]), NOW);
                    edit.save().unwrap();
                }
            });
        }
    });
    assert_eq!(read_tokens(&path).unwrap().len(), 20);
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the file and its lock: {left:?}");
}
