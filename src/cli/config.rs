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
            let settings = Config::load(serve.layers())?.settings;
            let text = match output {
                Format::Table => render_toml(&settings, origin),
                Format::Json => format!("{:#}", render_json(&settings, origin)),
            };
            Output::new(output, false).data(&text)?;
        }
        ConfigCommand::Check { serve } => {
            Config::load(serve.layers())?;
            super::output::say("the configuration is fine");
        }
    }
    Ok(Exit::Ok)
}
