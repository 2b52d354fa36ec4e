import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";

import { SupervisorError, codeName } from "./errors.js";
import type { JobSpecSchema } from "./gen/hero/supervisor/v1/job_pb.js";
import type { ScriptType } from "./gen/hero/supervisor/v1/script_type_pb.js";
import {
  SubmitJobRequestSchema,
  type ItemError,
  type SubmitJobRequest,
} from "./gen/hero/supervisor/v1/supervisor_service_pb.js";

/** Jobs in one call, and bytes of all of them; the server takes 1000 and 4 MiB. */
const MOST_JOBS = 1000;
const MOST_BYTES = 3 * 1024 * 1024;

/** One job to submit. */
export interface Submission {
  /** The language of the script. */
  scriptType: ScriptType;
  /** The script. */
  script: string;
  /** What the script sees as INPUT: any value that JSON can hold. */
  input?: unknown;
  /** Names the request instead of a random UUID: the same id and content within 24 hours is the same job. */
  requestId?: string;
  /** Names the job instead of the server. */
  jobId?: string;
  /** Name of a queue that takes such scripts. Default: the default queue of the script type. */
  queue?: string;
  /** Caller, environment, labels, limits, retries, priority. */
  spec?: MessageInitShape<typeof JobSpecSchema>;
}

/** The request for a job. */
export function requestOf({ scriptType, script, input, requestId, jobId, queue, spec }: Submission): SubmitJobRequest {
  return create(SubmitJobRequestSchema, {
    job: { ...spec, ...(queue !== undefined && { queue }), ...(input !== undefined && { input: jsonOf(input) }), $typeName: undefined, scriptType, script },
    requestId: requestId ?? crypto.randomUUID(),
    jobId: jobId ?? "",
  });
}

function jsonOf(input: unknown): string {
  const text: string | undefined = JSON.stringify(input);
  if (text === undefined) throw new TypeError("input: JSON cannot hold this value");
  return text;
}

/** Divides requests among as few calls as the server takes. */
export function batches(requests: Iterable<SubmitJobRequest>): SubmitJobRequest[][] {
  const all: SubmitJobRequest[][] = [];
  let batch: SubmitJobRequest[] = [];
  let size = 0;
  for (const request of requests) {
    const bytes = toBinary(SubmitJobRequestSchema, request).length;
    if (batch.length > 0 && (batch.length === MOST_JOBS || size + bytes > MOST_BYTES)) {
      all.push(batch);
      batch = [];
      size = 0;
    }
    batch.push(request);
    size += bytes;
  }
  if (batch.length > 0) all.push(batch);
  return all;
}

/** The error of one item as an error of a call. */
export function itemError({ code, reason, message, metadata, fieldViolations }: ItemError): SupervisorError {
  const fields = Object.fromEntries(fieldViolations.map(({ field, description }) => [field, description]));
  return new SupervisorError(codeName(code), reason, message, metadata, 0, fields);
}

/** The error of a whole call for one of its jobs, which may be there: a repeat with its request id makes it once. */
export function unsubmitted(error: SupervisorError, requestId: string): SupervisorError {
  const { code, reason, message, metadata, retryAfterMs } = error;
  return new SupervisorError(code, reason, message, { ...metadata, request_id: requestId }, retryAfterMs, {}, { cause: error });
}
