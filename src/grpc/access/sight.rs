//! Visible parts of actors, jobs and events: secrets and payloads are taken out of answers.

use crate::domain::access::{Allowed, Permit, Target};
use crate::domain::model::secret::{MASKED, is_secret_name, mask_words};
use crate::proto as pb;
use crate::proto::event::Detail;

/// Visible parts of answers to one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Values that look secret.
    secrets: bool,
    /// Scripts, inputs, environments, results and logs.
    payloads: bool,
    /// Definitions of actors.
    actors: bool,
}

impl Sight {
    /// Returns what the caller of a call may see.
    pub(crate) fn of(permit: &Permit) -> Self {
        let allowed = permit.decide(Target::Call);
        let is = |part: fn(&Allowed) -> bool| allowed.as_ref().is_ok_and(part);
        Self {
            secrets: permit.sees_secrets(),
            payloads: is(|allowed| allowed.payloads),
            actors: is(|allowed| allowed.whole && !allowed.own_only),
        }
    }

    /// Takes out of an actor what the caller may not see.
    pub(crate) fn actor(self, mut actor: pb::Actor) -> pb::Actor {
        for config in actor.config.iter_mut().chain(&mut actor.running_config) {
            self.mask(config);
        }
        if let Some(exit) = &mut actor.last_exit
            && !self.payloads
        {
            exit.log_tail.clear();
        }
        actor
    }

    /// The same for the results of many actors.
    pub(crate) fn results(self, mut results: Vec<pb::ActorResult>) -> Vec<pb::ActorResult> {
        for result in &mut results {
            result.actor = result.actor.take().map(|actor| self.actor(actor));
        }
        results
    }

    /// The same for a script type. Its counts are shown to everybody who may ask.
    pub(crate) fn script_type(self, mut status: pb::ScriptTypeStatus) -> pb::ScriptTypeStatus {
        if let Some(settings) = &mut status.settings {
            match &mut settings.actor_template {
                Some(template) if self.actors => self.mask(template),
                Some(_) | None => settings.actor_template = None,
            }
        }
        if !self.actors {
            status.last_scaling_decision = None;
        }
        status
    }

    /// Returns true if nothing is taken out of events.
    pub(crate) fn sees_whole_events(self) -> bool {
        self.payloads
    }

    /// The same for an event.
    pub(crate) fn event(self, mut event: pb::Event) -> pb::Event {
        if let Some(Detail::ActorExit(exit)) = &mut event.detail
            && !self.payloads
        {
            exit.log_tail.clear();
        }
        event
    }

    fn mask(self, config: &mut pb::ActorConfig) {
        if self.secrets {
            return;
        }
        let marked = &config.secret_env;
        let is_secret = |name: &String| is_secret_name(name) || marked.contains(name);
        for (_, value) in config.env.iter_mut().filter(|(name, _)| is_secret(name)) {
            MASKED.clone_into(value);
        }
        config.args = mask_words(config.args.iter().map(String::as_str));
        config.health_check = mask_words(config.health_check.split(' ')).join(" ");
    }
}

/// Takes out of a job what may not be shown of it.
pub(crate) fn visible_job(allowed: Allowed, mut job: pb::Job) -> pb::Job {
    if !allowed.payloads {
        job.result = None;
        if let Some(error) = &mut job.error {
            error.log_tail.clear();
        }
        if let Some(spec) = &mut job.spec {
            spec.script.clear();
            spec.input.clear();
            spec.env.clear();
        }
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLIND: Sight = Sight { secrets: false, payloads: false, actors: true };
    const ADMIN: Sight = Sight { secrets: true, payloads: true, actors: true };

    fn actor() -> pb::Actor {
        let config = pb::ActorConfig {
            args: ["--redis-url", "redis://:s3cret@h", "--level", "3"].map(str::to_owned).into(),
            health_check: "check --token s3cret".to_owned(),
            secret_env: vec!["MARKED".to_owned()],
            env: [("API_TOKEN", "s3cret"), ("MARKED", "s3cret"), ("LEVEL", "3")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Default::default()
        };
        let last_exit = pb::ActorExit { log_tail: vec!["s3cret".to_owned()], ..Default::default() };
        let running_config = Some(config.clone());
        pb::Actor { config: Some(config), running_config, last_exit: Some(last_exit), ..Default::default() }
    }

    #[test]
    fn nothing_secret_of_an_actor_is_left_for_others_than_admins() {
        let shown = BLIND.actor(actor());
        assert!(!format!("{shown:?}").contains("s3cret"), "{shown:?}");
        let config = shown.config.unwrap();
        assert_eq!((config.env["API_TOKEN"].as_str(), config.env["LEVEL"].as_str()), ("***", "3"));
        assert_eq!(ADMIN.actor(actor()), actor());
    }

    #[test]
    fn a_job_without_its_payloads_is_still_a_job() {
        let spec =
            pb::JobSpec { script: "s3cret".to_owned(), input: "\"s3cret\"".to_owned(), ..Default::default() };
        let error = pb::JobError {
            message: "boom".to_owned(),
            log_tail: vec!["s3cret".to_owned()],
            ..Default::default()
        };
        let job = pb::Job {
            job_id: "j".to_owned(),
            spec: Some(spec),
            result: Some("s3cret".to_owned()),
            error: Some(error),
            ..Default::default()
        };
        let blind = Allowed { payloads: false, ..Allowed::ALL };
        let shown = visible_job(blind, job.clone());
        assert!(!format!("{shown:?}").contains("s3cret"), "{shown:?}");
        assert_eq!((shown.job_id.as_str(), shown.error.unwrap().message.as_str()), ("j", "boom"));
        assert_eq!(visible_job(Allowed::ALL, job.clone()), job);
    }
}
