//! The primary is lost in every way under load: no accepted job is lost, none runs twice, and nobody waits without end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::job::State as JobState;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::full_service::{
    self, ALLOWANCE, Client, JOBS, READY, client, create, end_of, span, told, until_serves,
};
use crate::support::sentinels::Sentinels;
use crate::support::service::{LIMIT, Service};
use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

/// Longest time without a completed job.
const OUTAGE: Duration = Duration::from_secs(10);
/// Callers that run one job after another.
const CALLERS: usize = 4;
/// Jobs before, between and after what happens.
const SOME: usize = 100;

/// The whole service on Sentinels, with two actors that are told by the supervisor where Redis is.
pub(super) struct Stage {
    pub(super) sentinels: Sentinels,
    service: Service,
    zinit: PrivateZinit,
}

impl Stage {
    pub(super) async fn start(flags: &[&str]) -> Self {
        let sentinels = Sentinels::start().await;
        let zinit = PrivateZinit::start().await;
        let (url, socket) = (sentinels.url(), zinit.socket().display().to_string());
        let args = ["--redis-url", &url, "--zinit-socket", &socket];
        let service = Service::serve(&[&args[..], flags].concat()).await;
        let stage = Self { sentinels, service, zinit };
        std::fs::write(stage.file(), "").unwrap();
        for id in ["sal_actor_0", "sal_actor_1"] {
            let config = pb::ActorConfig {
                script_type: pb::ScriptType::Sal.into(),
                binary_path: env!("CARGO_BIN_EXE_sal_actor").to_owned(),
                args: ["--concurrency", "2", "--actor-id", id].map(str::to_owned).to_vec(),
                start_timeout: span(LIMIT),
                ..Default::default()
            };
            let request = pb::CreateActorRequest {
                actor_id: id.to_owned(),
                config: Some(config),
                max_wait: span(LIMIT),
                ..Default::default()
            };
            create(&mut stage.client(), request).await;
        }
        stage
    }

    pub(super) fn client(&self) -> Client {
        client(&self.service)
    }

    fn file(&self) -> PathBuf {
        self.zinit.path("marks")
    }

    /// A job that leaves a mark outside of the queue each time that it is run, and at most once may be.
    pub(super) fn marking(&self, word: &str) -> pb::JobSpec {
        let file = self.file();
        let script =
            format!("file_write_append(\"{}\", \"{word}\\n\"); sleep(0.02); \"{word}\"", file.display());
        pb::JobSpec { script_type: pb::ScriptType::Sal.into(), script, ..Default::default() }
    }

    /// How often each job was run.
    fn all_marks(&self) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for word in std::fs::read_to_string(self.file()).unwrap().lines() {
            *all.entry(word.to_owned()).or_default() += 1;
        }
        all
    }

    /// How often a job was run.
    pub(super) fn marks(&self, word: &str) -> usize {
        self.all_marks().get(word).copied().unwrap_or(0)
    }

    /// The messages of events about Redis.
    async fn told_of_redis(&self) -> Vec<String> {
        let topics = vec![pb::event::Topic::Server.into()];
        let request = pb::ListEventsRequest { topics, ..Default::default() };
        let events = self.client().list_events(request).await.unwrap().into_inner().events;
        let messages = events.into_iter().map(|event| event.message);
        messages.filter(|message| message.starts_with("Redis")).collect()
    }
}

/// Callers that run jobs one after another, until they are told to end.
struct Load {
    over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    callers: JoinSet<Vec<(String, Instant)>>,
}

impl Load {
    fn start(stage: &Stage) -> Self {
        let (over, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (over, acknowledged) = (Arc::clone(&over), Arc::clone(&acknowledged));
            let (client, template) = (stage.client(), stage.marking("WORD"));
            callers.spawn(async move {
                let mut names = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let name = format!("job-{caller}-{}", names.len());
                    let script = template.script.replace("WORD", &name);
                    accept(&client, &name, pb::JobSpec { script, ..template.clone() }).await;
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    ended(&client, &name).await;
                    names.push((name, Instant::now()));
                }
                names
            });
        }
        Self { over, acknowledged, callers }
    }

    async fn more(&self) {
        let before = self.acknowledged.load(Ordering::Relaxed);
        eventually("the load goes on", LIMIT, || async {
            (self.acknowledged.load(Ordering::Relaxed) >= before + SOME).then_some(())
        })
        .await;
    }

    /// The names of all jobs, and the longest time without a completed one.
    async fn end(self) -> (Vec<String>, Duration) {
        self.over.store(true, Ordering::Relaxed);
        let mut all: Vec<_> = self.callers.join_all().await.into_iter().flatten().collect();
        all.sort_by_key(|(_name, at)| *at);
        let gaps = all.windows(2).map(|pair| pair[1].1 - pair[0].1);
        let longest = gaps.max().unwrap();
        (all.into_iter().map(|(name, _at)| name).collect(), longest)
    }
}

/// Submits a job until it is accepted.
async fn accept(client: &Client, name: &str, job: pb::JobSpec) {
    let request =
        pb::SubmitJobRequest { job: Some(job), job_id: name.to_owned(), request_id: name.to_owned() };
    let deadline = Instant::now() + LIMIT;
    while let Err(status) = client.clone().submit_job(request.clone()).await {
        away(&status, deadline);
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for the end of a job. No wait outlasts its limit.
async fn ended(client: &Client, name: &str) {
    let wait = Duration::from_secs(5);
    let request = pb::AwaitJobRequest { job_id: name.to_owned(), max_wait: span(wait) };
    let deadline = Instant::now() + LIMIT;
    loop {
        let asked = Instant::now();
        let answer = client.clone().await_job(request.clone()).await;
        assert!(asked.elapsed() < wait + ALLOWANCE * 2, "a wait took {:?}", asked.elapsed());
        match answer {
            Ok(answer) if answer.get_ref().wait_outcome() == pb::WaitOutcome::Done => return,
            Ok(_not_yet) => assert!(Instant::now() < deadline, "{name} has no end"),
            Err(status) => away(&status, deadline),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Sees that an error says that Redis is away for now.
fn away(status: &tonic::Status, deadline: Instant) {
    const EXPECTED: [&str; 5] =
        ["REDIS_UNAVAILABLE", "REDIS_BUSY", "REDIS_READ_ONLY", "REDIS_NOT_DURABLE", "TIMED_OUT"];
    assert!(EXPECTED.contains(&told(status).reason.as_str()), "{status:?}");
    assert!(Instant::now() < deadline, "{status:?}");
}

/// A way to lose a primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Killed,
    Frozen,
    Demoted,
}

#[expect(clippy::print_stderr, reason = "figures for docs/benchmarks.md, shown with --nocapture")]
async fn survives(loss: Loss) {
    let mut stage = Stage::start(&["--durability", "replicated"]).await;
    let (before, _port) = stage.sentinels.primary().await.unwrap();
    let load = Load::start(&stage);
    load.more().await;
    match loss {
        Loss::Killed => stage.sentinels.kill9(before),
        Loss::Frozen => stage.sentinels.freeze(before),
        Loss::Demoted => stage.sentinels.swap().await,
    }
    let after = stage.sentinels.until_moved_from(before).await;
    if loss != Loss::Demoted {
        // Replicated needs a replica: the former primary becomes that.
        match loss {
            Loss::Killed => stage.sentinels.restart(before),
            Loss::Frozen => stage.sentinels.thaw(before),
            Loss::Demoted => {}
        }
    }
    load.more().await;
    stage.sentinels.until_ready().await;
    load.more().await;
    let (names, outage) = load.end().await;
    eprintln!("{loss:?}: {} jobs, {outage:?} without a completed one", names.len());
    until_serves(&stage.service, &[(READY, true), (JOBS, true)]).await;

    let marks = stage.all_marks();
    let client = stage.client();
    for name in &names {
        let end = end_of(&client, name).await;
        assert_eq!(end.state(), JobState::Succeeded, "{name}: {end:?}");
        assert_eq!((end.result(), marks.get(name)), (name.as_str(), Some(&1)), "{end:?}");
    }
    assert_eq!(marks.len(), names.len());
    assert!(outage < OUTAGE + ALLOWANCE, "{outage:?}");

    let libraries: String = format!(
        "{:?}",
        stage.sentinels.ask::<redis::Value>(after, redis::cmd("FUNCTION").arg("LIST")).await.unwrap()
    );
    assert!(libraries.contains("hero"), "{libraries}");
    let (_place, port) = stage.sentinels.primary().await.unwrap();
    let told = stage.told_of_redis().await;
    assert!(told.iter().any(|message| message.contains(&format!("primary 127.0.0.1:{port}"))), "{told:?}");
    let request = pb::GetServerInfoRequest::default();
    let info = client.clone().get_server_info(request).await.unwrap().into_inner();
    let redis = info.dependencies.iter().find(|dependency| dependency.name == "redis").unwrap();
    assert!(redis.message.contains(&format!("primary 127.0.0.1:{port} (epoch ")), "{redis:?}");
    nobody_is_left_at(&stage, before).await;
}

/// Sees that a former primary has no connection of supervisors and actors, and is written to by its primary only.
async fn nobody_is_left_at(stage: &Stage, former: usize) {
    eventually("all connections to the former primary are given up", LIMIT, || async {
        let list = stage.sentinels.ask::<String>(former, redis::cmd("CLIENT").arg("LIST")).await?;
        let ours = |line: &&str| {
            line.contains(" name= ") && !line.contains("cmd=client|list") && !line.contains(" flags=M ")
        };
        (list.lines().filter(ours).count() == 0).then_some(())
    })
    .await;
    stage.sentinels.ask::<()>(former, redis::cmd("CONFIG").arg("RESETSTAT")).await.unwrap();
    assert_eq!(full_service::run(&stage.client(), stage.marking("last")).await.result(), "last");
    let stats = redis::cmd("INFO").arg("commandstats").clone();
    let stats = stage.sentinels.ask::<String>(former, &stats).await.unwrap();
    assert!(!stats.contains("cmdstat_fcall") && !stats.contains("cmdstat_xreadgroup"), "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_killed_costs_no_job_and_doubles_none() {
    survives(Loss::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs_costs_no_job_and_doubles_none() {
    survives(Loss::Frozen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_demoted_costs_no_job_and_doubles_none() {
    survives(Loss::Demoted).await;
}
