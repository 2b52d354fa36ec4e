//! The whole service as it runs in life: a Redis, a Zinit, the supervisor and its actors, all real and all private.

use std::path::Path;
use std::time::Duration;

use hero_supervisor::proto as pb;
use hero_supervisor::proto::supervisor_client::SupervisorClient;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pb::actor::State as ActorState;
use pb::job::State as JobState;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use super::redis::PrivateRedis;
use super::service::{LIMIT, Service};
use super::wait::eventually;
use super::zinit::PrivateZinit;

/// What a caller talks through.
pub(crate) type Client = SupervisorClient<Channel>;

/// The actor under test.
pub(crate) const OSIS_ACTOR: &str = env!("CARGO_BIN_EXE_osis_actor");
/// A call that is not answered within this time hangs.
const CALL_LIMIT: Duration = Duration::from_secs(100);
/// What a busy machine may take beyond a time that is promised.
pub(crate) const ALLOWANCE: Duration = Duration::from_secs(2);

/// Redis, Zinit and a supervisor on them. Dropped, all of it is gone, actors included.
pub(crate) struct FullService {
    pub(crate) service: Service,
    pub(crate) zinit: PrivateZinit,
    pub(crate) redis: PrivateRedis,
}

impl FullService {
    /// With defaults.
    pub(crate) async fn start() -> Self {
        Self::start_on(PrivateRedis::start().await, &[]).await
    }

    /// On this Redis, with further flags of `serve`.
    pub(crate) async fn start_on(redis: PrivateRedis, flags: &[&str]) -> Self {
        let zinit = PrivateZinit::start().await;
        let service = serve(&redis, &zinit, flags).await;
        Self { service, zinit, redis }
    }

    /// The last lines that an actor wrote, as Zinit has them.
    pub(crate) async fn log_of(&self, id: &str) -> String {
        let lines = self.zinit.call("logs.tail", serde_json::json!({"name": id, "lines": 100})).await;
        lines.to_string()
    }

    /// One more supervisor on the same Redis and the same Zinit.
    pub(crate) async fn another(&self, flags: &[&str]) -> Service {
        serve(&self.redis, &self.zinit, flags).await
    }

    /// Kills the supervisor and starts another one in its place.
    pub(crate) async fn replace(&mut self) {
        self.service.signal(Signal::SIGKILL);
        self.service.ended().await;
        self.service = self.another(&[]).await;
    }

    /// A caller of the supervisor.
    pub(crate) fn client(&self) -> Client {
        client(&self.service)
    }

    /// What makes an actor of this name.
    pub(crate) fn definition(&self, id: &str) -> pb::CreateActorRequest {
        definition(id, &self.redis)
    }

    /// An actor of this name that runs.
    pub(crate) async fn running_actor(&self, id: &str) -> pb::Actor {
        create(&mut self.client(), self.definition(id)).await
    }

    /// The names of Zinit's services that are not there to fill a place only.
    pub(crate) async fn services(&self) -> Vec<String> {
        let names = self.zinit.call("service.list", serde_json::json!({})).await;
        let names: Vec<String> = serde_json::from_value(names).unwrap();
        names.into_iter().filter(|name| !name.starts_with("hero-tombstone-")).collect()
    }
}

/// A supervisor on these.
pub(crate) async fn serve(redis: &PrivateRedis, zinit: &PrivateZinit, flags: &[&str]) -> Service {
    let (url, socket) = (redis.url(), zinit.socket().display().to_string());
    let args = ["--redis-url", &url, "--zinit-socket", &socket];
    Service::serve(&[&args[..], flags].concat()).await
}

/// A connection to a supervisor; it is made, and made again, when it is needed.
pub(crate) fn channel(service: &Service) -> Channel {
    let address = format!("unix://{}", service.socket().display());
    Endpoint::from_shared(address).unwrap().timeout(CALL_LIMIT).connect_lazy()
}

/// A caller of a supervisor.
pub(crate) fn client(service: &Service) -> Client {
    Client::new(channel(service))
}

/// A caller who waits for an answer longer than others do.
pub(crate) fn patient_client(service: &Service, limit: Duration) -> Client {
    let address = format!("unix://{}", service.socket().display());
    Client::new(Endpoint::from_shared(address).unwrap().timeout(limit).connect_lazy())
}

/// What makes an actor of this name: the real program, on this Redis.
pub(crate) fn definition(id: &str, redis: &PrivateRedis) -> pb::CreateActorRequest {
    let args = ["--redis-url", &redis.url(), "--actor-id", id];
    let config = pb::ActorConfig {
        script_type: pb::ScriptType::Osis.into(),
        binary_path: OSIS_ACTOR.to_owned(),
        args: args.map(str::to_owned).to_vec(),
        start_timeout: span(LIMIT),
        restart_policy: Some(pb::RestartPolicy {
            initial_backoff: span(Duration::from_millis(100)),
            ..Default::default()
        }),
        ..Default::default()
    };
    pb::CreateActorRequest {
        actor_id: id.to_owned(),
        config: Some(config),
        max_wait: span(LIMIT),
        ..Default::default()
    }
}

/// Makes an actor, and sees it run.
pub(crate) async fn create(client: &mut Client, definition: pb::CreateActorRequest) -> pb::Actor {
    let answer = client.create_actor(definition).await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), pb::WaitOutcome::Done, "{answer:?}");
    let actor = answer.actor.unwrap();
    assert_eq!(actor.state(), ActorState::Running, "{actor:?}");
    actor
}

/// An actor as it is now.
pub(crate) async fn actor(client: &Client, id: &str) -> pb::Actor {
    let request = pb::GetActorRequest { actor_id: id.to_owned(), ..Default::default() };
    client.clone().get_actor(request).await.unwrap().into_inner().actor.unwrap()
}

/// Waits until an actor is as asked for.
pub(crate) async fn until_actor(
    client: &Client,
    id: &str,
    what: &str,
    is_so: impl Fn(&pb::Actor) -> bool,
) -> pb::Actor {
    let what = format!("actor {id} {what}");
    eventually(&what, LIMIT, || async {
        let request = pb::GetActorRequest { actor_id: id.to_owned(), ..Default::default() };
        let actor = client.clone().get_actor(request).await.ok()?.into_inner().actor.unwrap();
        is_so(&actor).then_some(actor)
    })
    .await
}

/// All actors, by name.
pub(crate) async fn actors(client: &Client) -> Vec<pb::Actor> {
    client.clone().list_actors(pb::ListActorsRequest::default()).await.unwrap().into_inner().actors
}

/// A job for the OSIS queue.
pub(crate) fn osis(script: &str) -> pb::JobSpec {
    let script_type = pb::ScriptType::Osis.into();
    pb::JobSpec { script_type, script: script.to_owned(), ..Default::default() }
}

/// The same, which may be started so often, at once after a loss.
pub(crate) fn with_attempts(script: &str, max_attempts: i32) -> pb::JobSpec {
    let retry_policy = pb::RetryPolicy {
        max_attempts: Some(max_attempts),
        initial_backoff: span(Duration::from_millis(1)),
        max_backoff: span(Duration::from_millis(1)),
    };
    pb::JobSpec { retry_policy: Some(retry_policy), ..osis(script) }
}

/// The same for one actor only.
pub(crate) fn pinned(script: &str, actor_id: &str) -> pb::JobSpec {
    pb::JobSpec { target_actor_id: actor_id.to_owned(), ..osis(script) }
}

/// Puts a job into its queue; answers with its id.
pub(crate) async fn submit(client: &Client, job: pb::JobSpec) -> String {
    let request = pb::SubmitJobRequest { job: Some(job), ..Default::default() };
    client.clone().submit_job(request).await.unwrap().into_inner().job.unwrap().job_id
}

/// Runs a job to its end.
pub(crate) async fn run(client: &Client, job: pb::JobSpec) -> pb::Job {
    let request = pb::RunJobRequest { job: Some(job), max_wait: span(LIMIT), ..Default::default() };
    let answer = client.clone().run_job(request).await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), pb::WaitOutcome::Done, "{answer:?}");
    answer.job.unwrap()
}

/// Waits for the end of a job.
pub(crate) async fn end_of(client: &Client, id: &str) -> pb::Job {
    let request = pb::AwaitJobRequest { job_id: id.to_owned(), max_wait: span(LIMIT) };
    let answer = client.clone().await_job(request).await.unwrap().into_inner();
    assert_eq!(answer.wait_outcome(), pb::WaitOutcome::Done, "{answer:?}");
    answer.job.unwrap()
}

/// A job as it is now.
pub(crate) async fn job(client: &Client, id: &str) -> pb::Job {
    let request = pb::GetJobRequest { job_id: id.to_owned(), view: 0 };
    client.clone().get_job(request).await.unwrap().into_inner().job.unwrap()
}

/// Waits until a job runs.
pub(crate) async fn until_running(client: &Client, id: &str) -> pb::Job {
    eventually("the job runs", LIMIT, || async {
        let job = job(client, id).await;
        assert!(job.finish_time.is_none(), "it has ended: {job:?}");
        // Delivery makes it run; the time of the start comes a little later, when its script really runs.
        (job.state() == JobState::Running && job.start_time.is_some()).then_some(job)
    })
    .await
}

/// A span of time in a request.
pub(crate) fn span(span: Duration) -> Option<prost_types::Duration> {
    Some(prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap(),
        nanos: i32::try_from(span.subsec_nanos()).unwrap(),
    })
}

/// What an error says to programs.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: Code,
    pub(crate) reason: String,
    pub(crate) metadata: std::collections::HashMap<String, String>,
    /// Refused fields.
    pub(crate) fields: Vec<String>,
    pub(crate) message: String,
}

impl Told {
    /// Code and reason in one.
    pub(crate) fn why(&self) -> (Code, &str) {
        (self.code, &self.reason)
    }
}

/// Reads an error.
pub(crate) fn told(status: &Status) -> Told {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "supervisor.hero");
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    Told {
        code: status.code(),
        reason: info.reason.clone(),
        metadata: info.metadata.clone(),
        fields: violations.into_iter().map(|violation| violation.field).collect(),
        message: status.message().to_owned(),
    }
}

/// The command line of a living process.
pub(crate) fn command_line(pid: i32) -> Option<Vec<String>> {
    let raw = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = raw.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    (!words.is_empty()).then_some(words)
}

/// Sees that an actor's pid is that of its program and of no shell around it.
pub(crate) fn assert_true_pid(actor: &pb::Actor) {
    let words = command_line(actor.pid()).unwrap_or_else(|| panic!("no such process: {actor:?}"));
    let program = Path::new(&words[0]).file_name();
    assert_eq!(program.and_then(|name| name.to_str()), Some("osis_actor"), "{words:?}");
    assert!(words.windows(2).any(|pair| pair == ["--actor-id", &actor.actor_id]), "{words:?}");
}

/// Sends a signal.
pub(crate) fn signal(pid: i32, signal: Signal) {
    assert!(pid > 1, "{pid} is nobody's to be signalled");
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// Living children of a process.
pub(crate) fn children_of(parent: i32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name is in parentheses and may hold anything; state and parent follow it.
        let mut fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).into_iter().flatten();
        let (state, ppid) = (fields.next(), fields.next());
        state != Some("Z") && ppid == Some(&parent.to_string())
    };
    pids.filter(is_child).collect()
}

/// The names of `grpc.health.v1`.
pub(crate) const READY: &str = "hero.supervisor.v1.Supervisor";
/// Redis answers.
pub(crate) const JOBS: &str = "hero.supervisor.v1.jobs";
/// The process manager answers.
pub(crate) const ACTORS: &str = "hero.supervisor.v1.actors";

/// Whether a server says that it serves; a server that does not answer does not.
pub(crate) async fn serves(service: &Service, name: &str) -> bool {
    let request = HealthCheckRequest { service: name.to_owned() };
    let answer = HealthClient::new(channel(service)).check(request).await;
    answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
}

/// Waits until a server says so of these; answers with the time that it took.
pub(crate) async fn until_serves(service: &Service, expected: &[(&str, bool)]) -> Duration {
    let begun = Instant::now();
    eventually(&format!("health is {expected:?}"), LIMIT, || async {
        for (name, up) in expected {
            if serves(service, name).await != *up {
                return None;
            }
        }
        Some(begun.elapsed())
    })
    .await
}
