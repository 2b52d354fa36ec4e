import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { DurationSchema, type Duration } from "@bufbuild/protobuf/wkt";
import { createClient, type Client as Calls, type Interceptor, type Transport } from "@connectrpc/connect";

import { Delays, at, follower } from "./backoff.js";
import { SupervisorError, parseError } from "./errors.js";
import { JobSpecSchema, type Job } from "./gen/hero/supervisor/v1/job_pb.js";
import type { ScriptType } from "./gen/hero/supervisor/v1/script_type_pb.js";
import {
  Supervisor,
  WaitOutcome,
  type WatchEventsRequestSchema,
  type WatchEventsResponse,
  type WatchHealthRequestSchema,
  type WatchHealthResponse,
} from "./gen/hero/supervisor/v1/supervisor_service_pb.js";
import { follow } from "./watch.js";

/** Longest wait of one call; then the next one is made. */
const POLL_MS = 60_000;
/** What a call may take beyond its wait before it counts as lost. */
const CALL_MARGIN_MS = 10_000;

/** How long to wait. */
export interface WaitOptions {
  /** Longest wait in milliseconds; without it, as long as it takes. */
  timeoutMs?: number;
  /** Ends the wait. The job goes on. */
  signal?: AbortSignal;
}

/** What a job has beside its script. */
export interface RunOptions extends WaitOptions {
  /** Names the request instead of a random UUID: the same id and content within 24 hours is the same job. */
  requestId?: string;
  /** Names the job instead of the server. */
  jobId?: string;
  /** Caller, environment, labels, limits, retries. */
  spec?: MessageInitShape<typeof JobSpecSchema>;
}

/** Talks to one supervisor. */
export class SupervisorClient {
  /** Every call of the API, as it was generated. */
  readonly calls: Calls<typeof Supervisor>;

  constructor(readonly transport: Transport) {
    this.calls = createClient(Supervisor, transport);
  }

  /**
   * Runs a script and waits for its end, however often the connection is lost or the server restarted in between; the
   * job is made once. The job that it gives has ended, which is not to say that it succeeded: see `resultOf`.
   *
   * When the wait is over first, it throws a SupervisorError with reason WAIT_OVER and the job's id in its metadata
   * (`job_id`, if it was made); the job goes on.
   */
  async run(scriptType: ScriptType, script: string, options: RunOptions = {}): Promise<Job> {
    const requestId = options.requestId ?? crypto.randomUUID();
    const job = create(JobSpecSchema, { ...options.spec, $typeName: undefined, scriptType, script });
    return this.#persist(options, { request_id: requestId }, (maxWait, call) =>
      this.calls.runJob({ job, requestId, jobId: options.jobId ?? "", maxWait }, call),
    );
  }

  /** Waits for the end of a job as `run` does. */
  async await(jobId: string, options: WaitOptions = {}): Promise<Job> {
    return this.#persist(options, { job_id: jobId });
  }

  /**
   * Follows what happens until the loop is left or the signal given. It goes on by itself behind the last message when
   * the connection is lost, the server restarted, or this reader was too slow: nothing is left out, nothing comes twice.
   * Only if the server no longer keeps what came after the last message, it begins anew with a snapshot.
   */
  watchEvents(
    request: MessageInitShape<typeof WatchEventsRequestSchema> = {},
    options: { signal?: AbortSignal } = {},
  ): AsyncGenerator<WatchEventsResponse, void> {
    return follow(request, options.signal, (at, signal) =>
      this.calls.watchEvents({ ...request, ...at } as MessageInitShape<typeof WatchEventsRequestSchema>, { signal }),
    );
  }

  /** Follows the health of actors as `watchEvents` follows events. */
  watchHealth(
    request: MessageInitShape<typeof WatchHealthRequestSchema> = {},
    options: { signal?: AbortSignal } = {},
  ): AsyncGenerator<WatchHealthResponse, void> {
    return follow(request, options.signal, (at, signal) =>
      this.calls.watchHealth({ ...request, ...at } as MessageInitShape<typeof WatchHealthRequestSchema>, { signal }),
    );
  }

  /** Makes a call again until the job has ended: `begin` until there is a job, and AwaitJob from then on. */
  async #persist(
    options: WaitOptions,
    metadata: Record<string, string>,
    begin?: (maxWait: Duration, call: Call) => Promise<Waited>,
  ): Promise<Job> {
    const { controller, release } = follower(options.signal);
    const deadline = options.timeoutMs === undefined ? Infinity : Date.now() + options.timeoutMs;
    const disarm = at(deadline, () => controller.abort());
    const { signal } = controller;
    const delays = new Delays();
    try {
      while (!signal.aborted) {
        const pollMs = Math.max(0, Math.min(POLL_MS, deadline - Date.now()));
        // The server answers a little before the deadline of the call, so that the answer comes before we give up.
        const call = { signal, timeoutMs: Math.max(1, Math.min(pollMs + CALL_MARGIN_MS, deadline - Date.now())) };
        try {
          const maxWait = duration(pollMs);
          const answer = await (begin ? begin(maxWait, call) : this.calls.awaitJob({ jobId: metadata["job_id"]!, maxWait }, call));
          if (answer.waitOutcome === WaitOutcome.DONE && answer.job) return answer.job;
          if (answer.job) metadata["job_id"] = answer.job.jobId;
          begin = undefined;
          delays.reset();
        } catch (error) {
          const told = parseError(error);
          if (!signal.aborted && !told.lost) throw told;
          const made = told.metadata["job_id"];
          if (made && told.lost) metadata["job_id"] = made;
          await delays.wait(signal, told.retryAfterMs);
        }
      }
    } finally {
      disarm();
      release();
    }
    if (options.signal?.aborted) {
      throw new SupervisorError("CANCELLED", "WAIT_OVER", "the wait was given up; the job goes on, await it by its id", metadata);
    }
    const message = "the wait is over before the job; it goes on, await it by its id";
    throw new SupervisorError("DEADLINE_EXCEEDED", "WAIT_OVER", message, metadata);
  }
}

function duration(milliseconds: number): Duration {
  const whole = Math.floor(milliseconds);
  return create(DurationSchema, { seconds: BigInt(Math.floor(whole / 1000)), nanos: (whole % 1000) * 1_000_000 });
}

interface Call {
  signal: AbortSignal;
  timeoutMs: number;
}

interface Waited {
  job?: Job;
  waitOutcome: WaitOutcome;
}

const READS = new Set([
  "GetServerInfo", "GetActor", "ListActors", "GetScriptType", "ListScriptTypes", "AwaitJob", "GetJob", "ListJobs", "ListEvents",
]);
const MOST_ATTEMPTS = 4;

/**
 * Reads may be repeated without harm, so they are while the server is away. Calls that change something are repeated by
 * `run`, which gives them a request id, and by nobody else.
 */
export const repeatReads: Interceptor = (next) => async (request) => {
  const delays = new Delays();
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(request);
    } catch (error) {
      const away = parseError(error).code === "UNAVAILABLE";
      if (!away || request.stream || !READS.has(request.method.name) || attempt === MOST_ATTEMPTS) throw error;
      await delays.wait(request.signal, parseError(error).retryAfterMs);
      if (request.signal.aborted) throw error;
    }
  }
};
