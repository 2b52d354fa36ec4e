//! The users that `doctor --print-acl` prints: they can do what their programs do, and nothing to others.

use std::collections::BTreeMap;
use std::sync::Arc;

use hero_supervisor::adapters::local::{LocalOptions, LocalRunner};
use hero_supervisor::adapters::redis::{AclUser, RedisAccess};
use hero_supervisor::adapters::system_clock::SystemClock;
use hero_supervisor::domain::model::actor::ActorConfig;
use hero_supervisor::domain::model::queue_name::{QueueName, TypedQueue};
use hero_supervisor::domain::model::script_type::ScriptType;
use hero_supervisor::proto as pb;
use hero_supervisor::{ActorLifecycleManagerBuilder, SupervisorBuilder};

use crate::support::full_service::{self, FullService, OSIS_ACTOR, create, osis, run, span};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, PROGRAM, run as command};

/// Programs of actors that need nothing else on this machine.
const PROGRAMS: [(ScriptType, &str, &str); 3] = [
    (ScriptType::OSIS, env!("CARGO_BIN_EXE_osis_actor"), "40 + 2"),
    (ScriptType::SAL, env!("CARGO_BIN_EXE_sal_actor"), "40 + 2"),
    (ScriptType::Python, env!("CARGO_BIN_EXE_python_actor"), "result = 40 + 2"),
];

/// Actors to start from, in plain Python.
pub(super) const EXAMPLES: [(ScriptType, &str, &str, &str); 2] = [
    (
        ScriptType::Python,
        "plain",
        concat!(env!("CARGO_MANIFEST_DIR"), "/examples/actors/plain_actor.py"),
        "40 + 2",
    ),
    (
        ScriptType::SAL,
        "shell",
        concat!(env!("CARGO_MANIFEST_DIR"), "/examples/actors/shell_actor.py"),
        "echo 42",
    ),
];

/// The variables of an actor.
pub(super) fn env_of(url: String, access: &RedisAccess) -> BTreeMap<String, String> {
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let all = [
        ("REDIS_URL", Some(url)),
        ("REDIS_USER", access.user.clone()),
        ("REDIS_PASSWORD_FILE", path(&access.password_file)),
        ("REDIS_TLS_CA", path(&access.tls_ca)),
        ("REDIS_TLS_CERT", path(&access.tls_cert)),
        ("REDIS_TLS_KEY", path(&access.tls_key)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// What makes an actor of a program, with these variables.
pub(super) fn definition(
    id: &str,
    script_type: ScriptType,
    program: &str,
    env: BTreeMap<String, String>,
) -> pb::CreateActorRequest {
    let config = pb::ActorConfig {
        script_type: number_of(script_type).into(),
        binary_path: program.to_owned(),
        args: ["--actor-id", id].map(str::to_owned).to_vec(),
        env,
        start_timeout: span(LIMIT),
        ..Default::default()
    };
    pb::CreateActorRequest {
        actor_id: id.to_owned(),
        config: Some(config),
        max_wait: span(LIMIT),
        ..Default::default()
    }
}

/// A job for one of several actors of its type.
pub(super) fn targeted(script_type: ScriptType, actor: &str, script: &str) -> pb::JobSpec {
    let (script_type, target_actor_id) = (number_of(script_type).into(), actor.to_owned());
    pb::JobSpec { script_type, target_actor_id, ..osis(script) }
}

/// The address of Redis with user and password of the actors of a script type.
fn url_for(redis: &PrivateRedis, script_type: ScriptType) -> String {
    let access = redis.actors(script_type);
    let password = std::fs::read_to_string(access.password_file.unwrap()).unwrap();
    format!("{}?user={}&pass={password}", redis.url(), access.user.unwrap()).replace(' ', "%20")
}

fn number_of(script_type: ScriptType) -> pb::ScriptType {
    match script_type {
        ScriptType::OSIS => pb::ScriptType::Osis,
        ScriptType::SAL => pb::ScriptType::Sal,
        ScriptType::V => pb::ScriptType::V,
        ScriptType::Python => pb::ScriptType::Python,
    }
}

#[tokio::test]
async fn a_service_and_its_actors_need_no_more_than_the_rights_that_are_printed() {
    let redis = PrivateRedis::start().await;
    let access = redis.supervisors();
    let (user, file) = (access.user.unwrap(), access.password_file.unwrap().display().to_string());
    let flags = ["--redis-user", &user, "--redis-password-file", &file];
    let mut stage = FullService::start_on(redis, &flags).await;
    let mut client = stage.client();
    for (script_type, program, script) in PROGRAMS {
        let env = env_of(stage.redis.url(), &stage.redis.actors(script_type));
        create(&mut client, definition(&format!("{script_type}_actor_0"), script_type, program, env)).await;
        let job = pb::JobSpec { script_type: number_of(script_type).into(), ..osis(script) };
        let job = run(&client, job).await;
        assert_eq!(job.state(), pb::job::State::Succeeded, "{job:?}");
    }
    for (script_type, id, program, script) in EXAMPLES {
        let env = env_of(stage.redis.url(), &stage.redis.actors(script_type));
        create(&mut client, definition(id, script_type, program, env)).await;
        assert_eq!(run(&client, targeted(script_type, id, script)).await.result(), "42", "{id}");
    }
    // Calls that reach what no job reaches: lists, events, queues, health with a ping, scaling, restart and removal.
    for line in [
        "job ls",
        "events",
        "queue ls",
        "queue pause osis",
        "queue resume osis",
        "queue purge osis",
        "script-type ls",
        "health check --scope all",
        "actor restart osis_actor_0",
        "actor stop sal_actor_0",
        "actor delete sal_actor_0",
    ] {
        let ran = stage.service.run(line.split(' '));
        assert_eq!(ran.code, 0, "{line}: {ran:?}");
    }
    stage.replace().await;
    assert_eq!(stage.redis.refused_to_users(), Vec::<String>::new());
}

#[tokio::test]
async fn a_program_of_the_library_and_its_actors_log_in_as_the_service_does() {
    let redis = PrivateRedis::start().await;
    redis.load_functions().await;
    let access = redis.supervisors();
    let supervisor = SupervisorBuilder::new()
        .redis_url(redis.url())
        .actor_redis_url(url_for(&redis, ScriptType::OSIS))
        .redis_user(access.user.unwrap())
        .redis_password_file(access.password_file.unwrap())
        .build()
        .unwrap();
    let mut options = LocalOptions::new(Arc::new(SystemClock));
    options.shim = Some(vec![PROGRAM.into(), "exec-shim".into(), "--pdeathsig".into()]);
    let processes = Arc::new(LocalRunner::new(options));
    let config = ActorConfig::new("a".to_owned(), OSIS_ACTOR.into(), ScriptType::OSIS);
    let manager = ActorLifecycleManagerBuilder::with_process_manager(processes)
        .with_supervisor(supervisor.clone())
        .add_actor(config)
        .build();
    manager.start_all_actors().await.unwrap();
    let job = supervisor.new_job().script_type(ScriptType::OSIS).script_content("40 + 2".to_owned()).build();
    let job = job.unwrap();
    let result = tokio::time::timeout(LIMIT, supervisor.run_job_and_await_result(&job)).await.unwrap();
    assert_eq!(result.unwrap(), "42");
    manager.stop_all_actors().await.unwrap();
    assert_eq!(redis.refused_to_users(), Vec::<String>::new());
}

#[tokio::test]
async fn an_actor_of_one_type_can_do_nothing_to_others() {
    let redis = PrivateRedis::start().await;
    redis.load_functions().await;
    for script_type in ScriptType::ALL {
        let client = redis::Client::open(url_for(&redis, script_type)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut may_not = vec![
            "SET hero:epoch other".to_owned(),
            "HGETALL hero:actors".to_owned(),
            "HSET hero:templates osis {}".to_owned(),
            "XADD hero:{events}:log * e {}".to_owned(),
            "FUNCTION DELETE hero_v1".to_owned(),
            "FUNCTION FLUSH".to_owned(),
            "KEYS *".to_owned(),
            "CONFIG GET *".to_owned(),
            "CLIENT LIST".to_owned(),
            "ACL LIST".to_owned(),
            "FLUSHALL".to_owned(),
        ];
        for other in ScriptType::ALL.into_iter().filter(|other| *other != script_type) {
            may_not.extend([
                format!("HGET hero:job:{{{other}}}:j script"),
                format!("HSET hero:job:{{{other}}}:j script x"),
                format!("XADD hero:{{{other}}}:q * id j"),
                format!("XRANGE hero:{{{other}}}:log:j - +"),
                format!("XREADGROUP GROUP g c STREAMS hero:{{{other}}}:q >"),
                format!("FCALL hero_cancel 1 hero:{{{other}}}:q j reason"),
                format!("FCALL hero_announce 1 hero:{{{other}}}:q a a.1.x 1 0"),
                format!("PUBLISH hero:{{{other}}}:news j"),
                format!("GET hero:req:{{{other}}}:r"),
            ]);
        }
        if script_type != ScriptType::OSIS {
            may_not.push("HGET hero:obj:{obj:c}:note n".to_owned());
        }
        for line in may_not {
            let mut words = line.split(' ');
            let mut command = redis::cmd(words.next().unwrap());
            command.arg(words.collect::<Vec<_>>());
            let refused = command.query_async::<redis::Value>(&mut connection).await.unwrap_err();
            assert_eq!(refused.code(), Some("NOPERM"), "{script_type}: {line}: {refused:?}");
        }
    }
}

#[test]
fn the_rights_are_printed_ready_for_redis() {
    let ran = command(["doctor", "--print-acl"]);
    let supervisors = AclUser::of_supervisors().words(None).join(" ");
    assert_eq!((ran.code, ran.stdout), (0, format!("user {supervisors}\n")), "{}", ran.stderr);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    crate::access::pki::write(&file, "s3cret\n");
    let file = file.to_str().unwrap();
    let line = ["doctor", "--print-acl", "--script-type", "sal", "--acl-password-file", file];
    let ran = command(line);
    // sha256 of "s3cret".
    let digest = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";
    let sal = AclUser::of_actors(ScriptType::SAL).words(Some(digest)).join(" ");
    assert_eq!((ran.code, ran.stdout), (0, format!("user {sal}\n")), "{}", ran.stderr);
    let ran = command(["doctor", "--print-acl", "--script-type", "sal", "--queue", "sal-2"]);
    let name = QueueName::parse("sal-2").unwrap();
    let at_queue =
        AclUser::of_actors(TypedQueue { name, script_type: ScriptType::SAL }).words(None).join(" ");
    assert_eq!((ran.code, ran.stdout), (0, format!("user {at_queue}\n")), "{}", ran.stderr);
    assert!(at_queue.starts_with("hero-actor-sal-2 ") && !at_queue.contains("{sal}"), "{at_queue}");
    let refused = command(["doctor", "--print-acl", "--script-type", "sal", "--queue", "osis"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    let refused = command(["doctor", "--script-type", "sal"]);
    assert_eq!(refused.code, 2, "{refused:?}");
}

/// The page for actors in other languages has the same list.
#[test]
fn the_page_for_actors_lists_the_rights_that_are_printed() {
    let page = include_str!("../../../docs/actor-protocol.md");
    let (_before, block) = page.split_once("```acl\n").expect("a block of rights");
    let block = block.split("```").next().unwrap().replace("{T}", "{sal}");
    let shown: Vec<&str> = block.split_whitespace().collect();
    let words = AclUser::of_actors(ScriptType::SAL).words(None);
    assert_eq!(shown, words.iter().map(String::as_str).skip(3).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_actor_whose_functions_are_not_loaded_says_what_is_missing() {
    let redis = PrivateRedis::start().await;
    let env = env_of(redis.url(), &redis.actors(ScriptType::OSIS));
    let mut check = std::process::Command::new(full_service::OSIS_ACTOR);
    let said = check.arg("--health-check").envs(env).output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("function") && said.contains("supervisor"), "{said}");
}
