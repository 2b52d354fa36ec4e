//! `serve`, and the exec shim.

use std::time::Duration;

use super::{App, DeclaredActors, Ended, Setup, runtime};
use crate::cli::{Exit, Failure, ServeCommand, ShimArgs};
use crate::config::{Config, Loaded};
use crate::shutdown::{Shutdown, Signals};
use crate::telemetry;

/// Limit of the wait for blocking work whose result is no longer needed, such as the digest of a program.
const RUNTIME_END: Duration = Duration::from_millis(100);

/// Runs the service until a signal ends it.
///
/// # Errors
/// An invalid configuration, or a service that cannot start.
pub fn serve(args: ServeCommand) -> Result<Exit, Failure> {
    let Loaded { config, actors, queues, script_types, .. } = Config::load(args.settings.layers())?;
    let file = DeclaredActors { actors, queues, script_types, prune: args.prune };
    let setup = Setup { file, ..Setup::default() };
    telemetry::init(&config.log_filter, config.log_format);
    let runtime = runtime::build(config.worker_threads).map_err(|error| no_runtime(&error))?;
    let ended = runtime.block_on(async {
        let signals = Signals::catch().map_err(|error| no_runtime(&error))?;
        let app = App::bind(config, setup).await?;
        for address in app.addresses() {
            tracing::info!(%address, "gRPC: served on {address}");
        }
        let shutdown = Shutdown::new();
        run_with_signals(Box::pin(app.run(shutdown.clone())), signals, &shutdown).await
    });
    runtime.shutdown_timeout(RUNTIME_END);
    ended.map(Exit::from)
}

/// Runs an app; signals begin its shutdown.
pub(super) async fn run_with_signals<E: Into<Failure>>(
    app: impl Future<Output = Result<Ended, E>>,
    signals: Signals,
    shutdown: &Shutdown,
) -> Result<Ended, Failure> {
    let driven = async {
        signals.drive(shutdown).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = app => ended.map_err(Into::into),
        () = driven => Ok(Ended::Forced),
    }
}

pub(super) fn no_runtime(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Refused, format!("cannot start the runtime: {error}"))
}

/// Replaces this process by another program. It returns only on failure, and at the end of an output that it filters.
///
/// # Errors
/// None.
pub fn exec_shim(args: ShimArgs) -> Result<Exit, Failure> {
    telemetry::init("warn", telemetry::LogFormat::Text);
    let Err(error) = crate::adapters::exec_shim::exec_shim(args.args) else { return Ok(Exit::Ok) };
    tracing::error!(%error, "exec-shim: {error}");
    Ok(Exit::ShimFailed)
}
