//! Completions of a value while it is typed: names of this program, and ids and names that a server knows.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap::{Arg, FromArgMatches};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::client::{self, Server};
use super::values::{script_type_word, word};
use super::{ClientArgs, Failure, context};
use crate::domain::access::{RULES, Role};
use crate::proto::event::{Severity, Topic};
use crate::proto::{ListActorsRequest, ListJobsRequest, ListQueuesRequest, ScriptType, job};

/// Longest time that a shell is kept waiting.
const LIMIT: Duration = Duration::from_millis(1500);
/// Most jobs, actors and queues that are offered.
const MOST: i32 = 200;

/// Adds what can stand for its value to an option, by the name of its value.
pub(super) fn complete(arg: Arg) -> Arg {
    let name = arg.get_value_names().and_then(|names| names.first()).map(|name| name.as_str().to_owned());
    // A positional argument without a name for its value is named after itself.
    let name = name.unwrap_or_else(|| arg.get_id().as_str().to_ascii_uppercase());
    let known = !arg.get_possible_values().is_empty() || !arg.get_action().takes_values();
    let completer = match name.as_str() {
        _ if known => None,
        "ACTOR" => Some(ArgValueCompleter::new(actors)),
        "JOB" => Some(ArgValueCompleter::new(jobs)),
        "QUEUE" => Some(ArgValueCompleter::new(queues)),
        "CONTEXT" => Some(ArgValueCompleter::new(contexts)),
        "TYPE" => Some(ArgValueCompleter::new(|typed: &OsStr| words(typed, &script_types()))),
        "STATE" => Some(ArgValueCompleter::new(|typed: &OsStr| words(typed, &states()))),
        "TOPIC" => Some(ArgValueCompleter::new(|typed: &OsStr| words(typed, &topics()))),
        "SEVERITY" => Some(ArgValueCompleter::new(|typed: &OsStr| words(typed, &severities()))),
        "ROLE" => Some(ArgValueCompleter::new(|typed: &OsStr| words(typed, &roles()))),
        "CALL" => Some(ArgValueCompleter::new(|typed: &OsStr| words(typed, &calls()))),
        _other => None,
    };
    match completer {
        Some(completer) => arg.add(completer),
        None => arg,
    }
}

fn script_types() -> Vec<String> {
    let all = [ScriptType::Osis, ScriptType::Sal, ScriptType::V, ScriptType::Python];
    all.into_iter().map(|script_type| script_type_word(script_type.into())).collect()
}

fn states() -> Vec<String> {
    super::job::STATES.iter().map(|state: &job::State| word(state.as_str_name(), "STATE_")).collect()
}

fn topics() -> Vec<String> {
    let all = [Topic::Actor, Topic::Health, Topic::Job, Topic::Scaling, Topic::Queue, Topic::Server];
    all.iter().map(|topic| word(topic.as_str_name(), "TOPIC_")).collect()
}

fn severities() -> Vec<String> {
    let all = [Severity::Debug, Severity::Info, Severity::Warning, Severity::Error];
    all.iter().map(|severity| word(severity.as_str_name(), "SEVERITY_")).collect()
}

fn roles() -> Vec<String> {
    Role::ALL.iter().map(|role| role.as_str().to_owned()).collect()
}

/// Returns the calls of the service; those of other services are named with a path.
fn calls() -> Vec<String> {
    let own = RULES.iter().map(|rule| rule.rpc).filter(|rpc| !rpc.contains('/'));
    own.map(str::to_owned).collect()
}

/// Returns the words that begin with what was typed; behind the last comma, if there are several.
fn words(typed: &OsStr, all: &[String]) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let (before, last) = match typed.rsplit_once(',') {
        Some((before, last)) => (format!("{before},"), last),
        None => (String::new(), &*typed),
    };
    let fitting = all.iter().filter(|word| word.starts_with(last));
    fitting.map(|word| CompletionCandidate::new(format!("{before}{word}"))).collect()
}

fn contexts(typed: &OsStr) -> Vec<CompletionCandidate> {
    words(typed, &context::names())
}

fn actors(typed: &OsStr) -> Vec<CompletionCandidate> {
    let request = ListActorsRequest { page_size: MOST, ..Default::default() };
    let names = ask(async |server: &mut Server| {
        let page = server.list_actors(client::call(request)).await?.into_inner();
        Ok(page.actors.into_iter().map(|actor| actor.actor_id).collect::<Vec<_>>())
    });
    words(typed, &names)
}

fn jobs(typed: &OsStr) -> Vec<CompletionCandidate> {
    let request = ListJobsRequest {
        page_size: MOST,
        job_id_prefix: typed.to_string_lossy().into_owned(),
        ..Default::default()
    };
    let ids = ask(async |server: &mut Server| {
        let page = server.list_jobs(client::call(request)).await?.into_inner();
        Ok(page.jobs.into_iter().map(|job| job.job_id).collect::<Vec<_>>())
    });
    words(typed, &ids)
}

fn queues(typed: &OsStr) -> Vec<CompletionCandidate> {
    let request = ListQueuesRequest { page_size: MOST, ..Default::default() };
    let names = ask(async |server: &mut Server| {
        let page = server.list_queues(client::call(request)).await?.into_inner();
        Ok(page.queues.into_iter().map(|queue| queue.queue).collect::<Vec<_>>())
    });
    words(typed, &if names.is_empty() { script_types() } else { names })
}

/// Asks the server that the line names so far; nothing is offered while it does not answer.
fn ask<T: Default>(question: impl AsyncFnOnce(&mut Server) -> Result<T, Failure>) -> T {
    let Some(client) = client_of(std::env::args_os().collect()) else { return T::default() };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return T::default();
    };
    let answer = runtime.block_on(async {
        let asked = async { question(&mut client.connect().await?).await };
        tokio::time::timeout(LIMIT, asked).await
    });
    answer.ok().and_then(Result::ok).unwrap_or_default()
}

/// Returns the options of calls among the words that a shell hands over: behind the first `--`, and not yet complete.
fn client_of(args: Vec<OsString>) -> Option<ClientArgs> {
    let words = args.into_iter().skip_while(|word| word != "--").skip(1);
    let matches = super::command().ignore_errors(true).try_get_matches_from(words).ok()?;
    ClientArgs::from_arg_matches(&matches).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(typed: &str, all: &[&str]) -> Vec<String> {
        let all: Vec<String> = all.iter().map(|word| (*word).to_owned()).collect();
        let candidates = words(OsStr::new(typed), &all);
        candidates.iter().map(|candidate| candidate.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn words_are_offered_that_begin_as_typed() {
        assert_eq!(offered("", &["osis", "sal"]), ["osis", "sal"]);
        assert_eq!(offered("o", &["osis", "sal"]), ["osis"]);
        assert_eq!(offered("osis,s", &["osis", "sal"]), ["osis,sal"]);
        assert!(offered("x", &["osis"]).is_empty());
    }

    #[test]
    fn the_server_is_that_of_the_line_even_if_it_is_not_complete() {
        for line in [
            "hs -- hs --server unix:/s job get 01",
            "hs -- hs job get --server unix:/s ''",
            "hs -- hs job cancel --server unix:/s",
        ] {
            let words = line.split(' ').map(OsString::from).collect();
            let client = client_of(words).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(client.server.as_deref(), Some("unix:/s"), "{line}");
        }
    }
}
