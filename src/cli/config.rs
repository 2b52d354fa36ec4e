//! `config show` and `config check`.

use clap::Subcommand;

use super::{Exit, Failure, Format, Output, ServeArgs};
use crate::config::{Config, render_json, render_toml};

/// Verbs of `config`. They read the same layers as `serve`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting; the output can be used as a --config file
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
        /// How to print
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
        /// Settings of the service.
        #[command(flatten)]
        serve: Box<ServeArgs>,
    },
    /// Say what is wrong with the settings, if anything
    Check {
        /// Settings of the service.
        #[command(flatten)]
        serve: Box<ServeArgs>,
    },
}

pub(super) fn run(command: ConfigCommand) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Show { origin, output, serve } => {
            let loaded = Config::load(serve.layers())?;
            let settings = &loaded.settings;
            let text = match output {
                Format::Table => format!("{}{}", render_toml(settings, origin), loaded.actors_toml()),
                Format::Json => {
                    let mut json = render_json(settings, origin);
                    if !loaded.actors.is_empty() {
                        json["actor"] = loaded.actors_json();
                    }
                    format!("{json:#}")
                }
            };
            Output::new(output, false).data(&text)?;
        }
        ConfigCommand::Check { serve } => {
            let actors = Config::load(serve.layers())?.actors.len();
            let with = if actors > 0 { format!(", with {actors} actors") } else { String::new() };
            super::output::say(&format!("the configuration is fine{with}"));
        }
    }
    Ok(Exit::Ok)
}
