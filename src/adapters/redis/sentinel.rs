//! Redis behind Sentinels: which one of its servers is the primary.
//!
//! The client of the `redis` crate follows the first Sentinel that answers. Here a majority of them has to answer, and their
//! newest configuration counts, the one with the highest epoch. So a Sentinel that was cut off together with a former primary
//! leads nobody back to it.

mod ask;
mod survey;
mod url;
mod watch;

use std::fmt;

use crate::ports::store_fault::{Refusal, StoreFault};

pub(crate) use survey::{SentinelSurvey, SurveyedSentinel};
pub(super) use url::SentinelUrl;
pub(super) use watch::PrimaryWatch;

/// The primary, as Sentinels name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Primary {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Number of the configuration that made it the primary; grows with each failover.
    pub(crate) epoch: u64,
    /// True while a Sentinel is about to replace it.
    pub(crate) is_being_replaced: bool,
}

impl Primary {
    fn is_at_the_place_of(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }
}

impl fmt::Display for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}:{} (epoch {})", self.host, self.port, self.epoch)
    }
}

/// The answer of one Sentinel.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Primary(Primary),
    /// No primary of this name; those are watched.
    Unknown(Vec<String>),
    LoginRefused(String),
    Away(String),
}

/// A reason why the primary is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPrimary {
    /// The Sentinels watch no primary of this name.
    #[error(
        "redis_url: the Sentinels watch no primary named {name:?}, but {}: put the name that they have behind their addresses",
        one_of(.known)
    )]
    Name { name: String, known: Vec<String> },
    #[error(
        "redis_sentinel_user, redis_sentinel_password_file: the Sentinel {at} does not let this user in: {reason}"
    )]
    Login { at: String, reason: String },
    #[error("{answered} of {all} Sentinels answered, and {} have to: {why}", .all / 2 + 1)]
    Minority { answered: usize, all: usize, why: String },
    #[error(
        "the Sentinels name {told}, a former primary: epoch {known} was seen before; restart this program if they were set up anew"
    )]
    Former { told: Primary, known: u64 },
    /// A file that the login or TLS needs.
    #[error("{0}")]
    Access(String),
}

impl From<NoPrimary> for StoreFault {
    fn from(error: NoPrimary) -> Self {
        match error {
            NoPrimary::Login { .. } => {
                Self::Refused { refusal: Refusal::AccessDenied, reason: error.to_string() }
            }
            NoPrimary::Name { .. }
            | NoPrimary::Minority { .. }
            | NoPrimary::Former { .. }
            | NoPrimary::Access(_) => Self::Unavailable(error.into()),
        }
    }
}

fn one_of(names: &[String]) -> String {
    match names {
        [] => "none at all".to_owned(),
        names => names.join(", "),
    }
}

/// Chooses among the answers of all Sentinels, by their addresses. `name` is the primary that was asked for.
fn elect(name: &str, answers: &[(String, Answer)]) -> Result<Primary, NoPrimary> {
    let named = answers.iter().filter_map(|(_at, answer)| match answer {
        Answer::Primary(primary) => Some(primary),
        Answer::Unknown(_) | Answer::LoginRefused(_) | Answer::Away(_) => None,
    });
    let answered = named.clone().count();
    if answered > answers.len() / 2
        && let Some(newest) = named.clone().max_by_key(|primary| primary.epoch)
    {
        // Only the Sentinel that replaces it says so.
        let is_being_replaced = named.clone().any(|primary| primary.is_being_replaced);
        return Ok(Primary { is_being_replaced, ..newest.clone() });
    }
    let mut why = Vec::new();
    for (at, answer) in answers {
        match answer {
            Answer::Primary(_) => {}
            Answer::LoginRefused(reason) => {
                return Err(NoPrimary::Login { at: at.clone(), reason: reason.clone() });
            }
            Answer::Unknown(known) if answered == 0 => {
                return Err(NoPrimary::Name { name: name.to_owned(), known: known.clone() });
            }
            Answer::Unknown(_) => why.push(format!("{at}: watches no primary named {name:?}")),
            Answer::Away(reason) => why.push(format!("{at}: {reason}")),
        }
    }
    Err(NoPrimary::Minority { answered, all: answers.len(), why: why.join("; ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(port: u16, epoch: u64) -> Answer {
        Answer::Primary(Primary { host: "h".to_owned(), port, epoch, is_being_replaced: false })
    }

    fn chosen(answers: &[Answer]) -> Result<u16, String> {
        let all: Vec<_> = (1..).map(|n| format!("s{n}")).zip(answers.iter().cloned()).collect();
        elect("mine", &all).map(|primary| primary.port).map_err(|error| error.to_string())
    }

    fn away() -> Answer {
        Answer::Away("connection refused".to_owned())
    }

    #[test]
    fn the_newest_configuration_of_a_majority_counts() {
        let table: [(&[Answer], u16); 5] = [
            (&[named(1, 0)], 1),
            (&[named(1, 4), named(1, 4), named(1, 4)], 1),
            (&[named(1, 4), named(2, 5), named(1, 4)], 2),
            (&[away(), named(2, 5), named(1, 4)], 2),
            (&[Answer::Unknown(Vec::new()), named(1, 4), named(1, 4)], 1),
        ];
        for (answers, port) in table {
            assert_eq!(chosen(answers), Ok(port), "{answers:?}");
        }
    }

    #[test]
    fn one_sentinel_says_that_it_replaces_the_primary() {
        let by = |is_being_replaced| {
            Answer::Primary(Primary { host: "h".to_owned(), port: 1, epoch: 1, is_being_replaced })
        };
        for (answers, expected) in
            [([by(false), by(true), by(false)], true), ([by(false), by(false), by(false)], false)]
        {
            let all: Vec<_> = (1..).map(|n| format!("s{n}")).zip(answers).collect();
            assert_eq!(elect("mine", &all).unwrap().is_being_replaced, expected);
        }
    }

    #[test]
    fn without_a_majority_the_reason_is_told() {
        let login = Answer::LoginRefused("NOAUTH Authentication required.".to_owned());
        let other = Answer::Unknown(vec!["other".to_owned()]);
        let table: [(&[Answer], &str); 6] = [
            (&[named(1, 9), away(), away()], "1 of 3 Sentinels answered, and 2 have to: s2: connection"),
            (&[named(1, 9), away()], "1 of 2 Sentinels answered, and 2 have to"),
            (&[away()], "0 of 1 Sentinels answered, and 1 have to: s1: connection refused"),
            (&[other.clone(), away(), other], "no primary named \"mine\", but other: put the name"),
            (&[Answer::Unknown(Vec::new())], "but none at all"),
            (&[login, away(), named(1, 9)], "redis_sentinel_password_file: the Sentinel s1 does not let"),
        ];
        for (answers, told) in table {
            let error = chosen(answers).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
