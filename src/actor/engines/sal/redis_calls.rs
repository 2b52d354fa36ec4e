//! A Redis for scripts.

use std::sync::Arc;
use std::time::Duration;

use rhai::{Array, Dynamic, EvalAltResult, INT, ImmutableString, Map};

use super::context::{Called, Context};
use super::registry::Registry;
use crate::ports::script_redis::Answer;

/// Longest wait for an answer; a job that is over does not wait at all.
const TIME_LIMIT: Duration = Duration::from_secs(5);

const ABOUT: &str =
    "For scripts of an actor that was started with `--script-redis-url`; without it they throw.";

pub(super) fn write(registry: &mut Registry, context: &Arc<Context>) {
    registry.family("Redis", ABOUT);
    type Text = ImmutableString;

    let c = Arc::clone(context);
    registry.add("redis_ping", &[], "`PONG`, if it is there.", move || text(ask(&c, "PING", &[])?));
    let c = Arc::clone(context);
    registry.add("redis_set", &["key", "value"], "Sets a text.", move |key: Text, value: Text| {
        done(ask(&c, "SET", &[&key, &value])?)
    });
    let c = Arc::clone(context);
    let about = "The text at a key; empty if there is none.";
    registry.add("redis_get", &["key"], about, move |key: Text| text(ask(&c, "GET", &[&key])?));
    let c = Arc::clone(context);
    registry.add("redis_del", &["key"], "Removes a key; true if it was there.", move |key: Text| {
        yes(ask(&c, "DEL", &[&key])?)
    });
    let c = Arc::clone(context);
    let about = "Lets a key end after so many seconds; false if there is no such key.";
    registry.add("redis_expire", &["key", "seconds"], about, move |key: Text, seconds: INT| {
        yes(ask(&c, "EXPIRE", &[&key, &seconds.to_string()])?)
    });
    let c = Arc::clone(context);
    registry.add(
        "redis_hset",
        &["key", "field", "value"],
        "Sets a field.",
        move |key: Text, field: Text, value: Text| done(ask(&c, "HSET", &[&key, &field, &value])?),
    );
    let c = Arc::clone(context);
    let about = "The text of a field; empty if there is none.";
    registry.add("redis_hget", &["key", "field"], about, move |key: Text, field: Text| {
        text(ask(&c, "HGET", &[&key, &field])?)
    });
    let c = Arc::clone(context);
    registry.add("redis_hgetall", &["key"], "All fields and their texts.", move |key: Text| {
        let all = texts(ask(&c, "HGETALL", &[&key])?)?;
        let pairs = all.chunks_exact(2).map(|pair| (pair[0].as_str().into(), pair[1].clone().into()));
        Ok(pairs.collect::<Map>()) as Called<Map>
    });
    let c = Arc::clone(context);
    registry.add(
        "redis_hdel",
        &["key", "field"],
        "Removes a field; true if it was there.",
        move |key: Text, field: Text| yes(ask(&c, "HDEL", &[&key, &field])?),
    );
    for (name, command, about) in [
        ("redis_rpush", "RPUSH", "Adds a text at the end of a list; its new length."),
        ("redis_lpush", "LPUSH", "Adds a text at the beginning of a list; its new length."),
    ] {
        let c = Arc::clone(context);
        registry.add(name, &["key", "value"], about, move |key: Text, value: Text| {
            number(ask(&c, command, &[&key, &value])?)
        });
    }
    let c = Arc::clone(context);
    registry.add("redis_llen", &["key"], "The length of a list.", move |key: Text| {
        number(ask(&c, "LLEN", &[&key])?)
    });
    let c = Arc::clone(context);
    let about = "A part of a list, both ends included; -1 is the last.";
    registry.add(
        "redis_lrange",
        &["key", "start", "stop"],
        about,
        move |key: Text, start: INT, stop: INT| {
            let found = texts(ask(&c, "LRANGE", &[&key, &start.to_string(), &stop.to_string()])?)?;
            Ok(found.into_iter().map(Dynamic::from).collect::<Array>()) as Called<Array>
        },
    );
}

fn ask(context: &Context, command: &str, args: &[&str]) -> Called<Answer> {
    let Some(redis) = &context.redis else {
        return Err("there is no Redis for scripts: start sal_actor with --script-redis-url".into());
    };
    let time_limit = context.session.left().min(TIME_LIMIT);
    if time_limit.is_zero() {
        return Err(Context::over());
    }
    match redis.ask(command, args, time_limit) {
        Ok(answer) => Ok(answer),
        Err(_late) if context.session.is_over() => Err(Context::over()),
        Err(why) => Err(format!("Redis: {why}").into()),
    }
}

fn done(_answer: Answer) -> Called<()> {
    Ok(())
}

fn text(answer: Answer) -> Called<String> {
    match answer {
        Answer::Text(text) => Ok(text),
        Answer::Nothing => Ok(String::new()),
        other @ (Answer::Number(_) | Answer::Texts(_)) => Err(unexpected(&other)),
    }
}

fn number(answer: Answer) -> Called<INT> {
    match answer {
        Answer::Number(number) => Ok(number),
        other @ (Answer::Nothing | Answer::Text(_) | Answer::Texts(_)) => Err(unexpected(&other)),
    }
}

fn yes(answer: Answer) -> Called<bool> {
    number(answer).map(|count| count > 0)
}

fn texts(answer: Answer) -> Called<Vec<String>> {
    match answer {
        Answer::Texts(texts) => Ok(texts),
        other @ (Answer::Nothing | Answer::Text(_) | Answer::Number(_)) => Err(unexpected(&other)),
    }
}

fn unexpected(answer: &Answer) -> Box<EvalAltResult> {
    format!("Redis: it answers with {answer:?}").into()
}
