//! The limits of definitions.

use super::*;

fn config() -> ActorConfig {
    ActorConfig::new("osis_actor_0".to_owned(), PathBuf::from("/bin/osis_actor"), ScriptType::OSIS)
}

#[test]
fn all_violations_are_told_at_once() {
    let mut bad = config();
    bad.binary = PathBuf::from("osis_actor");
    bad.args = vec!["ok".to_owned(), "nul\0".to_owned()];
    bad.dependencies = vec![String::new(), "osis_actor_0".to_owned()];
    bad.sha256 = Some("abc".to_owned());
    let violations = bad.validate().unwrap_err();
    let fields: Vec<&str> = violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["binary_path", "args[1]", "dependencies[0]", "dependencies[1]", "binary_sha256"]);
}

#[test]
fn an_actor_serves_the_default_queue_of_its_script_type_or_a_named_one() {
    assert_eq!(config().queue().as_str(), "osis");
    let named = config().with_queue(QueueName::parse("osis-big").unwrap());
    assert_eq!((named.queue().as_str(), named.validate()), ("osis-big", Ok(())));
    assert_eq!(named.with_queue(ScriptType::OSIS.into()), config());
    let told = config().with_queue(ScriptType::SAL.into()).validate().unwrap_err().to_string();
    assert_eq!(told, "queue: is sal, which takes sal jobs, and the actor runs osis");
}

#[test]
fn a_definition_has_a_limit_in_all() {
    let mut large = config();
    large.args = vec!["x".repeat(60_000); 2];
    assert_eq!(large.validate(), Ok(()));
    large.env = BTreeMap::from([("CERTIFICATE".to_owned(), "c".repeat(20_000))]);
    let told = large.validate().unwrap_err().to_string();
    assert!(told.contains("more than 131072"), "{told}");
}

#[test]
fn names_of_variables_show_as_they_are() {
    for name in ["", "A=B", "A B", "a\nb", "\u{1b}[31m", "a\u{200b}", "HERO_LEASE"] {
        let mut bad = config();
        bad.env = BTreeMap::from([(name.to_owned(), "1".to_owned())]);
        assert!(bad.validate().is_err(), "{name:?}");
    }
    let mut good = config();
    good.env = BTreeMap::from([("A.b-1".to_owned(), "any\nthing".to_owned())]);
    assert_eq!(good.validate(), Ok(()));
}

#[test]
fn a_plain_config_is_fine() {
    assert_eq!(config().validate(), Ok(()));
}
