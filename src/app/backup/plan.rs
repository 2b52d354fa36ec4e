//! The decision whether a Redis takes a backup, and from which line on.

use super::line::counted;
use crate::adapters::redis::{Contents, Standing};

/// Course of a restore.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Begins at the first record.
    Begin,
    /// Goes on behind this line, where the same restore broke off.
    GoOn(u64),
}

/// Decides for the backup of this id.
///
/// # Errors
/// The thing that is in the way, and what to do.
pub(super) fn decide(
    backup: &str,
    standing: Option<&Standing>,
    contents: &Contents,
    into_existing: bool,
) -> Result<Plan, String> {
    match standing {
        Some(standing) if standing.backup == backup => return Ok(Plan::GoOn(standing.line)),
        Some(other) if !into_existing => {
            return Err(format!(
                "the restore of another backup ({}) broke off there at line {}: run that one again to its end, or add \
                 --into-existing to give it up",
                other.backup, other.line
            ));
        }
        Some(_) | None => {}
    }
    if contents.is_empty() || into_existing {
        return Ok(Plan::Begin);
    }
    Err(format!(
        "it is not empty: it has {}. Take an empty Redis, or add --into-existing to restore what is not there yet",
        describe(contents)
    ))
}

fn describe(contents: &Contents) -> String {
    let Contents { actors, settings, queues, jobs, key } = contents;
    let all = [(*actors, "actor"), (*settings, "setting or template"), (*queues, "queue"), (*jobs, "job")];
    let counted = all.iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(*count, what));
    counted.chain(key.iter().map(|key| format!("the key {key}"))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_redis_is_taken_and_a_restore_goes_on_where_it_broke_off() {
        let none = Contents::default();
        let some = Contents { jobs: 3, key: Some("hero:obj:{obj:c}:note".to_owned()), ..Contents::default() };
        let at = |backup: &str| Standing { backup: backup.to_owned(), line: 7 };
        assert_eq!(decide("b", None, &none, false), Ok(Plan::Begin));
        assert_eq!(decide("b", Some(&at("b")), &some, false), Ok(Plan::GoOn(7)));
        assert_eq!(decide("b", Some(&at("a")), &some, true), Ok(Plan::Begin));
        assert_eq!(decide("b", None, &some, true), Ok(Plan::Begin));
        let refused = decide("b", None, &some, false).unwrap_err();
        assert!(refused.contains("3 jobs, the key hero:obj:{obj:c}:note"), "{refused}");
        let other = decide("b", Some(&at("a")), &none, false).unwrap_err();
        assert!(other.contains("(a) broke off there at line 7"), "{other}");
    }
}
