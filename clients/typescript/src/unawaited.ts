import { AbortError, SupervisorError } from "./errors.js";
import { Job_State, type Job } from "./gen/hero/supervisor/v1/job_pb.js";
import { persist, type Call, type ClientOptions } from "./wait.js";

/** Longest time for the cancellation of a job for whose end nobody waits any more, in milliseconds. */
const LIMIT_MS = 3000;

/** Whether a wait failed because it was over, by time or by a signal. */
export function isEndOfWait(error: unknown): error is SupervisorError {
  return error instanceof SupervisorError && (error instanceof AbortError || error.code === "DEADLINE_EXCEEDED");
}

/**
 * Cancels the job of a run whose wait has ended with `over`. Gives the job if that has ended by itself in time; else it
 * throws `over`, which says whether the job was cancelled.
 */
export async function cancelUnawaited(
  client: ClientOptions,
  over: SupervisorError,
  cancel: (call: Call) => Promise<{ job?: Job | undefined }>,
): Promise<Job> {
  const told = (reason: string, message: string, metadata: Record<string, string>): SupervisorError => {
    const options = over.cause === undefined ? {} : { cause: over.cause };
    if (over instanceof AbortError) return new AbortError(reason, message, metadata, options);
    return new SupervisorError(over.code, reason, message, metadata, over.retryAfterMs, {}, options);
  };
  let job: Job | undefined;
  try {
    job = await persist({ ...client, failFast: false }, { timeoutMs: LIMIT_MS }, {}, async (_, call) => (await cancel(call)).job);
  } catch (failure) {
    // Where nothing is known of a job, the error says so already.
    if (over.reason !== "WAIT_OVER") throw over;
    const why = failure instanceof Error ? failure.message : String(failure);
    throw told(over.reason, `${over.message}; the job could not be cancelled: ${why}`, over.metadata);
  }
  // It was there before, and goes on.
  if (!job.finishTime) throw over;
  if (job.state !== Job_State.CANCELLED && !(over instanceof AbortError)) return job;
  if (job.state !== Job_State.CANCELLED) throw over;
  const metadata = { ...over.metadata, job_id: job.jobId, cancelled: "true" };
  throw told("WAIT_OVER", "the wait is over before the job, which was cancelled", metadata);
}
