//! Which calls of the contract work.

/// Every call, in the order of the contract.
const CALLS: [&str; 34] = [
    "GetServerInfo",
    "CreateActor",
    "GetActor",
    "ListActors",
    "UpdateActor",
    "DeleteActor",
    "StartActor",
    "StopActor",
    "RestartActor",
    "StartActors",
    "StopActors",
    "RestartActors",
    "StreamActorLogs",
    "ListScriptTypes",
    "GetScriptType",
    "UpdateScriptType",
    "ScaleActors",
    "PauseQueue",
    "ResumeQueue",
    "PurgeQueue",
    "CheckHealth",
    "WatchHealth",
    "SubmitJob",
    "SubmitJobs",
    "RunJob",
    "AwaitJob",
    "GetJob",
    "ListJobs",
    "CancelJob",
    "RetryJob",
    "DeleteJob",
    "WatchJob",
    "WatchEvents",
    "ListEvents",
];

/// Names of the calls that work, in the order of the contract: all of them.
pub fn built() -> impl Iterator<Item = &'static str> {
    CALLS.into_iter()
}

/// Whether the contract has a call of this name.
pub(crate) fn is_call(name: &str) -> bool {
    CALLS.contains(&name)
}
