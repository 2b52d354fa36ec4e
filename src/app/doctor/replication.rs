//! Judgement of replicas, and of what a failover would cost.

use std::collections::HashMap;

use super::Finding;
use crate::domain::model::durability::Durability;

const CHECK: &str = "redis replicas";

/// Judges the replicas of a server by its INFO. Without Sentinels and without `durability = "replicated"` it needs none.
pub(super) fn judge(
    info: &HashMap<&str, &str>,
    has_sentinels: bool,
    durability: Durability,
    min_replicas: Option<u32>,
) -> Vec<Finding> {
    let replicated = durability == Durability::Replicated;
    if !has_sentinels && !replicated {
        return Vec::new();
    }
    let online = (0..)
        .map_while(|number| info.get(format!("slave{number}").as_str()))
        .filter(|replica| replica.contains("state=online"))
        .count();
    let replicas = match online {
        0 if replicated => Finding::fail(
            CHECK,
            "none follows, and durability = \"replicated\" accepts no job without one",
            "start a replica (`replicaof HOST PORT`), or set durability = \"primary\"",
        ),
        0 => Finding::warn(
            CHECK,
            "none follows: when the primary is lost, so are all jobs",
            "start a replica (`replicaof HOST PORT`)",
        ),
        online => Finding::ok(CHECK, format!("{online} online")),
    };
    vec![replicas, stale_primary(has_sentinels, min_replicas), cost(durability)]
}

/// Judges whether a primary that was cut off stops by itself.
fn stale_primary(has_sentinels: bool, min_replicas: Option<u32>) -> Finding {
    let check = "redis min-replicas-to-write";
    match min_replicas {
        Some(0) if has_sentinels => Finding::warn(
            check,
            "0: a primary that is cut off goes on for those that still reach it, and what it accepts is lost",
            "set `min-replicas-to-write 1` and `min-replicas-max-lag 10` on every server",
        ),
        Some(number) => Finding::ok(check, number.to_string()),
        None => Finding::warn(check, "its user may not ask", "give it the right (ACL SETUSER … +config|get)"),
    }
}

/// Says what a failover costs.
pub(super) fn cost(durability: Durability) -> Finding {
    let check = "durability";
    match durability {
        Durability::Replicated => {
            Finding::ok(check, "replicated: a failover costs no job whose submit was answered")
        }
        Durability::Primary => Finding::warn(
            check,
            "primary: a failover can cost jobs of the last moments",
            "set durability = \"replicated\", if a round trip more for each job is no matter",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{self, Fail, Ok as Fine, Warn};
    use super::*;

    fn verdicts(
        replicas: &[&'static str],
        has_sentinels: bool,
        durability: Durability,
        min: Option<u32>,
    ) -> Vec<Verdict> {
        let names = ["slave0", "slave1"];
        let info = names.into_iter().zip(replicas.iter().copied()).collect();
        judge(&info, has_sentinels, durability, min).into_iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn what_a_failover_would_cost_is_judged() {
        use Durability::{Primary, Replicated};
        let online = "ip=127.0.0.1,port=6380,state=online,offset=1,lag=0";
        let syncing = "ip=127.0.0.1,port=6380,state=wait_bgsave,offset=0,lag=0";
        assert_eq!(verdicts(&[], false, Primary, Some(0)), []);
        assert_eq!(verdicts(&[online], true, Replicated, Some(1)), [Fine, Fine, Fine]);
        assert_eq!(verdicts(&[online], true, Primary, Some(0)), [Fine, Warn, Warn]);
        assert_eq!(verdicts(&[syncing], true, Primary, Some(1)), [Warn, Fine, Warn]);
        assert_eq!(verdicts(&[], false, Replicated, Some(0)), [Fail, Fine, Fine]);
        assert_eq!(verdicts(&[online], true, Replicated, None), [Fine, Warn, Fine]);
    }
}
