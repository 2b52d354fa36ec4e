export type { Submission } from "./batch.js";
export {
  JobHandle, SupervisorClient, type CallOptions, type RunOptions, type ScaleOptions, type Submitted,
} from "./client.js";
export {
  AbortError, ERROR_DOMAIN, JobFailed, PermissionDeniedError, SupervisorError, UnauthenticatedError, parseError, resultOf,
} from "./errors.js";
export type { ClientOptions, WaitOptions } from "./wait.js";
export { VERSION } from "./version.js";
export * from "./gen/hero/supervisor/v1/access_pb.js";
export * from "./gen/hero/supervisor/v1/actor_pb.js";
export * from "./gen/hero/supervisor/v1/error_reason_pb.js";
export * from "./gen/hero/supervisor/v1/event_pb.js";
export * from "./gen/hero/supervisor/v1/job_pb.js";
export * from "./gen/hero/supervisor/v1/node_pb.js";
export * from "./gen/hero/supervisor/v1/queue_pb.js";
export * from "./gen/hero/supervisor/v1/script_type_pb.js";
export * from "./gen/hero/supervisor/v1/script_type_status_pb.js";
export * from "./gen/hero/supervisor/v1/supervisor_service_pb.js";
