//! Judgement of Sentinels: whether a primary is known, and whether a failover would find one.

use super::Finding;
use crate::adapters::redis::{SentinelSurvey, SurveyedSentinel};

const CHECK: &str = "sentinels";
/// Sentinels with which one may be lost.
const ENOUGH: usize = 3;

/// Judges what all Sentinels have said.
pub(super) fn judge(survey: &SentinelSurvey) -> Vec<Finding> {
    let mut findings = vec![match &survey.primary {
        Ok(primary) => {
            Finding::ok("redis primary", format!("{primary}, as a majority of the Sentinels says"))
        }
        Err(error) => Finding::fail(
            "redis primary",
            error,
            "look at the Sentinels of --redis-url: `redis-cli -p 26379 sentinel masters`",
        ),
    }];
    findings.extend(survey.sentinels.iter().filter_map(away));
    findings.extend(survey.sentinels.iter().find_map(no_quorum));
    findings.push(number(&survey.sentinels));
    findings
}

fn away(sentinel: &SurveyedSentinel) -> Option<Finding> {
    let why = sentinel.answer.as_ref().err()?;
    let found = format!("{} does not answer: {why}", sentinel.at);
    Some(Finding::warn(CHECK, found, "bring it back, or take it out of --redis-url"))
}

fn no_quorum(sentinel: &SurveyedSentinel) -> Option<Finding> {
    let (_others, quorum) = sentinel.answer.as_ref().ok()?;
    let why = quorum.as_ref().err()?;
    let found = format!("no failover is possible, says {}: {why}", sentinel.at);
    Some(Finding::fail(CHECK, found, "bring Sentinels back until `sentinel ckquorum NAME` is OK"))
}

/// Judges how many Sentinels there are, and how many of them the URL names.
fn number(sentinels: &[SurveyedSentinel]) -> Finding {
    let answers = sentinels.iter().filter_map(|sentinel| sentinel.answer.as_ref().ok());
    let named = sentinels.len();
    let all = answers.map(|(others, _quorum)| others + 1).max().unwrap_or(named).max(named);
    if all < ENOUGH {
        let found = format!("{all} in all: the loss of one is the loss of failovers");
        return Finding::warn(CHECK, found, "run three, each on a host of its own");
    }
    if named < all {
        let found = format!("{all} in all, and --redis-url names {named} of them");
        return Finding::warn(CHECK, found, "name all of them, so that no single one has to be there");
    }
    Finding::ok(CHECK, format!("{all}, a majority of them is enough"))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{self, Fail, Ok as Fine, Warn};
    use super::*;
    use crate::adapters::redis::Primary;

    fn primary() -> Result<Primary, String> {
        Ok(Primary { host: "h".to_owned(), port: 6379, epoch: 1, is_being_replaced: false })
    }

    fn judged(primary: Result<Primary, String>, answers: &[&str]) -> Vec<(Verdict, String)> {
        let answer = |word: &str| match word {
            "away" => Err("connection refused".to_owned()),
            "quorum" => Ok((2, Err("NOQUORUM".to_owned()))),
            others => Ok((others.parse().unwrap(), Ok("OK".to_owned()))),
        };
        let sentinels = answers
            .iter()
            .map(|word| SurveyedSentinel { at: "s:1".to_owned(), answer: answer(word) })
            .collect();
        let findings = judge(&SentinelSurvey { primary, sentinels }).into_iter();
        findings.skip(1).map(|finding| (finding.verdict, finding.found)).collect()
    }

    #[test]
    fn three_sentinels_that_agree_are_fine() {
        let found = judged(primary(), &["2", "2", "2"]);
        assert!(matches!(&found[..], [(Fine, text)] if text.starts_with("3, a majority")), "{found:?}");
    }

    #[test]
    fn what_stands_in_the_way_of_a_failover_is_told() {
        let table: [(&[&str], Verdict, &str); 4] = [
            (&["2", "away", "2"], Warn, "s:1 does not answer: connection refused"),
            (&["2", "quorum", "2"], Fail, "no failover is possible, says s:1: NOQUORUM"),
            (&["2"], Warn, "3 in all, and --redis-url names 1 of them"),
            (&["0"], Warn, "1 in all: the loss of one"),
        ];
        for (answers, verdict, told) in table {
            let found = judged(primary(), answers);
            let is_told = |(of, text): &(Verdict, String)| *of == verdict && text.contains(told);
            assert!(found.iter().any(is_told), "{answers:?}: {found:?}");
        }
    }

    #[test]
    fn without_a_primary_nothing_works() {
        let survey = SentinelSurvey { primary: Err("none is known".to_owned()), sentinels: Vec::new() };
        let first = judge(&survey).swap_remove(0);
        assert_eq!(first.verdict, Fail);
        assert_eq!(first.found, "none is known");
    }
}
