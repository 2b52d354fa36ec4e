import { create } from "@bufbuild/protobuf";
import { DurationSchema, type Duration } from "@bufbuild/protobuf/wkt";

import { Delays, at, follower } from "./backoff.js";
import { AbortError, SupervisorError, parseError } from "./errors.js";

/** Longest wait of one call; then the next one is made. */
const POLL_MS = 60_000;
/** What a call may take beyond its wait before it counts as lost. */
export const CALL_MARGIN_MS = 10_000;
/** A server that fails so often in a row is worth a line in the log … */
const FAILURES_TO_LOG = 3;
/** … and another one after each of these times. */
const LOG_AGAIN_MS = 60_000;

/** How a client deals with a server that does not answer. */
export interface ClientOptions {
  /**
   * Fail with reason NO_SERVER at the first failure, rather than wait for a server. A server that has answered once is
   * waited for in any case. Default: false.
   */
  failFast?: boolean;
  /**
   * Gets a line when a server does not answer several times in a row. Default: `console.warn` for `connect` in Node, and
   * nothing elsewhere.
   */
  log?: (line: string) => void;
  /** What errors call the server. Default: the address that the client was made with. */
  address?: string;
}

/** How long to wait. */
export interface WaitOptions {
  /** Longest wait in milliseconds; without it, as long as it takes. */
  timeoutMs?: number;
  /** Ends the wait with an error whose name is AbortError. The job goes on. */
  signal?: AbortSignal;
  /** `failFast` of the client, for this wait. */
  failFast?: boolean;
}

/** The limits of one call of a wait. */
export interface Call {
  signal: AbortSignal;
  timeoutMs: number;
}

/** Counts the failures of a server in a row, and logs them. */
export class Outage {
  #failures = 0;
  #logAt = 0;

  constructor(private readonly client: ClientOptions) {}

  /** Notes one more failure. */
  note(error: SupervisorError): void {
    if (++this.#failures < FAILURES_TO_LOG || Date.now() < this.#logAt) return;
    this.#logAt = Date.now() + LOG_AGAIN_MS;
    this.client.log?.(`hero-supervisor: no answer${place(this.client)}, trying again (${this.#failures} failures)${why(error)}`);
  }

  /** Notes that the server has answered. */
  reset(): void {
    this.#failures = 0;
    this.#logAt = 0;
  }
}

/**
 * Repeats `attempt` until it gives something: at once when it gives `undefined`, later and later while the server is
 * away. `known` is the metadata of errors; it holds `job_id` from when the job is known to be there.
 */
export async function persist<T>(
  client: ClientOptions,
  options: WaitOptions,
  known: Record<string, string>,
  attempt: (maxWait: Duration, call: Call) => Promise<T | undefined>,
): Promise<T> {
  const failFast = options.failFast ?? client.failFast ?? false;
  const begun = Date.now();
  const deadline = options.timeoutMs === undefined ? Infinity : begun + options.timeoutMs;
  const { controller, release } = follower(options.signal);
  const disarm = at(deadline, () => controller.abort());
  const { signal } = controller;
  const delays = new Delays();
  const outage = new Outage(client);
  let answered = false;
  let last: SupervisorError | undefined;
  let unanswered: SupervisorError | undefined;
  try {
    while (!signal.aborted) {
      const pollMs = Math.max(0, Math.min(POLL_MS, deadline - Date.now()));
      // The server answers a little before the deadline of the call, so that the answer comes before we give up.
      const call = { signal, timeoutMs: Math.max(1, Math.min(pollMs + CALL_MARGIN_MS, deadline - Date.now())) };
      try {
        const found = await attempt(duration(pollMs), call);
        if (found !== undefined) return found;
        answered = true;
        last = undefined;
        outage.reset();
        delays.reset();
      } catch (error) {
        const told = parseError(error);
        if (!signal.aborted && !told.lost) throw told;
        if (told.metadata["job_id"] && told.lost) known["job_id"] = told.metadata["job_id"];
        // The end of the wait ends the call, too, which is not why the server did not answer before.
        const ours = signal.aborted || call.timeoutMs < pollMs + CALL_MARGIN_MS;
        if (ours && told.reason === "" && (told.code === "CANCELLED" || told.code === "DEADLINE_EXCEEDED")) unanswered = told;
        else last = told;
        if (signal.aborted) break;
        if (failFast && !answered) throw noServer("UNAVAILABLE", client, known, told);
        outage.note(told);
        await delays.wait(signal, told.retryAfterMs);
      }
    }
  } finally {
    disarm();
    release();
  }
  const given = options.signal?.aborted ? options.signal : undefined;
  // A job that is there goes on, whatever became of the last call.
  const cause = last ?? (known["job_id"] ? undefined : unanswered);
  throw over(client, known, cause, given, given ? Date.now() - begun : options.timeoutMs);
}

/** A duration in the words of protobuf. */
export function duration(milliseconds: number): Duration {
  const whole = Math.floor(milliseconds);
  return create(DurationSchema, { seconds: BigInt(Math.floor(whole / 1000)), nanos: (whole % 1000) * 1_000_000 });
}

/** The error of a wait that is over: by `given`, the signal of the caller, or by time. */
function over(
  client: ClientOptions,
  known: Record<string, string>,
  cause: SupervisorError | undefined,
  given: AbortSignal | undefined,
  afterMs: number | undefined,
): SupervisorError {
  if (given === undefined) {
    if (cause) return noServer("DEADLINE_EXCEEDED", client, known, cause, afterMs);
    const message = "the wait is over before the job; it goes on, await it by its id";
    return new SupervisorError("DEADLINE_EXCEEDED", "WAIT_OVER", message, known);
  }
  if (cause) {
    const { reason, message } = noServer("CANCELLED", client, known, cause, afterMs);
    return new AbortError(reason, `the wait was given up: ${message}`, known, { cause });
  }
  const message = "the wait was given up; the job goes on, await it by its id";
  return new AbortError("WAIT_OVER", message, known, { cause: given.reason });
}

/** The error of a wait in which no server was of use; a server that said why keeps its reason. */
function noServer(
  code: string,
  client: ClientOptions,
  known: Record<string, string>,
  cause: SupervisorError,
  afterMs?: number,
): SupervisorError {
  const within = afterMs === undefined ? "" : ` within ${afterMs / 1000} s`;
  const what = cause.reason === "" ? `no server answered${place(client)}` : `the server${place(client)} could not help`;
  const job = known["job_id"];
  const rest = job ? `job ${job} may go on, await it by its id` : "nothing is known of a job";
  const message = `${what}${within}${why(cause)}; ${rest}`;
  return new SupervisorError(code, cause.reason || "NO_SERVER", message, known, 0, {}, { cause });
}

/** What a failure adds to the text of another error; the end of a wait adds nothing. */
function why({ code, reason, message }: SupervisorError): string {
  if (reason === "" && (code === "CANCELLED" || code === "DEADLINE_EXCEEDED")) return "";
  return `: ${message}${message === "Protocol error" ? " (what listens there does not speak gRPC)" : ""}`;
}

function place(client: ClientOptions): string {
  return client.address ? ` at ${client.address}` : "";
}
