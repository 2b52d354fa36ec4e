//! The etag of an actor: a digest of its definition and its desired state.
//!
//! Every field is written out here, so that two supervisors that were built by different toolchains agree.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{ActorConfig, Desired, Readiness, RestartMode, RestartPolicy};
use crate::domain::model::confinement::{Confinement, ResourceLimits, RunAs};
use crate::domain::model::health::{HealthSettings, UnhealthyAction};

/// Bytes of the digest that are shown; a collision between two definitions of one actor is not a danger, only unlikely.
const SHOWN_BYTES: usize = 8;

/// Returns the etag of a definition and a desired state, in hex.
pub(super) fn etag(config: &ActorConfig, desired: Desired) -> String {
    let mut fields = Fields(Sha256::new());
    fields.config(config);
    fields.number(match desired {
        Desired::Down => 0,
        Desired::Up => 1,
    });
    fields.0.finalize().iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// A digest that is fed field by field. Each text carries its length, so that two fields cannot flow into each other.
struct Fields(Sha256);

impl Fields {
    fn config(&mut self, config: &ActorConfig) {
        // Named one by one: the compiler asks for each new field.
        let ActorConfig {
            name,
            binary,
            script_type,
            queue,
            args,
            env,
            env_from_file,
            secret_env,
            health_check,
            dependencies,
            working_dir,
            sha256,
            drain_timeout,
            start_timeout,
            readiness,
            restart,
            labels,
            health,
            confinement,
        } = config;
        self.text(name);
        self.path(binary);
        self.text(script_type.as_str());
        self.texts(args);
        self.map(env);
        self.option(health_check.as_ref(), |fields, command| fields.text(command));
        self.texts(dependencies);
        self.option(working_dir.as_ref(), |fields, folder| fields.path(folder));
        self.option(sha256.as_ref(), |fields, digest| fields.text(digest));
        self.span(*drain_timeout);
        self.span(*start_timeout);
        self.number(match readiness {
            Readiness::Queue => 0,
            Readiness::Process => 1,
        });
        self.restart(restart);
        self.map(labels);
        self.health(health);
        self.confinement(confinement);
        if let Some(queue) = queue {
            self.text(queue.as_str());
        }
        // Definitions without them have the etag that supervisors of before have given them.
        if !env_from_file.is_empty() || !secret_env.is_empty() {
            self.number(env_from_file.len() as u64);
            for (name, path) in env_from_file {
                self.text(name);
                self.path(path);
            }
            self.number(secret_env.len() as u64);
            for name in secret_env {
                self.text(name);
            }
        }
    }

    fn restart(&mut self, policy: &RestartPolicy) {
        let RestartPolicy { mode, backoff, reset_after, max_restarts, window } = policy;
        self.number(match mode {
            RestartMode::Always => 0,
            RestartMode::OnFailure => 1,
            RestartMode::Never => 2,
        });
        self.span(backoff.initial());
        self.span(backoff.max());
        self.span(*reset_after);
        self.number(u64::from(*max_restarts));
        self.span(*window);
    }

    fn health(&mut self, settings: &HealthSettings) {
        let HealthSettings { idle_after, ping_timeout, retry_after, failure_threshold, action } = settings;
        for span in [idle_after, ping_timeout, retry_after] {
            self.option(*span, Self::span);
        }
        self.option(failure_threshold.map(u64::from), Self::number);
        self.option(*action, |fields, action| {
            fields.number(match action {
                UnhealthyAction::Restart => 0,
                UnhealthyAction::ReportOnly => 1,
            });
        });
    }

    fn confinement(&mut self, confinement: &Confinement) {
        let Confinement { run_as, limits, no_new_privileges, die_with_manager } = confinement;
        self.option(run_as.as_ref(), |fields, run_as| {
            let RunAs { user, group, supplementary_groups } = run_as;
            fields.text(user);
            fields.option(group.as_ref(), |fields, group| fields.text(group));
            fields.texts(supplementary_groups);
        });
        let ResourceLimits { memory_bytes, open_files, cpu_time, processes, core_bytes } = limits;
        for limit in [memory_bytes, open_files, processes, core_bytes] {
            self.option(*limit, Self::number);
        }
        self.option(*cpu_time, Self::span);
        self.number(u64::from(*no_new_privileges));
        self.number(u64::from(*die_with_manager));
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn path(&mut self, path: &Path) {
        self.bytes(path.as_os_str().as_encoded_bytes());
    }

    fn texts(&mut self, texts: &[String]) {
        self.number(texts.len() as u64);
        texts.iter().for_each(|text| self.text(text));
    }

    fn map(&mut self, map: &BTreeMap<String, String>) {
        self.number(map.len() as u64);
        for (name, value) in map {
            self.text(name);
            self.text(value);
        }
    }

    fn span(&mut self, span: Duration) {
        self.number(span.as_secs());
        self.number(u64::from(span.subsec_nanos()));
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::script_type::ScriptType;

    fn config() -> ActorConfig {
        ActorConfig::new("osis_actor_0".to_owned(), "/usr/bin/osis_actor".into(), ScriptType::OSIS)
    }

    #[test]
    fn an_etag_is_the_same_for_every_toolchain() {
        assert_eq!(etag(&config(), Desired::Up), "0a786d171cafb8f7");
    }

    #[test]
    fn another_definition_or_desired_state_is_another_etag() {
        let plain = etag(&config(), Desired::Up);
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let health = HealthSettings { failure_threshold: Some(2), ..HealthSettings::default() };
        let confinement = Confinement { no_new_privileges: true, ..Confinement::default() };
        for other in [
            config().with_args(vec!["ab".to_owned()]),
            config().with_args(vec!["a".to_owned(), "b".to_owned()]),
            config().with_health_check(String::new()),
            ActorConfig { readiness: Readiness::Process, ..config() },
            ActorConfig { labels: labels.clone(), ..config() },
            ActorConfig { env: labels, ..config() },
            ActorConfig { health, ..config() },
            ActorConfig { confinement, ..config() },
            ActorConfig { drain_timeout: Duration::from_nanos(1), ..config() },
        ] {
            assert_ne!(etag(&other, Desired::Up), plain, "{other:?}");
        }
        assert_ne!(etag(&config(), Desired::Down), plain);
    }
}
