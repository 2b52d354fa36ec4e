//! `config show` and `config check`.

use std::path::Path;

use clap::Subcommand;

use super::{Exit, Failure, Format, Output, ServeArgs};
use crate::adapters::program_files;
use crate::config::{Config, ConfigError, Loaded, Origin, Problem, read_tokens, render_json, render_toml};
use crate::domain::model::actor::ActorConfig;
use crate::ports::programs::ProgramFault;
use crate::printable::printable_json;
use crate::tls::ServerTls;

/// Verbs of `config`. They read the same layers as `serve`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting; the output can be used as a --config file
    Show {
        /// Show the origin of each value
        #[arg(long)]
        origin: bool,
        /// Show passwords, and the environment of actors, instead of ***
        #[arg(long)]
        reveal: bool,
        /// Form of the output
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
        /// Settings of the service.
        #[command(flatten)]
        serve: Box<ServeArgs>,
    },
    /// Report every error of the settings
    Check {
        /// Settings of the service.
        #[command(flatten)]
        serve: Box<ServeArgs>,
    },
}

pub(super) fn run(command: ConfigCommand) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Show { origin, reveal, output, serve } => {
            let loaded = Config::load(serve.layers())?;
            let settings = &loaded.settings;
            let text = match output {
                Format::Table => {
                    let text =
                        format!("{}{}", render_toml(settings, origin, reveal), loaded.tables_toml(reveal));
                    // JSON and TOML spell strings alike.
                    printable_json(&text).into_owned()
                }
                Format::Json | Format::Yaml => {
                    let mut json = render_json(settings, origin, reveal);
                    for (key, tables) in loaded.tables_json(reveal) {
                        json[key] = tables;
                    }
                    output.render(&json)?.unwrap_or_default()
                }
            };
            Output::new(output, false).data(&text)?;
        }
        ConfigCommand::Check { serve } => {
            let file = serve.config.clone();
            let loaded = Config::load(serve.layers())?;
            check_programs(&loaded, file.as_deref())?;
            if let Some(files) = loaded.config.tls.files() {
                ServerTls::load(files).map_err(|error| Failure::usage(error.to_string()))?;
            }
            let config = &loaded.config;
            let checked = config.redis_access().check(config.redis_url.expose());
            checked.map_err(|error| Failure::usage(error.to_string()))?;
            // One that is not there yet is no mistake of the configuration; `serve` needs it.
            let file = loaded.config.auth.tokens_file.as_deref().filter(|file| file.exists());
            let tokens = file.map(read_tokens).transpose()?.unwrap_or_default().len();
            let found = [
                (tokens, "token"),
                (loaded.actors.len(), "actor"),
                (loaded.queues.len(), "queue"),
                (loaded.script_types.len(), "script type"),
            ];
            let found = found.iter().filter(|(count, _)| *count > 0);
            let several = |count: usize| if count == 1 { "" } else { "s" };
            let found = found.map(|(count, what)| format!("{count} {what}{}", several(*count)));
            let found: Vec<String> = found.collect();
            let with =
                if found.is_empty() { String::new() } else { format!(", with {}", found.join(" and ")) };
            super::output::print_notice(&format!("the configuration is fine{with}"));
        }
    }
    Ok(Exit::Ok)
}

/// Checks that the programs of the actors that the file declares can be run here, as the start of an actor does.
fn check_programs(loaded: &Loaded, file: Option<&Path>) -> Result<(), ConfigError> {
    let problem = |(place, config): (String, &ActorConfig)| {
        let sha256 = config.sha256.clone();
        let fault = program_files::inspect(&config.binary, sha256).err()?;
        let key = match fault {
            ProgramFault::WrongDigest { .. } => "binary_sha256",
            ProgramFault::Missing
            | ProgramFault::NotAFile
            | ProgramFault::NotExecutable
            | ProgramFault::Unreadable { .. } => "binary_path",
        };
        let origin = file.map_or(Origin::Default, |file| Origin::File(file.to_owned()));
        Some(Problem {
            key: format!("{place}.{key}"),
            origin,
            what: format!("{}: {fault}", config.binary.display()),
        })
    };
    let problems: Vec<Problem> = loaded.programs().filter_map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(ConfigError(problems)) }
}
