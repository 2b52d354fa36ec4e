//! The object functions for Rhai.

use std::sync::Arc;

use rhai::serde::{from_dynamic, to_dynamic};
use rhai::{Array, Dynamic, EvalAltResult, INT, ImmutableString, Map, Module};
use serde_json::Value;

use super::objects::{CallResult, Objects, as_text};
use crate::actor::engines::rhai::functions::global;
use crate::actor::engines::rhai::session::Session;
use crate::actor::engines::rhai::value::{Unfit, check};

type Called<T> = Result<T, Box<EvalAltResult>>;

/// The functions, tied to the store and the session of their engine.
pub(super) fn module(objects: &Arc<Objects>, session: &Arc<Session>) -> Module {
    let mut module = Module::new();
    global("osis_new").set_into_module(&mut module, |_kind: ImmutableString| to_map(Objects::new_object()));
    writing(&mut module, objects, session);
    reading(&mut module, objects, session);
    module.build_index();
    module
}

fn writing(module: &mut Module, objects: &Arc<Objects>, session: &Arc<Session>) {
    let (o, s) = (Arc::clone(objects), Arc::clone(session));
    global("osis_set").set_into_module(module, move |kind: ImmutableString, object: Map| {
        thrown(o.set(&kind, from_map(object)?, None, s.left()))
    });
    let (o, s) = (Arc::clone(objects), Arc::clone(session));
    global("osis_set").set_into_module(module, move |kind: ImmutableString, object: Map, revision: INT| {
        let expected = u64::try_from(revision).map_err(|_| "a revision is not negative")?;
        thrown(o.set(&kind, from_map(object)?, Some(expected), s.left()))
    });
    let (o, s) = (Arc::clone(objects), Arc::clone(session));
    global("osis_delete").set_into_module(module, move |kind: ImmutableString, id: Dynamic| {
        thrown(o.delete(&kind, &text(&id)?, s.left()))
    });
}

fn reading(module: &mut Module, objects: &Arc<Objects>, session: &Arc<Session>) {
    let (o, s) = (Arc::clone(objects), Arc::clone(session));
    global("osis_get").set_into_module(module, move |kind: ImmutableString, id: Dynamic| {
        let object = thrown(o.get(&kind, &text(&id)?, s.left()))?;
        object.map_or(Ok(Dynamic::UNIT), |object| to_map(object).map(Dynamic::from))
    });
    let (o, s) = (Arc::clone(objects), Arc::clone(session));
    global("osis_exists").set_into_module(module, move |kind: ImmutableString, id: Dynamic| {
        thrown(o.revision(&kind, &text(&id)?, s.left()).map(|revision| revision > 0))
    });
    let (o, s) = (Arc::clone(objects), Arc::clone(session));
    global("osis_revision").set_into_module(module, move |kind: ImmutableString, id: Dynamic| {
        thrown(
            o.revision(&kind, &text(&id)?, s.left())
                .map(|revision| INT::try_from(revision).unwrap_or(INT::MAX)),
        )
    });
    let (o, s) = (Arc::clone(objects), Arc::clone(session));
    global("osis_list").set_into_module(module, move |kind: ImmutableString| array(o.list(&kind, s.left())));
    let (o, s) = (Arc::clone(objects), Arc::clone(session));
    global("osis_find").set_into_module(
        module,
        move |kind: ImmutableString, field: ImmutableString, value: Dynamic| {
            array(o.find(&kind, &field, &text(&value)?, s.left()))
        },
    );
}

fn thrown<T>(asked: CallResult<T>) -> Called<T> {
    asked.map_err(Into::into)
}

fn array(ids: CallResult<Vec<String>>) -> Called<Array> {
    thrown(ids).map(|ids| ids.into_iter().map(Dynamic::from).collect())
}

fn to_map(object: serde_json::Map<String, Value>) -> Called<Map> {
    to_dynamic(Value::Object(object)).map(|value| value.try_cast::<Map>().unwrap_or_default())
}

/// Converts an object to JSON that can be read again: not nested deeper than the parser reads, and without numbers that
/// JSON lacks.
fn from_map(object: Map) -> Called<serde_json::Map<String, Value>> {
    /// Maps and arrays in each other, the object included.
    const MAX_LEVELS: usize = 120;
    let object = Dynamic::from(object);
    match check(&object, MAX_LEVELS) {
        Ok(()) => from_dynamic(&object),
        Err(Unfit::TooDeep) => {
            Err(format!("an object has at most {MAX_LEVELS} maps and arrays in each other").into())
        }
        Err(Unfit::NotFinite) => {
            Err("an object has no NaN and no infinite number, which JSON does not have: store a text".into())
        }
    }
}

/// Ids and values as they are compared.
fn text(value: &Dynamic) -> Called<String> {
    let value: Value = match value.is_array() || value.is_map() {
        true => Value::Null,
        false => from_dynamic(value)?,
    };
    as_text(&value).ok_or_else(|| "use a text, a number, true or false here".into())
}
