//! Jobs by label, by time and by the beginning of their ids; later jobs, many jobs, cancelled and deleted ones.

use serde_json::Value;

use super::client::service;
use crate::support::redis::PrivateRedis;
use crate::support::service::{Ran, Service};

fn fine(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

fn submit(service: &Service, args: &[&str]) -> String {
    fine(service.run(["job", "submit"].iter().chain(args))).stdout.trim().to_owned()
}

fn listed(service: &Service, args: &[&str]) -> Vec<String> {
    let ran = fine(service.run(["job", "ls", "-q"].iter().chain(args)));
    ran.stdout.lines().map(str::to_owned).collect()
}

fn job(service: &Service, id: &str) -> Value {
    fine(service.run(["-o", "json", "job", "get", id, "--script"])).json()["job"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_found_by_label_by_time_and_by_the_beginning_of_their_id() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let first =
        submit(&service, &["1", "--label", "team=a", "--label", "tier=1", "--job-id", "nightly-0001"]);
    let second = submit(&service, &["2", "--label", "team=a", "--job-id", "nightly-0002"]);
    let third = submit(&service, &["3"]);
    assert_eq!(listed(&service, &["--label", "team=a"]), [&*second, &*first]);
    assert_eq!(listed(&service, &["--label", "team=a", "--label", "tier=1"]), [&*first]);
    assert_eq!(listed(&service, &["--since", "1h"]).len(), 3);
    assert!(listed(&service, &["--before", "1h"]).is_empty());
    assert_eq!(listed(&service, &["--before", "2100-01-01", "--state", "queued,running"]).len(), 3);
    let table = fine(service.run(["job", "list", "-L", "team", "-n", "2"]));
    let header = table.stdout.lines().next().unwrap();
    assert!(header.ends_with("team") && table.stdout.contains(" a\n"), "{table:?}");
    assert!(table.stderr.contains("these are the newest 2"), "{table:?}");
    service.run(["job", "cancel", &third]);
    assert!(listed(&service, &["--error", "actor_lost,script_error", "--error-message", "x"]).is_empty());
    let wrong = service.run(["job", "ls", "--error", "bogus"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("run_timeout, queue_timeout"), "{wrong:?}");
    let long = service.run(["job", "ls", "--error-message", &"x".repeat(257)]);
    assert!(
        long.code != 0 && long.stderr.contains("error_message: has 257 bytes, more than 256"),
        "{long:?}"
    );
    let wrong = service.run(["job", "ls", "--state", "bogus"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("scheduled, queued, running"), "{wrong:?}");

    assert_eq!(job(&service, &third[..30])["jobId"], *third);
    assert_eq!(job(&service, &first)["spec"]["labels"]["tier"], "1");
    let ambiguous = service.run(["job", "get", "nightly"]);
    assert_eq!((ambiguous.code, ambiguous.stdout.as_str()), (2, ""), "{ambiguous:?}");
    assert!(ambiguous.stderr.contains(&first) && ambiguous.stderr.contains(&second), "{ambiguous:?}");
    let missing = service.run(["job", "get", "weekly"]);
    assert!(missing.code == 3 && missing.stderr.contains("[JOB_NOT_FOUND]"), "{missing:?}");

    let yaml = fine(service.run(["job", "get", &first, "-o", "yaml"])).stdout;
    assert!(yaml.starts_with("job:\n") && yaml.contains("\n  jobId: nightly-0001\n"), "{yaml}");
    assert!(yaml.contains("\n    labels:\n      team: a\n      tier: \"1\"\n"), "{yaml}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_starts_later_and_its_type_is_that_of_its_file() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let later = job(&service, &submit(&service, &["1", "--in", "1h"]));
    assert_eq!(later["state"], "STATE_SCHEDULED", "{later}");
    let at = job(&service, &submit(&service, &["1", "--at", "2026-01-31T12:00:00Z"]));
    assert_eq!(at["spec"]["scheduleTime"], "2026-01-31T12:00:00Z", "{at}");
    assert_eq!(at["state"], "STATE_QUEUED", "a time that has passed is now: {at}");

    let script = service.dir().join("report.py");
    std::fs::write(&script, "print(1)").unwrap();
    let script = script.to_str().unwrap();
    assert_eq!(job(&service, &submit(&service, &["-f", script]))["spec"]["scriptType"], "SCRIPT_TYPE_PYTHON");
    let said = job(&service, &submit(&service, &["-f", script, "--type", "sal"]));
    assert_eq!(said["spec"]["scriptType"], "SCRIPT_TYPE_SAL");
    let none = service.run(["job", "run"]);
    assert!(none.code == 2 && none.stderr.contains("-f FILE"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_has_a_priority_that_can_be_changed_while_it_waits() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let id = submit(&service, &["1", "--priority", "5"]);
    assert_eq!(job(&service, &id)["spec"]["priority"], 5);
    let changed = fine(service.run(["job", "update", &id, "-p", "1", "-q"]));
    assert_eq!(changed.stdout.trim(), id);
    assert_eq!(job(&service, &id)["spec"]["priority"], 1);
    let shown = fine(service.run(["job", "get", &id])).stdout;
    assert!(shown.lines().any(|line| line.starts_with("priority") && line.ends_with('1')), "{shown}");
    for args in [vec!["job", "update", &id, "--priority", "6"], vec!["job", "submit", "1", "--priority", "0"]]
    {
        let refused = service.run(&args);
        assert!(refused.code == 2 && refused.stderr.contains("--priority"), "{refused:?}");
        assert!(refused.stderr.contains("1 (first) to 5 (last)"), "{refused:?}");
    }
    let usual = submit(&service, &["2"]);
    for (levels, expected) in [("1,5", &id), ("3", &usual)] {
        assert_eq!(fine(service.run(["job", "ls", "--priority", levels, "-q"])).stdout.trim(), expected);
    }
    let refused = service.run(["job", "ls", "--priority", "6"]);
    assert!(refused.code == 2 && refused.stderr.contains("1 (first) to 5 (last)"), "{refused:?}");
    fine(service.run(["script-type", "set", "osis", "--priority-ageing", "10m"]));
    let set = fine(service.run(["script-type", "get", "osis", "-o", "json"])).json();
    assert_eq!(set["status"]["settings"]["priorityAgeing"], "600s", "{set}");
    let refused = service.run(["script-type", "set", "osis", "--priority-ageing", "10ms"]);
    assert!(refused.code == 2 && refused.stderr.contains("--priority-ageing"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_come_from_a_file_and_are_cancelled_by_condition() {
    let redis = PrivateRedis::start().await;
    let service = service(&redis).await;
    let file = service.dir().join("jobs.jsonl");
    let line = |n: usize| format!("{{\"script\": \"{n}\", \"labels\": {{\"batch\": \"b\"}}}}\n");
    let many: String = (0..1_200).map(line).collect();
    std::fs::write(&file, format!("{many}\nnonsense\n{{\"script\": \"\"}}\n")).unwrap();
    let submitted = service.run(["job", "submit", "--from-file", file.to_str().unwrap()]);
    assert_eq!((submitted.code, submitted.stdout.lines().count()), (5, 1_200), "{}", submitted.stderr);
    assert!(submitted.stderr.contains("line 1202: is not JSON"), "{}", submitted.stderr);
    assert!(
        submitted.stderr.contains("line 1203: ") && submitted.stderr.contains("script"),
        "{}",
        submitted.stderr
    );
    assert!(submitted.stderr.contains("1200 jobs submitted, 2 refused"), "{}", submitted.stderr);
    let other = submit(&service, &["1"]);

    let tried = fine(service.run(["job", "cancel", "--label", "batch=b", "--dry-run", "-q"]));
    assert_eq!(tried.stdout.lines().count(), 1_200);
    let guarded = service.run(["job", "cancel", "--label", "batch=b", "--expected-count", "1199"]);
    assert!(guarded.code == 5 && guarded.stderr.contains("1200 jobs meet the conditions"), "{guarded:?}");
    assert_eq!(listed(&service, &["--state", "cancelled"]).len(), 0, "nothing was cancelled so far");
    let cancelled = fine(service.run(["job", "cancel", "--label", "batch=b", "--expected-count", "1200"]));
    assert!(cancelled.stderr.contains("1200 jobs cancelled"), "{}", cancelled.stderr);
    assert_eq!(listed(&service, &["--state", "queued"]), [&*other]);
    for wrong in [
        vec!["job", "cancel"],
        vec!["job", "cancel", "--state", "failed"],
        vec!["job", "cancel", "x", "--type", "v"],
    ] {
        assert_eq!(service.run(&wrong).code, 2, "{wrong:?}");
    }

    let refused = service.run(["job", "delete", &other]);
    assert!(refused.code == 5 && refused.stderr.contains("INVALID_STATE"), "{refused:?}");
    let one = fine(service.run(["job", "cancel", "--state", "queued"]));
    assert!(one.stderr.contains("1 job cancelled"), "{one:?}");
    let watched = fine_lines(&service.run(["job", "watch", &other, "-o", "json"]));
    assert_eq!(watched.last().unwrap()["job"]["state"], "STATE_CANCELLED", "{watched:?}");
    assert_eq!(fine(service.run(["job", "rm", &other])).stdout, format!("{other} deleted\n"));
    assert_eq!(service.run(["job", "delete", &other]).code, 3);
    assert_eq!(service.run(["job", "delete", &other, "--allow-missing"]).code, 0);
}

/// The JSON of each line; whatever came of the job.
fn fine_lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{ran:?}"))).collect()
}
