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

/// Calls that are in the contract and not in this server yet; they answer UNIMPLEMENTED.
const NOT_BUILT: &[&str] =
    &["StreamActorLogs", "UpdateScriptType", "PauseQueue", "ResumeQueue", "PurgeQueue", "RetryJob"];

/// Names of the calls that work, in the order of the contract; every other one answers UNIMPLEMENTED.
pub fn built() -> impl Iterator<Item = &'static str> {
    CALLS.into_iter().filter(|call| !NOT_BUILT.contains(call))
}

/// Whether the contract has a call of this name.
pub(crate) fn is_call(name: &str) -> bool {
    CALLS.contains(&name)
}
