//! Keys that hold another type of value than ours (Redis says WRONGTYPE): somebody else has written them. Redis does not say which
//! key, so it is looked for, once a call has failed.

use redis::aio::MultiplexedConnection;
use redis::{Arg, Cmd, RedisError};

use super::connection::refusal;
use super::keys;
use crate::ports::store_fault::StoreFault;

/// Keys and words of a command that are looked at.
const LOOKED_AT: usize = 64;

/// True when the error is that a key holds another type.
pub(super) fn is_it(error: &RedisError) -> bool {
    refusal::code(error).is_some_and(|code| code == "WRONGTYPE")
}

/// The error of a command that has met such a key, which it names.
pub(super) async fn named(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
    error: &RedisError,
) -> StoreFault {
    let candidates = candidates(&words_of(command));
    let mut ask = redis::pipe();
    for key in &candidates {
        ask.cmd("TYPE").arg(key);
    }
    let types: Vec<String> = match candidates.is_empty() {
        true => Vec::new(),
        false => ask.query_async(connection).await.unwrap_or_default(),
    };
    let is_wrong = |(key, found): &(&String, &String)| {
        found.as_str() != "none" && keys::type_of(key).is_some_and(|expected| expected != found.as_str())
    };
    let wrong = candidates.iter().zip(&types).find(is_wrong);
    let what = match wrong {
        Some((key, found)) => format!("{key} (a {found}, which is not its type)"),
        None => candidates.first().map_or_else(|| "a key in Redis".to_owned(), Clone::clone),
    };
    StoreFault::Corrupt { what, source: refusal::words(error).into() }
}

fn words_of(command: &Cmd) -> Vec<String> {
    let word = |arg: Arg<&[u8]>| match arg {
        Arg::Simple(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        _other => None,
    };
    command.args_iter().filter_map(word).take(LOOKED_AT).collect()
}

/// The keys that a command may have used: those that it names, and those that a function derives from a queue and the words.
fn candidates(words: &[String]) -> Vec<String> {
    let mut found: Vec<String> = words.iter().filter(|word| word.starts_with("hero:")).cloned().collect();
    if words.first().is_some_and(|name| name == "FCALL")
        && let Some(key) = words.get(3)
    {
        found.extend(keys::beside(key, words.get(4..).unwrap_or_default()));
    }
    found.truncate(8 * LOOKED_AT);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::redis::functions::Function;
    use crate::domain::model::script_type::ScriptType;

    #[test]
    fn the_keys_of_a_command_and_of_a_function_are_looked_at() {
        let mut read = redis::cmd("HGETALL");
        read.arg("hero:actors");
        assert_eq!(candidates(&words_of(&read)), ["hero:actors"]);
        let mut cancel = Function::Cancel.on_queue(ScriptType::SAL.into());
        cancel.arg("j1").arg("because");
        let found = candidates(&words_of(&cancel));
        for key in ["hero:{sal}:q", "hero:job:{sal}:j1", "hero:{sal}:done", "hero:{sal}:in:j1"] {
            assert!(found.iter().any(|found| found == key), "{key}: {found:?}");
        }
        let set = Function::Set.on(keys::SETTINGS);
        assert_eq!(candidates(&words_of(&set)), [keys::SETTINGS]);
    }

    #[test]
    fn each_key_has_its_type() {
        for (key, expected) in [
            ("hero:actors", Some("hash")),
            ("hero:{events}:log", Some("stream")),
            ("hero:{events}:log:told", Some("hash")),
            ("hero:epoch", Some("string")),
            ("hero:lead:n1", Some("string")),
            ("hero:job:{osis}:j1", Some("hash")),
            ("hero:req:{osis}:r1", Some("string")),
            ("hero:{osis}:q", Some("stream")),
            ("hero:{osis}:in:a", Some("stream")),
            ("hero:{osis}:jobs", Some("zset")),
            ("hero:{osis}:inboxes", Some("set")),
            ("hero:{osis}:tick", Some("hash")),
            ("hero:obj:{obj:c}:note", Some("hash")),
            ("hero:obj:{obj:c}:note:x:f:abc", Some("set")),
            ("hero:else", None),
            ("other", None),
        ] {
            assert_eq!(keys::type_of(key), expected, "{key}");
        }
    }
}
