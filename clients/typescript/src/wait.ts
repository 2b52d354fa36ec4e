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

/** What is known of the job of a wait, and of its server. */
class Course {
  /** Whether the server has said that there is the job. */
  begun = false;
  /** Whether the server has answered at all, an error with a reason included. */
  heard = false;
  /** Whether a call was made. */
  tried = false;
  /** What went wrong last. */
  last: SupervisorError | undefined;
  readonly #since = Date.now();

  constructor(
    private readonly client: ClientOptions,
    private readonly options: WaitOptions,
    private readonly known: Record<string, string>,
  ) {}

  /** Notes a failure after which the call is repeated. */
  lost(told: SupervisorError): void {
    this.heard ||= told.reason !== "";
    const jobId = told.metadata["job_id"];
    if (jobId) this.known["job_id"] = jobId;
    // The end of a call's own time says less than what went wrong before.
    if (this.last === undefined || !isOwnEnd(told)) this.last = told;
  }

  /** The error of a wait that does not wait for a server. */
  failFast(told: SupervisorError): SupervisorError {
    const message = `no server answers${place(this.client)}${why(told)}; ${this.#nothing()}`;
    return new SupervisorError("UNAVAILABLE", "NO_SERVER", message, this.known, 0, {}, { cause: told });
  }

  /** The error of a wait that has ended before there was an answer. */
  over(): SupervisorError {
    const { signal } = this.options;
    const given = signal?.aborted ? signal : undefined;
    const [reason, message] = this.#outcome(given !== undefined);
    const cause = this.last ?? given?.reason;
    const options = cause === undefined ? {} : { cause };
    if (given) return new AbortError(reason, message, this.known, options);
    return new SupervisorError("DEADLINE_EXCEEDED", reason, message, this.known, 0, {}, options);
  }

  #outcome(given: boolean): [reason: string, message: string] {
    const because = this.last ? why(this.last) : "";
    const where = place(this.client);
    const nothing = this.#nothing();
    if (this.begun) {
      const over = given
        ? "the wait was given up; the job goes on, await it by its id"
        : "the wait is over before the job; it goes on, await it by its id";
      return ["WAIT_OVER", because === "" ? over : `${over} (the last call failed${because})`];
    }
    if (!this.tried) return ["WAIT_OVER", `the wait was over before a call was made; ${nothing}`];
    const within = this.#within(given);
    if (this.last?.reason) return [this.last.reason, `the server${where} could not help within ${within}${because}; ${nothing}`];
    if (given && because === "") return ["WAIT_OVER", `the wait was given up before the server${where} answered; ${nothing}`];
    return ["NO_SERVER", `no server answered${where} within ${within}${because}; ${nothing}`];
  }

  #nothing(): string {
    const jobId = this.known["job_id"];
    return `nothing is known of ${jobId ? `job ${jobId}` : "a job"}`;
  }

  #within(given: boolean): string {
    const waited = given ? Date.now() - this.#since : (this.options.timeoutMs ?? 0);
    return waited < 1000 ? `${Math.round(waited)} ms` : `${Math.round(waited / 100) / 10} s`;
  }
}

/**
 * Repeats `attempt` until it gives something: at once when it gives `undefined`, which says that there is the job; later
 * and later while the server is away. `known` is the metadata of errors.
 */
export async function persist<T>(
  client: ClientOptions,
  options: WaitOptions,
  known: Record<string, string>,
  attempt: (maxWait: Duration, call: Call) => Promise<T | undefined>,
): Promise<T> {
  const failFast = options.failFast ?? client.failFast ?? false;
  const deadline = options.timeoutMs === undefined ? Infinity : Date.now() + options.timeoutMs;
  const { controller, release } = follower(options.signal);
  const disarm = at(deadline, () => controller.abort());
  const { signal } = controller;
  const delays = new Delays();
  const outage = new Outage(client);
  const course = new Course(client, options, known);
  try {
    while (!signal.aborted) {
      course.tried = true;
      const pollMs = Math.max(0, Math.min(POLL_MS, deadline - Date.now()));
      // The server answers a little before the deadline of the call, so that the answer comes before we give up.
      const call = { signal, timeoutMs: Math.max(1, Math.min(pollMs + CALL_MARGIN_MS, deadline - Date.now())) };
      try {
        const found = await attempt(duration(pollMs), call);
        if (found !== undefined) return found;
        course.begun = course.heard = true;
        course.last = undefined;
        outage.reset();
        delays.reset();
      } catch (error) {
        const told = parseError(error);
        if (!signal.aborted && !told.lost) throw told;
        course.lost(told);
        if (signal.aborted) break;
        if (failFast && !course.heard) throw course.failFast(told);
        outage.note(told);
        await delays.wait(signal, told.retryAfterMs);
      }
    }
  } finally {
    disarm();
    release();
  }
  throw course.over();
}

/** A duration in the words of protobuf. */
export function duration(milliseconds: number): Duration {
  const whole = Math.floor(milliseconds);
  return create(DurationSchema, { seconds: BigInt(Math.floor(whole / 1000)), nanos: (whole % 1000) * 1_000_000 });
}

/** Whether a call failed because its own time was over, which says nothing of the server. */
function isOwnEnd({ code, reason }: SupervisorError): boolean {
  return reason === "" && (code === "CANCELLED" || code === "DEADLINE_EXCEEDED");
}

/** What a failure adds to the text of another error; the end of a call adds nothing. */
function why(error: SupervisorError): string {
  if (isOwnEnd(error)) return "";
  const message = error.message.trim();
  return `: ${message}${message === "Protocol error" ? " (what listens there does not speak gRPC)" : ""}`;
}

function place(client: ClientOptions): string {
  return client.address ? ` at ${client.address}` : "";
}
