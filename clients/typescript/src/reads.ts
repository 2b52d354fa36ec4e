import type { Interceptor } from "@connectrpc/connect";

import { sleep } from "./backoff.js";
import { parseError } from "./errors.js";

// Reads may be repeated without harm, so they are. Calls that change something are repeated by `run` and its like, which
// give them a request id, and by nobody else.
const READS = new Set([
  "GetServerInfo", "GetActor", "ListActors", "GetScriptType", "ListScriptTypes", "GetQueue", "ListQueues",
  "ListNodes",
  "AwaitJob", "GetJob", "ExplainJob", "ListJobs", "ListEvents",
  "ListIdentities", "ListAuditEntries",
]);
const MOST_ATTEMPTS = 4;
const FIRST_DELAY_MS = 200;

/** Repeats a read up to three times while the server or the way to it is away, wherever the call has broken off. */
export const repeatReads: Interceptor = (next) => async (request) => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(request);
    } catch (error) {
      const told = parseError(error);
      if (!told.away || request.stream || !READS.has(request.method.name) || attempt === MOST_ATTEMPTS) throw error;
      await sleep(Math.max(delayMs(attempt), told.retryAfterMs), request.signal);
      if (request.signal.aborted) throw error;
    }
  }
};

/** 0.2 s, 0.4 s and 0.8 s, or up to twice as long, so that many clients do not come at once. */
function delayMs(attempt: number): number {
  return FIRST_DELAY_MS * 2 ** (attempt - 1) * (1 + Math.random());
}
