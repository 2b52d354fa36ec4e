//! Two supervisors of two machines on one Redis: any of them takes, awaits, shows and cancels any job.

use hero_supervisor::proto as pb;
use pb::actor::State;
use pb::job::State as JobState;
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::full_service::{
    Client, FullService, actor, actors, client, end_of, job, osis, run, serve, span, submit, told,
    until_actor, until_running,
};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::zinit::PrivateZinit;

/// Two machines. The actors are at the first one.
struct Pair {
    here: FullService,
    there: Service,
    _their_zinit: PrivateZinit,
}

impl Pair {
    async fn start() -> Self {
        let here = FullService::start_on(PrivateRedis::start().await, &["--node", "here"]).await;
        let their_zinit = PrivateZinit::start().await;
        let there = serve(&here.redis, &their_zinit, &["--node", "there"]).await;
        Self { here, there, _their_zinit: their_zinit }
    }

    fn clients(&self) -> (Client, Client) {
        (self.here.client(), client(&self.there))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_one_is_everybodys() {
    let pair = Pair::start().await;
    let (here, there) = pair.clients();
    pair.here.running_actor("osis_actor_0").await;

    let id = submit(&here, osis("sleep(1); 7")).await;
    let awaited = end_of(&there, &id).await;
    assert_eq!((awaited.state(), awaited.result()), (JobState::Succeeded, "7"));
    assert_eq!(job(&there, &id).await, job(&here, &id).await);
    let listed = there.clone().list_jobs(pb::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    assert_eq!(listed, [awaited]);

    let id = submit(&here, osis("sleep(3000)")).await;
    until_running(&there, &id).await;
    let request = pb::CancelJobRequest { job_id: id.clone(), reason: "from afar".to_owned() };
    let cancelled = there.clone().cancel_job(request).await.unwrap().into_inner();
    assert!(cancelled.changed);
    let ended = end_of(&here, &id).await;
    assert_eq!((ended.state(), ended.cancel_reason.as_str()), (JobState::Cancelled, "from afar"));

    // The one without actors is as good an address for callers as the other.
    for client in [&here, &there] {
        let ran = run(client, osis("40 + 2")).await;
        assert_eq!((ran.result(), ran.actor_id.as_str()), ("42", "osis_actor_0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_is_shown_by_all_and_left_alone_by_another_machine_that_is_told_to() {
    let pair = Pair::start().await;
    let (here, mut there) = pair.clients();
    let made = pair.here.running_actor("osis_actor_0").await;
    let seen = until_actor(&there, "osis_actor_0", "is seen", |actor| actor.state() == State::Running).await;
    assert_eq!((seen.node.as_str(), seen.pid), ("here", made.pid));
    assert_eq!(actors(&there).await.len(), 1);

    let actor_id = "osis_actor_0".to_owned();
    let stop = pb::StopActorRequest { actor_id, local_only: true, ..Default::default() };
    let refused = told(&there.stop_actor(stop).await.unwrap_err());
    assert_eq!(refused.why(), (Code::FailedPrecondition, "WRONG_NODE"));
    assert_eq!((&*refused.metadata["actor_id"], &*refused.metadata["node"]), ("osis_actor_0", "here"));
    let taken = told(&there.create_actor(pair.here.definition("osis_actor_0")).await.unwrap_err());
    assert_eq!(taken.why(), (Code::FailedPrecondition, "WRONG_NODE"), "a name means one actor");
    let all = Some(pb::ActorSelector { all: true, ..Default::default() });
    let request = pb::StopActorsRequest { selector: all, ..Default::default() };
    let none = there.stop_actors(request).await.unwrap().into_inner().results;
    assert_eq!(none, [], "all means all of one's own");
    assert_eq!(actor(&here, "osis_actor_0").await.pid, made.pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_id_sent_to_both_at_once_is_one_job() {
    let pair = Pair::start().await;
    let (here, there) = pair.clients();
    pair.here.running_actor("osis_actor_0").await;
    for round in 0..20 {
        let mut both = JoinSet::new();
        for client in [&here, &there] {
            let mut client = client.clone();
            let request = pb::RunJobRequest {
                job: Some(osis("40 + 2")),
                request_id: format!("request-{round}"),
                max_wait: span(LIMIT),
                ..Default::default()
            };
            both.spawn(async move { client.run_job(request).await.unwrap().into_inner() });
        }
        let answers = both.join_all().await;
        assert_eq!(answers[0].job, answers[1].job);
        assert_eq!(answers.iter().filter(|answer| answer.deduplicated).count(), 1, "{answers:?}");
        assert_eq!(answers[0].job.as_ref().unwrap().attempt, 1);
    }
    let jobs = here.clone().list_jobs(pb::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    assert_eq!(jobs.len(), 20);
}
