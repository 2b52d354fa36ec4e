//! One run: everything at once for a while, then a quiet end, then the judgement.

use std::collections::BTreeMap;
use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::actor::State as ActorState;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::callers::{Caller, Part, told};
use crate::checker::check;
use crate::followers::{Subscription, begin, follow};
use crate::history::{History, Told};
use crate::stage::{ACTORS, Stage};
use crate::support::full_service::{READY, until_serves};
use crate::support::service::LIMIT;
use crate::{faults, report, truth};

const CALLERS: usize = 6;
/// Jobs that were begun when faults end come to their ends within this time.
const SETTLE: Duration = Duration::from_secs(60);

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "a failed run is read by people, who need the seed")]
async fn every_promise_is_kept_under_faults() {
    let seed = setting("HERO_CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let span = Duration::from_secs(setting("HERO_CHAOS_SECONDS").unwrap_or(40));
    println!("HERO_CHAOS_SEED={seed} HERO_CHAOS_SECONDS={}", span.as_secs());
    let history = run(seed, span).await;
    println!("{}", report::summary(&history));
    let violations = check(&history);
    assert!(violations.is_empty(), "HERO_CHAOS_SEED={seed}\n{}", report::of(&history, &violations));
}

async fn run(seed: u64, span: Duration) -> History {
    // Each part has a stream of numbers of its own, so that none depends on how quick another one is.
    let mut seeds = fastrand::Rng::with_seed(seed);
    let mut stage = Stage::start().await;
    let (over, (goal, _goal)) = (watch::Sender::new(false), watch::channel(None));
    let mut marks = JoinSet::new();
    marks.spawn(truth::marks(stage.marks(), over.subscribe()));
    let mut log = JoinSet::new();
    log.spawn(truth::log(stage.redis.url(), over.subscribe()));
    let mut stand_stills = JoinSet::new();
    stand_stills.spawn(truth::stand_stills(over.subscribe()));
    let mut followers = JoinSet::new();
    for script_types in
        [vec![], vec![pb::ScriptType::Python], vec![pb::ScriptType::Sal, pb::ScriptType::Osis]]
    {
        let clients = stage.clients();
        let request = begin(&clients[0], &script_types).await;
        let subscription = Subscription { clients, request, goal: goal.subscribe() };
        followers.spawn(follow(subscription, seeds.fork()));
    }
    let until = Instant::now() + span;
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let caller = Caller {
            number,
            clients: stage.clients(),
            rng: seeds.fork(),
            marks: stage.marks(),
            until,
            give_up: until + SETTLE,
            part: Part::default(),
        };
        callers.spawn(caller.work());
    }

    let faults = faults::inflict(&mut stage, seeds.fork(), until).await;
    let mut history = History { faults, ..History::default() };
    for part in callers.join_all().await {
        history.jobs.extend(part.jobs);
        history.calls.extend(part.calls);
    }
    history.idle = idle(&stage).await;
    goal.send_replace(Some(truth::newest(&stage.redis.url()).await));
    history.followers = followers.join_all().await;
    history.ends = ends(&stage, &history).await;
    over.send_replace(true);
    history.marks = marks.join_all().await.concat();
    history.log = log.join_all().await.into_iter().flatten().collect();
    history.faults.extend(stand_stills.join_all().await.concat());
    history
}

/// What does not run a while after the last fault.
async fn idle(stage: &Stage) -> Vec<String> {
    let runs = async |id: &str| {
        let request = pb::GetActorRequest { actor_id: id.to_owned(), ..Default::default() };
        let answer = stage.clients()[0].get_actor(request).await;
        answer.is_ok_and(|answer| answer.into_inner().actor.unwrap().state() == ActorState::Running)
    };
    let mut idle = Vec::new();
    for (number, supervisor) in stage.supervisors.iter().enumerate() {
        if timeout(LIMIT / 2, until_serves(supervisor, &[(READY, true)])).await.is_err() {
            idle.push(format!("supervisor {number}"));
        }
    }
    for (id, ..) in ACTORS {
        let until_it_runs = async {
            while !runs(id).await {
                sleep(Duration::from_millis(200)).await;
            }
        };
        if timeout(LIMIT / 2, until_it_runs).await.is_err() {
            idle.push(id.to_owned());
        }
    }
    idle
}

/// All jobs that somebody was told of, as they are now.
async fn ends(stage: &Stage, history: &History) -> BTreeMap<String, Told> {
    let mut ends = BTreeMap::new();
    let clients = stage.clients();
    for id in report::known_ids(history) {
        let request = pb::GetJobRequest { job_id: id.clone(), view: 0 };
        if let Ok(answer) = clients[0].clone().get_job(request).await {
            ends.insert(id, told(&answer.into_inner().job.unwrap()));
        }
    }
    ends
}
