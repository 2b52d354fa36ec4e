//! What the supervisor gives its actors, so that no definition has to repeat the configuration.

use std::collections::BTreeMap;

use hero_supervisor::proto as pb;

use crate::support::full_service::{FullService, create, definition, osis};
use crate::support::redis::PrivateRedis;

/// The environment that a process was started with.
fn environment(pid: u32) -> BTreeMap<String, String> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn pid_of(whole: &FullService, id: &str) -> u32 {
    let request = pb::GetActorRequest { actor_id: id.to_owned(), ..Default::default() };
    let actor = whole.client().get_actor(request).await.unwrap().into_inner().actor.unwrap();
    u32::try_from(actor.pid.unwrap()).unwrap()
}

#[tokio::test]
async fn an_actor_needs_no_more_than_a_name_and_a_type() {
    let redis = PrivateRedis::start().await;
    let as_actors_see_it = format!("{}?db=0", redis.url());
    let flags = ["--actor-redis-url", as_actors_see_it.as_str(), "--otlp-endpoint", "http://127.0.0.1:9"];
    let whole = FullService::start_on(redis, &flags).await;
    let made = whole.service.run(["actor", "create", "plain", "--type", "osis"]);
    assert_eq!(made.code, 0, "{made:?}");
    let ran =
        whole.client().run_job(pb::RunJobRequest { job: Some(osis("40 + 2")), ..Default::default() }).await;
    assert_eq!(ran.unwrap().into_inner().job.unwrap().result.as_deref(), Some("42"));
    let env = environment(pid_of(&whole, "plain").await);
    assert_eq!(env["REDIS_URL"], as_actors_see_it);
    assert_eq!(env["OTEL_EXPORTER_OTLP_ENDPOINT"], "http://127.0.0.1:9");
    assert_eq!(env["HERO_ACTOR_ID"], "plain");

    // A definition says otherwise: by an argument, or by the variable.
    let mut own = definition("own", &whole.redis);
    let config = own.config.as_mut().unwrap();
    config.args.clear();
    config.env.insert("REDIS_URL".to_owned(), whole.redis.url());
    create(&mut whole.client(), own).await;
    assert_eq!(environment(pid_of(&whole, "own").await)["REDIS_URL"], whole.redis.url());
}

#[tokio::test]
async fn a_password_of_redis_is_in_no_definition_and_no_argument() {
    let redis = PrivateRedis::start().await;
    let mut connection = redis.connection().await;
    let user = ["SETUSER", "worker", "on", ">s3cret-of-actors", "~*", "&*", "+@all"];
    let () = redis::cmd("ACL").arg(&user[..]).query_async(&mut connection).await.unwrap();
    let url = format!("{}?user=worker&pass=s3cret-of-actors", redis.url());
    let whole = FullService::start_on(redis, &["--actor-redis-url", &url]).await;
    assert_eq!(whole.service.run(["actor", "create", "plain", "--type", "osis"]).code, 0);
    let pid = pid_of(&whole, "plain").await;
    let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let shown = whole.service.run(["actor", "get", "plain", "-o", "json"]);
    let events = whole.service.run(["events", "-o", "json"]);
    for text in [arguments, shown.stdout, events.stdout, whole.service.stderr()] {
        assert!(!text.contains("s3cret-of-actors"), "{text}");
    }
    let list: Vec<String> = redis::cmd("CLIENT")
        .arg("LIST")
        .query_async::<String>(&mut connection)
        .await
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(list.iter().any(|client| client.contains("user=worker")), "{list:?}");
}
