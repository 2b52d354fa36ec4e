//! Jobs one after another, each of which leaves a mark outside of the queue when it is run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hero_supervisor::proto as pb;
use pb::job::State as JobState;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::full_service::{ALLOWANCE, Client, client, create, end_of, span, told};
use super::service::{LIMIT, Service};
use super::wait::eventually;
use super::zinit::PrivateZinit;

/// Callers that run one job after another.
const CALLERS: usize = 4;
/// Jobs before, between and after what happens.
const SOME: usize = 100;

/// A supervisor and two actors that are told by it where Redis is, and a file in which jobs leave their marks.
pub(crate) struct MarkedService {
    pub(crate) service: Service,
    zinit: PrivateZinit,
}

impl MarkedService {
    pub(crate) async fn start(url: &str, flags: &[&str]) -> Self {
        let zinit = PrivateZinit::start().await;
        let socket = zinit.socket().display().to_string();
        let args = ["--redis-url", url, "--zinit-socket", &socket];
        let service = Service::serve(&[&args[..], flags].concat()).await;
        let stage = Self { service, zinit };
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

    pub(crate) fn client(&self) -> Client {
        client(&self.service)
    }

    fn file(&self) -> PathBuf {
        self.zinit.path("marks")
    }

    /// A job that leaves a mark outside of the queue each time that it is run, and at most once may be.
    pub(crate) fn marking(&self, word: &str) -> pb::JobSpec {
        let file = self.file();
        let script =
            format!("file_write_append(\"{}\", \"{word}\\n\"); sleep(0.02); \"{word}\"", file.display());
        // A long series is judged at its end.
        let result_ttl = span(Duration::from_secs(12 * 3600));
        pb::JobSpec { script_type: pb::ScriptType::Sal.into(), script, result_ttl, ..Default::default() }
    }

    /// A job that leaves so many marks, fifty a second.
    pub(crate) fn ticking(&self, word: &str, ticks: u32) -> pb::JobSpec {
        let file = self.file();
        let script = format!(
            "for i in 0..{ticks} {{ file_write_append(\"{}\", \"{word}\\n\"); sleep(0.02); }} \"{word}\"",
            file.display()
        );
        pb::JobSpec { script_type: pb::ScriptType::Sal.into(), script, ..Default::default() }
    }

    /// The marks in their order, those of one job that stand beside each other as one.
    pub(crate) fn order(&self) -> Vec<String> {
        let marks = std::fs::read_to_string(self.file()).unwrap();
        let mut order: Vec<String> = marks.lines().map(str::to_owned).collect();
        order.dedup();
        order
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
    pub(crate) fn marks(&self, word: &str) -> usize {
        self.all_marks().get(word).copied().unwrap_or(0)
    }

    /// Sees that these jobs, and no others, were run, each once, and have succeeded.
    pub(crate) async fn each_was_run_once(&self, names: &[String]) {
        let (marks, client) = (self.all_marks(), self.client());
        for name in names {
            let end = end_of(&client, name).await;
            assert_eq!(end.state(), JobState::Succeeded, "{name}: {end:?}");
            assert_eq!((end.result(), marks.get(name)), (name.as_str(), Some(&1)), "{end:?}");
        }
        assert_eq!(marks.len(), names.len());
    }
}

/// Callers that run jobs one after another, until they are told to end.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    callers: JoinSet<Vec<(String, Instant)>>,
}

impl Load {
    pub(crate) fn start(stage: &MarkedService) -> Self {
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

    /// Waits until there was some more of it.
    pub(crate) async fn more(&self) {
        let before = self.acknowledged.load(Ordering::Relaxed);
        eventually("the load goes on", LIMIT, || async {
            (self.acknowledged.load(Ordering::Relaxed) >= before + SOME).then_some(())
        })
        .await;
    }

    /// The names of all jobs, and the longest time without a completed one.
    pub(crate) async fn end(self) -> (Vec<String>, Duration) {
        let all = self.ends().await;
        let longest = longest_gap(all.iter().map(|(_name, at)| *at));
        (all.into_iter().map(|(name, _at)| name).collect(), longest)
    }

    /// The names of all jobs and the times at which their callers knew their ends, in this order.
    pub(crate) async fn ends(self) -> Vec<(String, Instant)> {
        self.over.store(true, Ordering::Relaxed);
        let mut all: Vec<_> = self.callers.join_all().await.into_iter().flatten().collect();
        all.sort_by_key(|(_name, at)| *at);
        all
    }
}

/// The longest time between two of these.
pub(crate) fn longest_gap(times: impl Iterator<Item = Instant> + Clone) -> Duration {
    times.clone().zip(times.skip(1)).map(|(one, next)| next - one).max().unwrap_or_default()
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
