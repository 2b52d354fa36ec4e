use std::time::Duration;

use super::*;
use crate::domain::model::id::ActorId;
use crate::domain::model::script_type::ScriptType;

fn told(rules: Vec<FlowRule>) -> String {
    FlowRules::new(rules).unwrap_err().sentence(10_000)
}

fn rule(key: &str) -> FlowRule {
    FlowRule::new(Some(key.to_owned()))
}

#[test]
fn absurd_rules_are_told_with_field_limit_and_remedy() {
    let long = "k".repeat(257);
    let reason = FlowPause { reason: "r".repeat(257), until: None };
    let rate = |jobs, seconds, burst| {
        let rate = FlowRate::new(jobs, Duration::from_secs(seconds), burst);
        FlowRule { rate: Some(rate), ..rule("a") }
    };
    let wrong: [(FlowRule, &str, &str); 16] = [
        (rate(0, 1, None), "rate.jobs", "is 0: use 1 to 1000000"),
        (rate(u32::MAX, 86_400, None), "rate.jobs", "use 1 to 1000000"),
        (rate(10_001, 1, None), "rate.jobs", "use at most 10000"),
        (rate(1, 0, None), "rate.period", "use 1 second to 24 hours"),
        (rate(1, 86_401, None), "rate.period", "use 1 second to 24 hours"),
        (rate(1, u64::MAX, None), "rate.period", "use 1 second to 24 hours"),
        (rate(1, 1, Some(0)), "rate.burst", "use 1 to 1000000"),
        (rate(1, 1, Some(1_000_001)), "rate.burst", "use 1 to 1000000"),
        (FlowRule { weight: 0, ..rule("a") }, "weight", "use 1 to 1000"),
        (FlowRule { weight: 1001, ..rule("a") }, "weight", "use 1 to 1000"),
        (FlowRule { max_running: Some(0), ..rule("a") }, "max_running", "pause the key"),
        (FlowRule { max_queued: Some(u32::MAX), ..rule("a") }, "max_queued", "use 1 to 1000000"),
        (rule(&long), "key", "use at most 256"),
        (rule("a\nb"), "key", "control character"),
        (FlowRule { paused: Some(reason), ..rule("a") }, "paused.reason", "use at most 256"),
        (rule("twice"), "key", "a second rule for key \"twice\""),
    ];
    for (rule, field, remedy) in wrong {
        let told = told(vec![FlowRule::new(Some("twice".to_owned())), rule]);
        assert!(told.contains("flow_rules[1].") && told.contains(field) && told.contains(remedy), "{told}");
    }
    for allowed in [rate(1, 1, None), rate(10_000, 1, Some(1)), rate(1_000_000, 86_400, Some(1_000_000))] {
        assert!(FlowRules::new(vec![allowed]).unwrap().have_rates());
    }
    let two = told(vec![FlowRule::new(None), FlowRule::new(None)]);
    assert!(two.contains("a second rule for all other keys"), "{two}");
    let many = (0..=MAX_FLOW_RULES).map(|n| rule(&n.to_string())).collect();
    assert!(told(many).contains("101 rules, more than 100"));
}

#[test]
fn a_key_has_its_own_rule_or_that_of_all_others() {
    let rules = FlowRules::new(vec![
        FlowRule { weight: 4, ..rule("acme") },
        FlowRule { max_running: Some(2), ..FlowRule::new(None) },
    ]);
    let rules = rules.unwrap();
    let now = SystemTime::UNIX_EPOCH;
    assert_eq!((rules.weight_of("acme"), rules.weight_of("x")), (4, 1));
    assert_eq!(rules.gate_of("acme", 1000, now), None);
    assert_eq!(rules.gate_of("x", 1, now), None);
    assert_eq!(rules.gate_of("x", 2, now), Some(FlowGate::AtLimit(2)));
}

#[test]
fn a_pause_holds_until_its_end() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let pause = FlowPause { reason: "too much".to_owned(), until: Some(at(10)) };
    let for_ever = FlowPause::default();
    let rules = FlowRules::new(vec![
        FlowRule { paused: Some(pause.clone()), ..rule("a") },
        FlowRule { paused: Some(for_ever.clone()), ..rule("b") },
    ]);
    let rules = rules.unwrap();
    assert_eq!(rules.gate_of("a", 0, at(9)), Some(FlowGate::Paused(pause)));
    assert_eq!(rules.gate_of("a", 0, at(10)), None);
    assert_eq!(rules.gate_of("b", 0, at(u64::from(u32::MAX))), Some(FlowGate::Paused(for_ever)));
}

#[test]
fn the_key_of_a_job_is_its_own_or_its_caller() {
    let mut spec = JobSpec { caller_id: "ann".to_owned(), ..JobSpec::new(ScriptType::OSIS, "1") };
    assert_eq!(key_of(&spec), Some("ann"));
    spec.flow_key = Some("acme".to_owned());
    assert_eq!(key_of(&spec), Some("acme"));
    let ping = JobSpec { kind: JobKind::Ping, ..spec.clone() };
    assert_eq!(key_of(&ping), None);
    spec.target_actor = Some(ActorId::parse("osis_0").unwrap());
    assert_eq!(key_of(&spec), None);
}
