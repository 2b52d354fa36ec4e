//! Completion for shells. What is printed asks this program for each word, so that ids and names of a server are
//! completed as well.

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use clap_complete::env::{CompleteEnv, Shells};

use super::{Exit, Failure, Format, Output};

/// The program, as shells find it.
const PROGRAM: &str = "hero-supervisor";
/// The variable by which a shell asks for completions.
const VARIABLE: &str = "COMPLETE";

/// Options of `completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// Shell
    pub shell: Shell,
}

/// Answers a shell that asks what can stand at the cursor, and ends the process then.
pub fn answer_shells() {
    CompleteEnv::with_factory(super::command).var(VARIABLE).complete();
}

pub(super) fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let shell = args.shell.to_possible_value();
    let name = shell.as_ref().map_or("", |shell| shell.get_name());
    let shell = Shells::builtins();
    let Some(shell) = shell.completer(name) else {
        return Err(Failure::usage(format!(
            "{name:?} is not completed: use bash, elvish, fish, powershell or zsh"
        )));
    };
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    Output::new(Format::Table, false).data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
