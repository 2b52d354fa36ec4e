//! The indexes from which a list is read: of each queue the shortest ones that have all jobs of its filter.

use redis::Pipeline;

use crate::adapters::redis::connection::Connection;
use crate::adapters::redis::keys::{self, Mark};
use crate::domain::model::job::JobErrorKind;
use crate::domain::model::queue_name::QueueName;
use crate::ports::job_queue::JobFilter;
use crate::ports::store_fault::StoreFault;

/// Indexes of one queue that have all jobs of a filter together, and none twice.
type Source = Vec<String>;

/// Returns the keys of the indexes, each with its queue.
pub(super) async fn sources(
    connection: &Connection,
    queues: &[QueueName],
    filter: &JobFilter,
) -> Result<Vec<(QueueName, String)>, StoreFault> {
    let marked = by_marks(filter);
    let unfinished = only_unfinished(filter);
    if marked.is_empty() && !unfinished {
        return Ok(queues.iter().map(|queue| (*queue, keys::jobs(*queue))).collect());
    }
    let mut found = Vec::new();
    let mut asked = Vec::with_capacity(queues.len());
    let mut pipeline = redis::pipe();
    for queue in queues {
        pipeline.cmd("HGET").arg(keys::clock(*queue)).arg("indexed");
        pipeline.cmd("HGET").arg(keys::clock(*queue)).arg("marked");
        pipeline.cmd("HGET").arg(keys::counts(*queue)).arg("unmarked");
        let choices = choices(*queue, &marked, unfinished);
        ask_lengths(&mut pipeline, &choices);
        asked.push((*queue, choices));
    }
    let mut answers = connection.pipe_each::<Option<String>>(pipeline, "an index of jobs").await?.into_iter();
    for (queue, choices) in asked {
        let mut next = || answers.next().and_then(Result::ok).flatten();
        let (indexed, marked, unmarked) = (next(), next(), next());
        let is_all = |word: Option<String>| word.is_some_and(|word| word == "all");
        let complete = Complete { unfinished: is_all(indexed), marks: is_all(marked) && unmarked.is_none() };
        let choices = choices.into_iter().map(|choice| {
            let lengths = choice.keys.iter().map(|_key| next()?.parse::<u64>().ok());
            let length = lengths.collect::<Vec<_>>().into_iter().sum::<Option<u64>>();
            (choice, length)
        });
        let shortest = shortest(choices.collect(), complete);
        let keys = shortest.unwrap_or_else(|| vec![keys::jobs(queue)]);
        found.extend(keys.into_iter().map(|key| (queue, key)));
    }
    Ok(found)
}

/// Says which indexes of a queue have all jobs that they should have.
#[derive(Debug, Clone, Copy)]
struct Complete {
    unfinished: bool,
    marks: bool,
}

/// Indexes that can be read instead of that of all jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    /// True for the index of unfinished jobs, false for those of marks.
    unfinished: bool,
    keys: Source,
}

fn choices(queue: QueueName, marked: &[Vec<Mark<'_>>], unfinished: bool) -> Vec<Choice> {
    let of_marks = marked.iter().map(|marks| Choice {
        unfinished: false,
        keys: marks.iter().map(|mark| keys::marked_jobs(queue, mark)).collect(),
    });
    let of_unfinished = unfinished.then(|| Choice { unfinished: true, keys: vec![keys::unfinished(queue)] });
    of_marks.chain(of_unfinished).collect()
}

fn ask_lengths(pipeline: &mut Pipeline, choices: &[Choice]) {
    for key in choices.iter().flat_map(|choice| &choice.keys) {
        pipeline.cmd("ZCARD").arg(key);
    }
}

/// Returns the shortest source among those that have all that they should have. A length that could not be read counts as the
/// longest, and the reader of such an index is told why.
fn shortest(choices: Vec<(Choice, Option<u64>)>, complete: Complete) -> Option<Source> {
    let usable = |choice: &Choice| if choice.unfinished { complete.unfinished } else { complete.marks };
    let usable = choices.into_iter().filter(|(choice, _length)| usable(choice));
    let shortest = usable.min_by_key(|(_choice, length)| length.unwrap_or(u64::MAX));
    shortest.map(|(choice, _length)| choice.keys)
}

/// Returns true if only jobs that have not ended are looked for.
fn only_unfinished(filter: &JobFilter) -> bool {
    !filter.states.is_empty() && filter.states.iter().all(|state| !state.is_terminal())
}

/// Returns the marks of a filter: each job that it lets through has exactly one of each list.
fn by_marks(filter: &JobFilter) -> Vec<Vec<Mark<'_>>> {
    let labels = filter.labels.iter().map(|(name, value)| vec![Mark::Label(name, value)]);
    let kinds = match (filter.error_kinds.as_slice(), &filter.error_message) {
        ([], None) => None,
        ([], Some(_message)) => Some(JobErrorKind::ALL.to_vec()),
        (kinds, _) => {
            let mut kinds = kinds.to_vec();
            kinds.sort_unstable();
            kinds.dedup();
            Some(kinds)
        }
    };
    let kinds = kinds.map(|kinds| kinds.into_iter().map(Mark::Error).collect());
    labels.chain(kinds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::job::JobState;
    use crate::domain::model::script_type::ScriptType;

    fn words(filter: &JobFilter) -> Vec<Vec<String>> {
        by_marks(filter).iter().map(|marks| marks.iter().map(ToString::to_string).collect()).collect()
    }

    #[test]
    fn each_label_and_all_kinds_of_errors_together_are_a_source() {
        assert!(words(&JobFilter::default()).is_empty());
        let label = |name: &str| (name.to_owned(), "1".to_owned());
        let filter = JobFilter {
            labels: vec![label("a"), label("b")],
            error_kinds: vec![JobErrorKind::RunTimeout, JobErrorKind::ActorLost, JobErrorKind::RunTimeout],
            ..Default::default()
        };
        let kinds = ["error:run_timeout", "error:actor_lost"].map(str::to_owned).to_vec();
        assert_eq!(words(&filter), [vec!["label:a=1".to_owned()], vec!["label:b=1".to_owned()], kinds]);
        let message = JobFilter { error_message: Some("x".to_owned()), ..Default::default() };
        assert_eq!(words(&message)[0].len(), JobErrorKind::ALL.len());
    }

    #[test]
    fn the_shortest_complete_source_is_read() {
        let queue = QueueName::from(ScriptType::OSIS);
        let marks = vec![vec![Mark::Label("a", "1")], vec![Mark::Label("b", "1")]];
        let choices = choices(queue, &marks, true);
        let with = |lengths: [Option<u64>; 3]| choices.iter().cloned().zip(lengths).collect::<Vec<_>>();
        let all = Complete { unfinished: true, marks: true };
        let key = |of: &str| Some(vec![format!("hero:{{osis}}:{of}")]);
        assert_eq!(shortest(with([Some(9), Some(8), Some(10)]), all), key("by:label:b=1"));
        assert_eq!(shortest(with([Some(9), None, Some(3)]), all), key("unfinished"));
        let marked = Complete { unfinished: false, marks: true };
        assert_eq!(shortest(with([Some(9), None, Some(3)]), marked), key("by:label:a=1"));
        let none = Complete { unfinished: false, marks: false };
        assert_eq!(shortest(with([Some(0), Some(0), Some(0)]), none), None);
    }

    #[test]
    fn a_list_with_a_terminal_state_is_not_one_of_unfinished_jobs() {
        let of = |states: &[JobState]| {
            only_unfinished(&JobFilter { states: states.to_vec(), ..Default::default() })
        };
        assert!(of(&[JobState::Queued, JobState::Blocked]));
        assert!(!of(&[JobState::Queued, JobState::Failed]));
        assert!(!of(&[]));
    }
}
