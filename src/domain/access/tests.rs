//! The decision, row by row and as a whole.

use proptest::prelude::*;

use super::*;
use crate::domain::model::script_type::ScriptType;

fn with(roles: &[Role], scopes: Scopes) -> Identity {
    let roles: Roles = roles.iter().copied().collect();
    Identity { scopes, ..Identity::new(IdentityKind::Token, "k3v9", roles) }
}

fn patterns(raw: &[&str]) -> Option<Vec<Pattern>> {
    Some(raw.iter().map(|raw| Pattern::parse(raw).unwrap()).collect())
}

fn billing() -> Identity {
    let scopes = Scopes {
        callers: patterns(&["billing", "billing-*"]),
        script_types: patterns(&["python"]),
        ..Scopes::default()
    };
    with(&[Role::Submitter], scopes)
}

fn job(caller: &str) -> JobTarget<'_> {
    JobTarget { caller, context: "", script_type: ScriptType::Python, actor: None }
}

#[test]
fn a_call_that_is_not_in_the_table_is_denied_to_everybody() {
    for identity in [Identity::local(), with(&Role::ALL, Scopes::everything()), Identity::anonymous(vec![])] {
        for rpc in ["", "Nonsense", "getjob", "GetJob ", "grpc.health.v1.Health/"] {
            assert_eq!(decide(&identity, rpc, Target::Call), Err(Denied::NoSuchCall), "{rpc}");
        }
    }
}

#[test]
fn a_call_without_credentials_reaches_health_and_what_the_configuration_opens() {
    let anonymous = Identity::anonymous(vec!["GetServerInfo"]);
    for rule in &RULES {
        let open = matches!(
            rule.rpc,
            "GetServerInfo" | "grpc.health.v1.Health/Check" | "grpc.health.v1.Health/Watch"
        );
        let decided = decide(&anonymous, rule.rpc, Target::Call);
        assert_eq!(decided.is_ok(), open, "{}", rule.rpc);
        assert_eq!(decided.err(), (!open).then_some(Denied::NoCredentials), "{}", rule.rpc);
    }
    assert_eq!(decide(&anonymous, "GetServerInfo", Target::Whole), Err(Denied::NoCredentials));
    assert_eq!(
        decide(&Identity::anonymous(vec![]), "GetServerInfo", Target::Call),
        Err(Denied::NoCredentials)
    );
    // The configuration cannot open what the table keeps shut.
    let tricked = Identity::anonymous(vec!["StopActor"]);
    assert_eq!(decide(&tricked, "StopActor", Target::Call), Err(Denied::NoCredentials));
}

#[test]
fn a_submitter_has_its_own_callers_and_other_jobs_do_not_exist() {
    let identity = billing();
    for caller in ["billing", "billing-eu"] {
        assert!(decide(&identity, "SubmitJob", Target::NewJob(job(caller))).is_ok(), "{caller}");
        assert!(decide(&identity, "GetJob", Target::Job(job(caller))).is_ok_and(|allowed| allowed.payloads));
    }
    assert_eq!(decide(&identity, "GetJob", Target::Job(job("payroll"))), Err(Denied::Hidden));
    let allowed = vec!["billing".to_owned(), "billing-*".to_owned()];
    let denied = Denied::Scope { field: "caller_id", allowed };
    assert_eq!(decide(&identity, "RunJob", Target::NewJob(job("payroll"))), Err(denied));
    let sal = JobTarget { script_type: ScriptType::SAL, ..job("billing") };
    let denied = Denied::Scope { field: "script_type", allowed: vec!["python".to_owned()] };
    assert_eq!(decide(&identity, "RunJob", Target::NewJob(sal)), Err(denied));
}

#[test]
fn a_scope_that_is_not_written_is_empty_for_a_submitter() {
    let identity = billing();
    let context = JobTarget { context: "prod", ..job("billing") };
    let target = JobTarget { actor: Some("python_actor_0"), ..job("billing") };
    for (field, job) in [("context_id", context), ("target_actor_id", target)] {
        let denied = Denied::Scope { field, allowed: vec![] };
        assert_eq!(decide(&identity, "SubmitJob", Target::NewJob(job)), Err(denied));
        let operator = with(&[Role::Operator], Scopes::default());
        assert!(decide(&operator, "SubmitJob", Target::NewJob(job)).is_ok());
    }
    // The one actor of a job limits what is submitted, not what is seen.
    assert!(decide(&identity, "GetJob", Target::Job(target)).is_ok());
    assert_eq!(decide(&identity, "GetJob", Target::Job(context)), Err(Denied::Hidden));
}

#[test]
fn a_viewer_sees_no_payloads_unless_it_may() {
    let blind = with(&[Role::Viewer], Scopes::default());
    let seeing = with(&[Role::Viewer], Scopes { see_payloads: true, ..Scopes::default() });
    let read = |identity: &Identity| decide(identity, "GetJob", Target::Job(job("anybody"))).unwrap();
    assert!(!read(&blind).payloads && read(&seeing).payloads);
    assert_eq!(decide(&blind, "StreamActorLogs", Target::Call), Err(Denied::Payloads));
    assert!(decide(&seeing, "StreamActorLogs", Target::Call).is_ok());
}

#[test]
fn the_part_of_a_call_that_needs_more_is_denied_with_the_roles_that_have_it() {
    let table = [
        (Role::Viewer, "CheckHealth", vec![Role::Operator, Role::Admin]),
        (Role::Operator, "UpdateScriptType", vec![Role::Admin]),
        (Role::Submitter, "GetScriptType", vec![Role::Viewer, Role::Operator, Role::Admin]),
    ];
    for (role, rpc, needed) in table {
        let identity = with(&[role], Scopes::everything());
        assert!(decide(&identity, rpc, Target::Call).is_ok_and(|allowed| !allowed.whole), "{rpc}");
        assert_eq!(decide(&identity, rpc, Target::Whole), Err(Denied::Role { needed }), "{rpc}");
    }
}

#[test]
fn roles_add_up() {
    let both = Identity { roles: [Role::Viewer, Role::Submitter].into_iter().collect(), ..billing() };
    assert!(decide(&both, "ListActors", Target::Call).is_ok());
    assert!(decide(&both, "SubmitJob", Target::NewJob(job("billing"))).is_ok());
    // Scopes bind all of them.
    assert_eq!(decide(&both, "GetJob", Target::Job(job("payroll"))), Err(Denied::Hidden));
}

fn pattern() -> impl Strategy<Value = Pattern> {
    "[ab]{0,2}\\*?".prop_filter_map("empty", |raw| Pattern::parse(&raw).ok())
}

fn scope() -> impl Strategy<Value = Option<Vec<Pattern>>> {
    proptest::option::of(proptest::collection::vec(pattern(), 0..3))
}

prop_compose! {
    fn scopes()(callers in scope(), contexts in scope(), types in scope(), actors in scope(), see_payloads: bool) -> Scopes {
        Scopes { callers, contexts, script_types: types, target_actors: actors, see_payloads }
    }
}

fn roles() -> impl Strategy<Value = Vec<Role>> {
    proptest::sample::subsequence(Role::ALL.to_vec(), 0..=4)
}

prop_compose! {
    fn target()(kind in 0..4_u8, caller in "[ab]{0,3}", context in "[ab]{0,3}", of in 0..4_usize, actor in "[ab]{0,3}")
        -> (u8, String, String, ScriptType, Option<String>) {
        (kind, caller, context, ScriptType::ALL[of], (!actor.is_empty()).then_some(actor))
    }
}

fn target_of(parts: &(u8, String, String, ScriptType, Option<String>)) -> Target<'_> {
    let (kind, caller, context, script_type, actor) = parts;
    let job = JobTarget { caller, context, script_type: *script_type, actor: actor.as_deref() };
    match kind {
        0 => Target::Call,
        1 => Target::Whole,
        2 => Target::Job(job),
        _new => Target::NewJob(job),
    }
}

/// True if the first allows nothing that the second does not.
fn is_within(first: &Result<Allowed, Denied>, second: &Result<Allowed, Denied>) -> bool {
    match (first, second) {
        (Err(_), _) => true,
        (Ok(_), Err(_)) => false,
        (Ok(a), Ok(b)) => (!a.payloads || b.payloads) && (!a.whole || b.whole) && (a.own_only || !b.own_only),
    }
}

proptest! {
    #[test]
    fn a_scope_never_widens_what_a_role_allows(roles in roles(), scopes in scopes(), parts in target(), row in 0..RULES.len()) {
        let (rpc, target) = (RULES[row].rpc, target_of(&parts));
        let scoped = decide(&with(&roles, scopes), rpc, target);
        let free = decide(&with(&roles, Scopes::everything()), rpc, target);
        prop_assert!(is_within(&scoped, &free), "{rpc} {target:?}: {scoped:?} {free:?}");
    }

    #[test]
    fn one_more_pattern_only_adds_and_one_more_role_only_adds(
        roles in roles(), more in roles(), scopes in scopes(), extra in pattern(), parts in target(), row in 0..RULES.len(),
    ) {
        let (rpc, target) = (RULES[row].rpc, target_of(&parts));
        let before = decide(&with(&roles, scopes.clone()), rpc, target);
        let all: Vec<Role> = roles.iter().chain(&more).copied().collect();
        let with_role = decide(&with(&all, scopes.clone()), rpc, target);
        prop_assert!(is_within(&before, &with_role), "{rpc} {target:?}: {before:?} {with_role:?}");
        let mut wider = scopes;
        if let Some(callers) = &mut wider.callers {
            callers.push(extra);
        }
        let after = decide(&with(&roles, wider), rpc, target);
        prop_assert!(is_within(&before, &after), "{rpc} {target:?}: {before:?} {after:?}");
    }

    #[test]
    fn nobody_without_a_role_gets_beyond_what_is_open(scopes in scopes(), parts in target(), row in 0..RULES.len()) {
        let rule = &RULES[row];
        let decided = decide(&with(&[], scopes), rule.rpc, target_of(&parts));
        let open = rule.anonymous == Anonymous::Always && target_of(&parts) == Target::Call;
        prop_assert_eq!(decided.is_ok(), open, "{}", rule.rpc);
    }
}
