//! Rules for changes of the template of a queue's actors.

use crate::domain::model::actor::ActorConfig;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::text::has_word;
use crate::domain::model::violation::Violations;

/// Most bytes of a queue's name in those of its actors.
const LONGEST_STEM: usize = 48;

/// Gives a requested template its name, which new actors replace in arguments, environment and health check by their own.
///
/// A template that is stored already keeps its name. Any other keeps the stored name if it mentions that, and gets the
/// usual name otherwise: `QUEUE_actor_0`.
pub fn name_template(queue: QueueName, stored: Option<&ActorConfig>, requested: ActorConfig) -> ActorConfig {
    if let Some(stored) = stored {
        let named = ActorConfig { name: stored.name.clone(), ..requested.clone() };
        if named == *stored || mentions(&named, &stored.name) {
            return named;
        }
    }
    ActorConfig { name: usual_name(queue), ..requested }
}

/// Returns the name of a template that was taken from no actor.
///
/// A name of an actor begins with a letter, and is no longer than that of a queue.
pub fn usual_name(queue: QueueName) -> String {
    let name = queue.as_str();
    let letter = if name.starts_with(|c: char| c.is_ascii_digit()) { "q" } else { "" };
    format!("{letter}{}_actor_0", &name[..name.len().min(LONGEST_STEM)])
}

/// Returns the template to store; None if the stored one stays.
///
/// # Errors
/// A violation if the template is taken away: running actors were made from it.
pub fn replacement(
    stored: Option<&ActorConfig>,
    changed: Option<ActorConfig>,
) -> Result<Option<ActorConfig>, Violations> {
    match (stored, changed) {
        (Some(_), None) => {
            let description = "cannot be taken away, only replaced: running actors were made from it";
            Err(Violations::one("settings.actor_template", description))
        }
        (stored, changed) => Ok(changed.filter(|changed| stored != Some(changed))),
    }
}

fn mentions(config: &ActorConfig, name: &str) -> bool {
    let mut texts = config.args.iter().chain(config.env.values()).chain(&config.health_check);
    texts.any(|text| has_word(text, name))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::domain::model::id::ActorId;
    use crate::domain::model::script_type::ScriptType;

    fn template(name: &str, args: &[&str]) -> ActorConfig {
        let config = ActorConfig::new(name.to_owned(), PathBuf::from("/bin/a"), ScriptType::SAL);
        config.with_args(args.iter().map(|arg| (*arg).to_owned()).collect())
    }

    #[test]
    fn a_new_template_keeps_the_name_that_it_mentions_and_gets_the_usual_one_otherwise() {
        let stored = template("worker", &[]);
        let name = |stored: Option<&ActorConfig>, requested: ActorConfig| {
            name_template(ScriptType::SAL.into(), stored, requested).name
        };
        assert_eq!(name(None, template("x", &[])), "sal_actor_0");
        assert_eq!(name(Some(&stored), stored.clone()), "worker", "it stays as it is");
        assert_eq!(name(Some(&stored), template("x", &["--id=worker"])), "worker");
        assert_eq!(name(Some(&stored), template("x", &["sal_actor_0"])), "sal_actor_0");
        let sal = template("sal", &[]);
        assert_eq!(name(Some(&sal), template("x", &["--actor-id sal_actor_0"])), "sal_actor_0");
        let mut checked = template("x", &[]);
        checked.health_check = Some("test -e /run/worker".to_owned());
        assert_eq!(name(Some(&stored), checked), "worker");
    }

    #[test]
    fn every_queue_has_a_name_for_its_actors() {
        for (queue, name) in [("python-gpu", "python-gpu_actor_0"), ("7", "q7_actor_0")] {
            assert_eq!(usual_name(QueueName::parse(queue).unwrap()), name);
        }
        let long = usual_name(QueueName::parse(&"7".repeat(63)).unwrap());
        assert!(ActorId::parse(&long).is_ok(), "{long}");
    }

    #[test]
    fn a_template_is_stored_when_it_changes_and_never_taken_away() {
        let (old, new) = (template("worker", &[]), template("worker", &["--new"]));
        assert_eq!(replacement(None, None).unwrap(), None);
        assert_eq!(replacement(None, Some(new.clone())).unwrap(), Some(new.clone()));
        assert_eq!(replacement(Some(&old), Some(old.clone())).unwrap(), None);
        assert_eq!(replacement(Some(&old), Some(new.clone())).unwrap(), Some(new));
        let refused = replacement(Some(&old), None).unwrap_err();
        assert!(refused.to_string().contains("settings.actor_template: cannot be taken away"), "{refused}");
    }
}
