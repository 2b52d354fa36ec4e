//! `actor update`: the given flags become the change and its update mask.

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

/// Options of `actor update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Name of the actor
    actor: String,
    /// Program of the actor
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// The fields to change; others stay as they are.
    #[command(flatten)]
    definition: DefinitionArgs,
    /// Environment variable to remove; can be repeated
    #[arg(long, value_name = "NAME")]
    unset_env: Vec<String>,
    /// Label to remove; can be repeated
    #[arg(long, value_name = "NAME")]
    unset_label: Vec<String>,
    /// Reset a field to its default, before the other flags apply; can be repeated
    #[arg(long, value_name = "FIELD", value_parser = PossibleValuesParser::new(CLEARED.map(|(flag, _, _)| flag)))]
    clear: Vec<String>,
    /// Drain and restart a running actor at once [default: the change takes effect at the next start]
    #[arg(long)]
    now: bool,
    /// With --now, the longest wait until the actor runs
    #[arg(long, value_name = "TIME", value_parser = span, default_value = DEFAULT_WAIT)]
    wait: Duration,
}

type Clear = fn(&mut ActorConfig);

/// Fields that can be reset: name of the flag, name of the field, and the reset.
const CLEARED: [(&str, &str, Clear); 18] = [
    ("env", "env", |config| config.env_names.clear()),
    ("env-from-file", "env_from_file", |config| config.env_from_file.clear()),
    ("secret-env", "secret_env", |config| config.secret_env.clear()),
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
    // The definition is read first, because the API replaces the environment as a whole.
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
        // Guards against concurrent changes.
        etag: there.etag,
        max_wait: to_proto(wait),
        local_only: false,
    };
    let answer = server.update_actor(client::waiting_call(request, wait)).await?.into_inner();
    out.listing(&answer, ids(&answer.actor), || rows(&answer.actor))?;
    let running = answer.actor.as_ref().is_some_and(|actor| actor.state() == State::Running);
    if answer.restarted && !running {
        out.notice("the wait has ended before the actor runs again; see `hero-supervisor actor ls`");
        return Ok(Exit::TimedOut);
    }
    Ok(Exit::Ok)
}

impl UpdateArgs {
    /// Applies the flags to the definition. Returns the API names of the changed fields.
    fn write(self, config: &mut ActorConfig) -> Result<Vec<&'static str>, Failure> {
        let mut touched = Vec::new();
        for (flag, field, clear) in CLEARED {
            if self.clear.iter().any(|cleared| cleared == flag) {
                clear(config);
                touched.push(field);
            }
        }
        if !self.unset_env.is_empty() {
            // The values were not read; variables that are only named keep theirs.
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
