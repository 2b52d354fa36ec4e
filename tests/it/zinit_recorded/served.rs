//! The whole service on recorded answers. Its actors are no processes, so they count as running by that alone.

use hero_supervisor::proto as pb;
use pb::actor::State;
use serde_json::json;
use tonic::Code;

use super::server::{Dialect, Played};
use crate::support::full_service::{Client, actor, client, create, definition, told, until_actor};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;

struct Served {
    zinit: Played,
    redis: PrivateRedis,
    service: Service,
}

impl Served {
    async fn start(dialect: Dialect) -> Self {
        let (zinit, redis) = (Played::speaking(dialect), PrivateRedis::start().await);
        let (url, socket) = (redis.url(), zinit.socket().display().to_string());
        let service = Service::serve(&["--redis-url", &url, "--zinit-socket", &socket]).await;
        Self { zinit, redis, service }
    }

    fn client(&self) -> Client {
        client(&self.service)
    }

    fn definition(&self, id: &str) -> pb::CreateActorRequest {
        let mut definition = definition(id, &self.redis);
        definition.config.as_mut().unwrap().readiness = pb::actor_config::Readiness::Process.into();
        definition
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_versions_run_actors_and_refuse_names_of_others() {
    for dialect in [Dialect::V0_2_28, Dialect::V0_2_27, Dialect::V0_2_25] {
        let served = Served::start(dialect).await;
        let mut client = served.client();
        create(&mut client, served.definition("osis_actor_0")).await;
        let file = served.zinit.file("osis_actor_0").unwrap();
        assert!(file["env"]["HERO_REALM"].is_string(), "{file}");
        let theirs = json!({"exec": "sleep 1000"});
        served.zinit.put("mydb", theirs.clone(), true);
        let refused = client.create_actor(served.definition("mydb")).await.unwrap_err();
        assert_eq!(told(&refused).why(), (Code::FailedPrecondition, "ACTOR_START_FAILED"), "{refused:?}");
        assert!(refused.message().contains("belongs to somebody else"), "{refused:?}");
        let shown = until_actor(&client, "mydb", "failed", |actor| actor.state() == State::Failed).await;
        assert_eq!(shown.pid, None);
        for id in ["mydb", "osis_actor_0"] {
            let delete =
                pb::DeleteActorRequest { actor_id: id.to_owned(), force: true, ..Default::default() };
            client.delete_actor(delete).await.unwrap();
        }
        assert_eq!((served.zinit.file("mydb"), served.zinit.file("osis_actor_0")), (Some(theirs), None));
        assert!(served.zinit.is_monitored("mydb"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_service_without_a_record_is_removed_as_an_orphan() {
    let served = Served::start(Dialect::V0_2_28).await;
    create(&mut served.client(), served.definition("osis_actor_1")).await;
    let mut redis = served.redis.connection().await;
    let mut remove = redis::cmd("HDEL");
    remove.arg("hero:actors").arg("osis_actor_1");
    assert_eq!(remove.query_async::<i64>(&mut redis).await.unwrap(), 1);
    let removed = || async { (!served.zinit.is_monitored("osis_actor_1")).then_some(()) };
    eventually("the orphan is removed", LIMIT, removed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_lists_that_fail_make_no_actor_unknown() {
    let served = Served::start(Dialect::V0_2_28).await;
    let mut client = served.client();
    create(&mut client, served.definition("osis_actor_0")).await;
    for _round in 0..20 {
        served.zinit.fail_lists(2);
        assert_eq!(actor(&client, "osis_actor_0").await.state(), State::Running);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(!served.service.stderr().contains("cannot be observed"));
    served.zinit.fail_lists(2);
    create(&mut client, served.definition("osis_actor_1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_number_of_services_is_warned_of_without_a_start() {
    let served = Served::start(Dialect::V0_2_28).await;
    for number in 0..251 {
        served.zinit.put(&format!("s{number}"), json!({"exec": "sleep 1000"}), true);
    }
    let warned = || async { served.service.stderr().contains("zinit: 25").then_some(()) };
    eventually("it is warned", LIMIT, warned).await;
}

/// The played server writes no files, as one whose folder is not the one that is seen here.
#[tokio::test(flavor = "multi_thread")]
async fn recorded_files_that_cannot_be_made_private_are_warned_of_when_there_may_be_secrets() {
    let served = Served::start(Dialect::V0_2_28).await;
    let mut client = served.client();
    let not_seen = "are not to be seen from here";
    create(&mut client, served.definition("plain_actor")).await;
    assert!(!served.service.stderr().contains(not_seen));
    let mut definition = served.definition("secret_actor");
    let config = definition.config.as_mut().unwrap();
    config.env = [("PASSWORD".to_owned(), "hush".to_owned())].into();
    create(&mut client, definition).await;
    let log = served.service.stderr();
    assert!(log.contains(not_seen) && !log.contains("hush"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_lines_without_a_time_are_told_of_to_who_asks_for_the_last_ones() {
    let served = Served::start(Dialect::V0_2_28).await;
    create(&mut served.client(), served.definition("osis_actor_0")).await;
    served.zinit.write("osis_actor_0", "+", "a line");
    let ran = served.service.run(["actor", "logs", "osis_actor_0", "--since", "1m"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a line\n"), "{ran:?}");
    assert!(ran.stderr.contains("records no times"), "{ran:?}");
}
