//! The one program: service, trial and command line.

use std::process::ExitCode;

use clap::Parser;
use hero_supervisor::app;
use hero_supervisor::cli::{self, ActorCommand, Cli, Client, Command, Failure};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    if matches!(command, Command::Serve(_) | Command::Dev(_)) && app::init::is_first_process() {
        return app::init::run_below();
    }
    let ended = match command {
        Command::Serve(args) => app::serve(args),
        Command::Dev(args) => app::dev::dev(args),
        Command::Doctor(args) => app::doctor::doctor(args),
        Command::ExecShim(args) => app::exec_shim(args),
        Command::Actor(Client { verb: ActorCommand::Conformance(args), client }) => {
            app::conformance::conformance(&args, client.output)
        }
        Command::Actor(args) => cli::block_on(cli::actor(args)),
        Command::Job(args) => cli::block_on(cli::job(args)),
        Command::Queue(args) => cli::block_on(cli::queue(args)),
        Command::ScriptType(args) => cli::block_on(cli::script_type(args)),
        Command::Scale(args) => cli::block_on(cli::scale(args)),
        Command::Health(args) => cli::block_on(cli::health(args)),
        Command::Top(args) => cli::block_on(cli::top(args)),
        Command::Wait(args) => cli::block_on(cli::wait(args)),
        Command::Events(args) => cli::block_on(cli::events(args)),
        Command::Info(args) => cli::block_on(cli::info(args)),
        Command::Config(command) => cli::config(command),
        Command::Tls(command) => cli::tls(&command),
        Command::Token(args) => cli::token(args),
        Command::Audit(args) => cli::audit(args),
        Command::Completions(args) => cli::completions(&args),
        Command::Man(args) => cli::man(&args),
    };
    ended.unwrap_or_else(Failure::report).into()
}
