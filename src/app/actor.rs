//! An actor process, from its command line to its exit code: joins the queue loop to Redis.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::actor::engines::{Engine, Limits, STOP_GRACE};
use crate::actor::health;
use crate::actor::host;
use crate::actor::launcher::HostLauncher;
use crate::actor::objects::StoreCalls;
use crate::actor::program::{ActorArgs, EngineFlags, ParsedArgs, Program};
use crate::actor::worker::{Ended, Worker, WorkerConfig};
use crate::adapters::redis::{
    RedisAccess, RedisConfig, RedisForScripts, RedisObjectStore, RedisQueue, RedisWorkQueue,
};
use crate::adapters::system_clock::SystemClock;
use crate::domain::model::script_type::ScriptType;
use crate::error::chain;
use crate::ports::queue_maintenance::QueueMaintenance;
use crate::ports::script_redis::ScriptRedis;
use crate::ports::store_fault::{Refusal, StoreFault};
use crate::proc_stat::own_start;
use crate::shutdown::{Shutdown, Signals};
use crate::telemetry::{self, traces};

/// Default filter of the log, without `RUST_LOG`.
const LOG_FILTER: &str = "info";
/// Exit code after ends of jobs that could not be written.
const EXIT_ABANDONED: u8 = 1;

/// Runs an actor. `load` makes its engine, in the engine host.
pub fn run<F: EngineFlags, E: Engine + 'static>(program: &Program, load: fn(&F, Limits) -> E) -> ExitCode {
    let ParsedArgs { mut args, redis_named } = match program.parse::<F>(std::env::args_os()) {
        Ok(asked) => asked,
        Err(error) => error.exit(),
    };
    if args.man_page {
        let printed = program.man_page::<F>().and_then(|page| io::stdout().write_all(&page));
        return printed.map_or_else(|error| fail(program, &error.to_string()), |()| ExitCode::SUCCESS);
    }
    if args.host {
        if let Err(error) = args.engine.prepare_host() {
            return fail(program, &format!("an engine host cannot start: {error}"));
        }
        let name = args.actor_id.as_ref().map_or("", |id| id.as_str());
        let (limits, name) = (args.limits(), name.to_owned());
        return host::serve(move |limits| load(&args.engine, limits), limits, &name);
    }
    close_inherited_files();
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| LOG_FILTER.to_owned());
    telemetry::init(&filter, telemetry::LogFormat::Text);
    // One thread: beside Redis and others on the same cores, more of them mostly wake each other.
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(program, &format!("cannot start: {error}")),
    };
    if args.health_check {
        return check(program, &runtime, &args, redis_named);
    }
    let stop_grace = if E::STOPS_SCRIPTS { STOP_GRACE } else { Duration::ZERO };
    let config = WorkerConfig { stop_grace, ..program.worker(&args) };
    match runtime.block_on(work(program, &args, config)) {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Abandoned) => ExitCode::from(EXIT_ABANDONED),
        Err(reason) => fail(program, &reason),
    }
}

/// Closes what the process has inherited besides its three streams, so that neither hosts nor scripts see it. To be called
/// before the process opens anything itself.
fn close_inherited_files() {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let files: Vec<i32> = entries.flatten().filter_map(number).filter(|fd| *fd > 2).collect();
    for fd in files {
        if let Err(error) = nix::unistd::close(fd) {
            // The folder that was just read is among them, and closed by now.
            debug_assert_eq!(error, nix::errno::Errno::EBADF);
        }
    }
}

/// The Redis at this URL, for scripts.
pub fn script_redis(url: &str) -> Arc<dyn ScriptRedis> {
    Arc::new(RedisForScripts::new(url))
}

async fn work<F: EngineFlags>(
    program: &Program,
    args: &ActorArgs<F>,
    work: WorkerConfig,
) -> Result<Ended, String> {
    // Before anything else, so that an early signal drains as well.
    let signals = Signals::catch().map_err(|error| format!("cannot catch signals: {error}"))?;
    let actor_id = args.actor_id.clone().ok_or("--actor-id is missing")?;
    if let Some(endpoint) = &args.otlp_endpoint {
        traces::start(endpoint, program.name, actor_id.as_str())
            .map_err(|error| format!("--otlp-endpoint cannot be used: {}", chain(&error)))?;
    }
    let config = redis_config(args);
    let name = args.queue.unwrap_or_else(|| program.script_type.into());
    let queue = RedisWorkQueue::new(config, name, actor_id.clone(), std::process::id())
        .map_err(|error| chain(&error))?
        .of_type(program.script_type)
        .started(own_start());
    let hosts = hosts(program, args)?.sparing_hosts(!work.stop_grace.is_zero());
    let worker = Worker::new(Arc::new(queue), Arc::new(SystemClock), hosts.clone(), work);
    let shutdown = Shutdown::new();
    let done = CancellationToken::new();
    tracing::info!(actor.id = %actor_id, pid = std::process::id(), "{actor_id}: starts ({}, queue {name})", program.name);
    let ended = async {
        let ended = worker.run(&shutdown).await;
        done.cancel();
        ended
    };
    let watch_signals = async {
        tokio::select! {
            () = signals.drive(&shutdown) => done.cancelled().await,
            () = done.cancelled() => {}
        }
    };
    let (ended, ()) = tokio::join!(ended, watch_signals);
    hosts.gone().await;
    traces::end().await;
    tracing::info!(actor.id = %actor_id, ?ended, "{actor_id}: ends");
    Ok(ended)
}

/// Hosts whose scripts can store objects, if that is what this actor is for.
fn hosts<F: EngineFlags>(program: &Program, args: &ActorArgs<F>) -> Result<HostLauncher, String> {
    let hosts = HostLauncher::new(format!("{}-host", program.name), args.host_args())
        .with_env(args.engine.host_env());
    let hosts = hosts
        .reaping_orphans(args.engine.work_dir(), args.actor_id.as_ref())
        .map_err(|error| format!("cannot become a subreaper: {error}"))?;
    if program.script_type != ScriptType::OSIS {
        return Ok(hosts);
    }
    let store = RedisObjectStore::new(&redis_config(args)).map_err(|error| chain(&error))?;
    Ok(hosts.answering(Arc::new(StoreCalls::new(Arc::new(store)))))
}

/// Checks whether jobs could run here, and prints the answer in one line.
fn check<F: EngineFlags>(
    program: &Program,
    runtime: &Runtime,
    args: &ActorArgs<F>,
    redis_named: bool,
) -> ExitCode {
    let checked = runtime.block_on(async {
        let mut hosts = hosts(program, args)?;
        let health = health::check(&mut hosts, program.script_type).await;
        hosts.gone().await;
        let health = health.map_err(|reason| format!("engine: {reason}"))?;
        let engine = format!("{} answered in {:?}", health.engine, health.took);
        if !redis_named {
            return Ok(engine);
        }
        let queue =
            RedisQueue::new(redis_config(args)).map_err(|error| format!("redis: {}", chain(&error)))?;
        let probed = queue.probe().await;
        queue.close().await;
        match probed {
            Ok(took) => Ok(format!("{engine}, redis in {took:?}")),
            // Actors are what empties it.
            Err(error) => match error.fault() {
                StoreFault::Refused { refusal: Refusal::Full, .. } => Ok(format!("{engine}, redis: {error}")),
                StoreFault::Refused { .. }
                | StoreFault::Unavailable(_)
                | StoreFault::TimedOut { .. }
                | StoreFault::Rejected { .. }
                | StoreFault::Corrupt { .. } => Err(format!("redis: {}", chain(&error))),
            },
        }
    });
    match checked {
        Ok(line) => {
            drop(writeln!(io::stdout(), "{}: ok: {line}", program.name));
            ExitCode::SUCCESS
        }
        Err(reason) => fail(program, &reason),
    }
}

fn redis_config<F: EngineFlags>(args: &ActorArgs<F>) -> RedisConfig {
    let redis = &args.redis;
    let access = RedisAccess {
        user: redis.redis_user.clone(),
        password_file: redis.redis_password_file.clone(),
        tls_ca: redis.redis_tls_ca.clone(),
        tls_cert: redis.redis_tls_cert.clone(),
        tls_key: redis.redis_tls_key.clone(),
        sentinel_user: redis.redis_sentinel_user.clone(),
        sentinel_password_file: redis.redis_sentinel_password_file.clone(),
    };
    RedisConfig {
        url: redis.redis_url.clone(),
        access,
        durability: redis.durability,
        lease: args.lease,
        ..RedisConfig::default()
    }
}

fn fail(program: &Program, reason: &str) -> ExitCode {
    drop(writeln!(io::stderr(), "{}: {reason}", program.name));
    ExitCode::FAILURE
}
