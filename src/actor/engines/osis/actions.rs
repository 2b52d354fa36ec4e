//! The object actions for HeroScript.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::objects::{ID, Objects};
use crate::actor::engines::heroscript::run::{Command, Given, Playbooks};

/// Arguments of `osis.set` that are not fields of the object.
const TYPE: &str = "type";
const DATA: &str = "data";
const REVISION: &str = "revision";

/// The actions that OSIS playbooks may use.
pub(super) fn playbooks(objects: &Arc<Objects>) -> Playbooks {
    let of = || Arc::clone(objects);
    let mut playbooks = Playbooks::new();
    playbooks
        .add(Command::new("osis", "new", &[TYPE], &[], |_| Ok(Some(Value::Object(Objects::new_object())))));
    let o = of();
    let set = move |given: &Given<'_>| {
        let expected = given.get(REVISION).map(revision).transpose()?;
        o.set(given.need(TYPE)?, object(given)?, expected, given.left()).map(text)
    };
    playbooks.add(Command::new("osis", "set", &[TYPE], &[ID, DATA, REVISION], set).with_any_other());
    let o = of();
    playbooks.add(Command::new("osis", "get", &[TYPE, ID], &[], move |given| {
        let object = o.get(given.need(TYPE)?, given.need(ID)?, given.left())?;
        Ok(Some(object.map_or(Value::Null, Value::Object)))
    }));
    let o = of();
    playbooks.add(Command::new("osis", "delete", &[TYPE, ID], &[], move |given| {
        o.delete(given.need(TYPE)?, given.need(ID)?, given.left()).map(|was_there| Some(was_there.into()))
    }));
    let o = of();
    playbooks.add(Command::new("osis", "exists", &[TYPE, ID], &[], move |given| {
        let revision = o.revision(given.need(TYPE)?, given.need(ID)?, given.left())?;
        Ok(Some((revision > 0).into()))
    }));
    let o = of();
    playbooks.add(Command::new("osis", "list", &[TYPE], &[], move |given| {
        o.list(given.need(TYPE)?, given.left()).map(|ids| Some(ids.into()))
    }));
    let o = of();
    playbooks.add(Command::new("osis", "find", &[TYPE, "field", "value"], &[], move |given| {
        let (field, value) = (given.need("field")?, given.need("value")?);
        o.find(given.need(TYPE)?, field, value, given.left()).map(|ids| Some(ids.into()))
    }));
    playbooks
}

/// The object that the arguments of `osis.set` describe: the fields of `data`, and every other argument as a text.
fn object(given: &Given<'_>) -> Result<Map<String, Value>, String> {
    let mut object = given.get(DATA).map(parse).transpose()?.unwrap_or_default();
    for (key, value) in given.all() {
        if ![TYPE, DATA, REVISION].contains(&key) {
            object.insert(key.to_owned(), value.into());
        }
    }
    Ok(object)
}

fn parse(data: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(data).map_err(|error| format!("data: is not a JSON object: {error}"))
}

fn revision(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("revision:{text} is not a number"))
}

fn text(id: String) -> Option<Value> {
    Some(Value::String(id))
}
