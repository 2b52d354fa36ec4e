//! `actor update`: what was given becomes the change and its mask.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use prost_types::FieldMask;

use super::definition::{DefinitionArgs, absolute};
use super::{DEFAULT_WAIT, Server, ids, rows};
use crate::cli::values::{span, to_proto};
use crate::cli::{Exit, Failure, Output, client};
use crate::proto::actor::State;
use crate::proto::update_actor_request::Apply;
use crate::proto::{ActorConfig, GetActorRequest, UpdateActorRequest};

/// What to change of an actor.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Its name
    actor: String,
    /// Its program
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// What to change; what is not given stays.
    #[command(flatten)]
    definition: DefinitionArgs,
    /// A variable to take out of its environment; can be repeated
    #[arg(long, value_name = "NAME")]
    unset_env: Vec<String>,
    /// A mark to take off; can be repeated
    #[arg(long, value_name = "NAME")]
    unset_label: Vec<String>,
    /// Set back to the default, before all that is given; can be repeated
    #[arg(long, value_name = "FIELD", value_parser = PossibleValuesParser::new(CLEARED.map(|(flag, _, _)| flag)))]
    clear: Vec<String>,
    /// Drain and restart it, if it is meant to run [default: it runs on by the old definition until its next start]
    #[arg(long)]
    now: bool,
    /// With --now, how long to wait until it runs
    #[arg(long, value_name = "TIME", value_parser = span, default_value = DEFAULT_WAIT)]
    wait: Duration,
}

type Clear = fn(&mut ActorConfig);

/// What can be set back: under which name, which field of the API it is, and how.
const CLEARED: [(&str, &str, Clear); 16] = [
    ("env", "env", |config| config.env_names.clear()),
    ("label", "labels", |config| config.labels.clear()),
    ("health-check", "health_check", |config| config.health_check.clear()),
    ("after", "dependencies", |config| config.dependencies.clear()),
    ("args", "args", |config| config.args.clear()),
    ("working-dir", "working_dir", |config| config.working_dir.clear()),
    ("sha256", "binary_sha256", |config| config.binary_sha256.clear()),
    ("drain-timeout", "drain_timeout", |config| config.drain_timeout = None),
    ("start-timeout", "start_timeout", |config| config.start_timeout = None),
    ("readiness", "readiness", |config| config.readiness = 0),
    ("restart", "restart_policy", |config| config.restart_policy = None),
    ("health", "health_policy", |config| config.health_policy = None),
    ("run-as", "run_as", |config| config.run_as = None),
    ("limits", "limits", |config| config.limits = None),
    ("no-new-privileges", "no_new_privileges", |config| config.no_new_privileges = false),
    ("die-with-process-manager", "die_with_process_manager", |config| {
        config.die_with_process_manager = false;
    }),
];

pub(super) async fn run(server: &mut Server, out: Output, args: UpdateArgs) -> Result<Exit, Failure> {
    let (now, wait) = (args.now, args.wait);
    // Read first: one variable more is a change of the whole environment to the API.
    let get = GetActorRequest { actor_id: args.actor.clone(), ..Default::default() };
    let there = server.get_actor(client::call(get)).await?.into_inner().actor.unwrap_or_default();
    let mut config = there.config.unwrap_or_default();
    let actor_id = args.actor.clone();
    let mut paths = args.write(&mut config)?;
    if paths.is_empty() {
        return Err(Failure::usage(
            "nothing to change: name at least one field, for instance --drain-timeout 1m",
        ));
    }
    paths.sort_unstable();
    paths.dedup();
    let request = UpdateActorRequest {
        actor_id,
        config: Some(config),
        update_mask: Some(FieldMask { paths: paths.into_iter().map(str::to_owned).collect() }),
        apply: if now { Apply::Restart } else { Apply::NextStart }.into(),
        drain_timeout: None,
        // Somebody who was faster is not overwritten.
        etag: there.etag,
        max_wait: to_proto(wait),
    };
    let answer = server.update_actor(client::waiting_call(request, wait)).await?.into_inner();
    out.response(&answer, ids(&answer.actor), || rows(&answer.actor))?;
    let running = answer.actor.as_ref().is_some_and(|actor| actor.state() == State::Running);
    if answer.restarted && !running {
        out.notice("the wait is over before it runs again; it goes on, see `hero-supervisor actor ls`");
        return Ok(Exit::TimedOut);
    }
    Ok(Exit::Ok)
}

impl UpdateArgs {
    /// Makes the new definition of the old one; answers with the fields that were touched.
    fn write(self, config: &mut ActorConfig) -> Result<Vec<&'static str>, Failure> {
        let mut touched = Vec::new();
        for (flag, field, clear) in CLEARED {
            if self.clear.iter().any(|cleared| cleared == flag) {
                clear(config);
                touched.push(field);
            }
        }
        if !self.unset_env.is_empty() {
            // Their values were not read; those that are only named stay as they are.
            config.env_names.retain(|name| !self.unset_env.contains(name));
            touched.push("env");
        }
        if !self.unset_label.is_empty() {
            config.labels.retain(|name, _| !self.unset_label.contains(name));
            touched.push("labels");
        }
        if let Some(binary) = self.binary {
            config.binary_path = absolute(binary)?;
            touched.push("binary_path");
        }
        touched.extend(self.definition.write(config)?);
        Ok(touched)
    }
}
