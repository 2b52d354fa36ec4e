//! Judgement of a Cluster: whether it is whole, what each primary has, and what its loss would cost.

use super::Finding;
use crate::adapters::redis::{ClusterSurvey, ServerFacts, SurveyedServer};
use crate::domain::model::queue_name::QueueName;

const CHECK: &str = "redis cluster";
const FUNCTIONS: &str = "redis functions";
/// Primaries with which one may be lost: the others elect its replica by a majority.
const ENOUGH: usize = 3;

/// Judges what all servers have said.
pub(super) fn judge(survey: &ClusterSurvey) -> Vec<Finding> {
    let mut findings = Vec::new();
    if survey.primaries.is_empty() {
        let why = survey.away.first().map_or("no server has a slot", |(_at, why)| why.as_str());
        return vec![Finding::fail(
            CHECK,
            why,
            "look at the servers of --redis-url: `redis-cli cluster info`",
        )];
    }
    findings.extend(survey.away.iter().map(|(at, why)| {
        let found = format!("{at} says nothing: {why}");
        Finding::warn(CHECK, found, "bring it back, or take it out of --redis-url")
    }));
    findings.push(match survey.uncovered {
        0 => Finding::ok(CHECK, format!("{} primaries have all slots", survey.primaries.len())),
        slots => Finding::fail(
            CHECK,
            format!("{slots} slots have no primary: queues that lie in one of them do not work"),
            "bring the primary back, or `redis-cli --cluster fix HOST:PORT`",
        ),
    });
    if survey.primaries.len() < ENOUGH {
        let found = format!("{} primaries: no majority is left when one is lost", survey.primaries.len());
        findings.push(Finding::warn(CHECK, found, "run three primaries, each on a host of its own"));
    }
    for server in &survey.primaries {
        findings.extend(of_server(server, survey.queues_at(&server.at)));
    }
    findings
}

fn of_server(server: &SurveyedServer, queues: &[QueueName]) -> Vec<Finding> {
    let at = &server.at;
    let has = match queues {
        [] => "no queue lies there".to_owned(),
        queues => {
            let names: Vec<&str> = queues.iter().map(QueueName::as_str).collect();
            format!("it has the queues of {}", names.join(", "))
        }
    };
    let facts = match &server.answer {
        Ok(facts) => facts,
        Err(why) => {
            let found = format!("{at} says nothing: {why}; {has}");
            return vec![Finding::fail(CHECK, found, "bring it back, or make its replica the primary")];
        }
    };
    let mut findings = Vec::new();
    if !facts.is_ok || facts.failing > 0 || facts.unassigned > 0 {
        let (failing, unassigned) = (facts.failing, facts.unassigned);
        let slots = format!("{failing} slots are not reached, {unassigned} have no primary");
        let found = format!("{at}: the Cluster is down for it, or in part ({slots}); {has}");
        let todo = format!("look at `redis-cli -h {} -p {} cluster nodes`", at.host, at.port);
        findings.push(Finding::fail(CHECK, found, todo));
    }
    findings.push(match facts.replicas {
        0 => Finding::warn(
            "redis replicas",
            format!("{at}: none follows; {has}: when it is lost, so is that"),
            format!("`redis-cli --cluster add-node NEW:PORT {at} --cluster-slave`"),
        ),
        replicas => Finding::ok("redis replicas", format!("{at}: {replicas} online; {has}")),
    });
    findings.push(functions(at.to_string(), facts));
    findings
}

fn functions(at: String, facts: &ServerFacts) -> Finding {
    match facts.functions {
        (None, _) => Finding::note(FUNCTIONS, format!("{at}: not there yet; a supervisor loads them")),
        (Some(there), ours) if there < ours => {
            let found = format!("{at}: revision {there}, and this program has {ours}; a supervisor loads it");
            Finding::note(FUNCTIONS, found)
        }
        (Some(there), _) => Finding::ok(FUNCTIONS, format!("{at}: revision {there}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Fail, Note, Ok as Fine, Warn};
    use super::*;
    use crate::adapters::redis::Address;
    use crate::domain::model::script_type::ScriptType;

    fn at(port: u16) -> Address {
        Address { host: "h".to_owned(), port }
    }

    fn fine() -> ServerFacts {
        ServerFacts { is_ok: true, failing: 0, unassigned: 0, replicas: 1, functions: (Some(5), 5) }
    }

    fn survey(answers: Vec<Result<ServerFacts, String>>) -> ClusterSurvey {
        let servers = (1..).zip(answers).map(|(port, answer)| SurveyedServer { at: at(port), answer });
        ClusterSurvey { primaries: servers.collect(), ..ClusterSurvey::default() }
    }

    #[test]
    fn three_primaries_with_replicas_are_fine() {
        let found = judge(&survey(vec![Ok(fine()), Ok(fine()), Ok(fine())]));
        assert!(found.iter().all(|finding| finding.verdict == Fine), "{found:?}");
        assert_eq!(found[0].found, "3 primaries have all slots");
    }

    #[test]
    fn what_is_missing_is_told_with_its_place() {
        let alone = ServerFacts { replicas: 0, functions: (None, 5), ..fine() };
        let down = ServerFacts { is_ok: false, failing: 7, functions: (Some(4), 5), ..fine() };
        let mut survey = survey(vec![Ok(alone), Ok(down), Err("no answer".to_owned())]);
        survey.uncovered = 9;
        survey.away = vec![(at(9), "connection refused".to_owned())];
        survey.queues = vec![(at(3), vec![ScriptType::SAL.into(), ScriptType::V.into()])];
        let found = judge(&survey);
        for (verdict, told) in [
            (Warn, "h:9 says nothing: connection refused"),
            (Fail, "9 slots have no primary"),
            (Warn, "h:1: none follows; no queue lies there"),
            (Note, "h:1: not there yet"),
            (Fail, "h:2: the Cluster is down for it, or in part (7 slots are not reached, 0 have"),
            (Note, "h:2: revision 4, and this program has 5"),
            (Fail, "h:3 says nothing: no answer; it has the queues of sal, v"),
        ] {
            let is_told = |finding: &Finding| finding.verdict == verdict && finding.found.contains(told);
            assert!(found.iter().any(is_told), "{told}: {found:?}");
        }
        assert_eq!(judge(&ClusterSurvey::default())[0].verdict, Fail);
    }
}
