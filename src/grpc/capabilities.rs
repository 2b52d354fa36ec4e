//! Which calls of the contract work.

/// Names of the calls that work, in the order of the contract; every other one answers UNIMPLEMENTED.
pub const BUILT: [&str; 22] = [
    "GetServerInfo",
    "CreateActor",
    "GetActor",
    "ListActors",
    "DeleteActor",
    "StartActor",
    "StopActor",
    "RestartActor",
    "StartActors",
    "StopActors",
    "RestartActors",
    "ListScriptTypes",
    "GetScriptType",
    "ScaleActors",
    "SubmitJob",
    "SubmitJobs",
    "RunJob",
    "AwaitJob",
    "GetJob",
    "ListJobs",
    "CancelJob",
    "DeleteJob",
];
