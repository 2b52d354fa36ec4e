//! The one program: service, trial and command line.

use std::process::ExitCode;

use hero_supervisor::app;
use hero_supervisor::cli::{self, ActorCommand, CallCommand, Cli, Command, Failure, ServiceCommand};

fn main() -> ExitCode {
    cli::answer_shells();
    let Cli { client, command } = cli::parse();
    if matches!(command, Command::Service(ServiceCommand::Serve(_) | ServiceCommand::Dev(_)))
        && app::init::is_first_process()
    {
        return app::init::run_below();
    }
    let ended = match command {
        Command::Service(ServiceCommand::Serve(args)) => app::serve(*args),
        Command::Service(ServiceCommand::Dev(args)) => app::dev::dev(*args),
        Command::Service(ServiceCommand::Doctor(args)) => app::doctor::doctor(*args),
        Command::Service(ServiceCommand::Backup(args)) => app::backup::backup(*args),
        Command::Service(ServiceCommand::Restore(args)) => app::backup::restore(*args),
        Command::Service(ServiceCommand::ExecShim(args)) => app::exec_shim(args),
        Command::Call(CallCommand::Actor(ActorCommand::Conformance(args))) => {
            app::conformance::conformance(&args, client.output)
        }
        Command::Call(call) => cli::run_call(client, call),
        Command::Local(local) => cli::run_local(&client, local),
    };
    ended.unwrap_or_else(Failure::report).into()
}
