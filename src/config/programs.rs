//! The programs that a configuration file names.

use figment::value::{Dict, Value};

use super::{Loaded, actors, script_types};
use crate::domain::model::actor::ActorConfig;

impl Loaded {
    /// Returns the definitions that name their program, each with the path of its table.
    pub fn programs(&self) -> impl Iterator<Item = (String, &ActorConfig)> {
        let actors = self.actors.iter().map(|actor| (self.table_of(&actor.config.name), &actor.config));
        let templates = self.script_types.iter().filter_map(|rules| {
            let table = format!("{}.{}.actor_template", script_types::KEY, rules.script_type);
            Some((table, rules.template.as_ref()?))
        });
        let of_queues = self.queues.iter().filter_map(|queue| {
            Some((format!("{}.actor_template", queue.table), queue.settings.template.as_ref()?))
        });
        actors
            .chain(templates)
            .chain(of_queues)
            .filter(|(_table, config)| !config.binary.as_os_str().is_empty())
    }

    /// Returns the path of the table of an actor. The order of the tables is not that of the actors.
    fn table_of(&self, name: &str) -> String {
        let is_it = |table: &Dict| table.get("name").and_then(Value::as_str) == Some(name);
        let index = self.raw_actors.iter().position(is_it).unwrap_or_default();
        format!("{}[{index}]", actors::KEY)
    }
}
