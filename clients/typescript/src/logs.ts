import { Delays } from "./backoff.js";
import { AbortError, parseError } from "./errors.js";
import type { LogEntry } from "./gen/hero/supervisor/v1/actor_pb.js";
import type { StreamActorLogsResponse } from "./gen/hero/supervisor/v1/supervisor_service_pb.js";
import { Outage, type ClientOptions } from "./wait.js";

/** Gives the lines of an actor; a stream that follows new lines is opened again behind the last one when it breaks off. */
export async function* actorLines(
  client: ClientOptions,
  request: { resumeAfter?: string; follow?: boolean },
  signal: AbortSignal | undefined,
  open: (resumeAfter: string) => AsyncIterable<StreamActorLogsResponse>,
): AsyncGenerator<LogEntry, void> {
  const delays = new Delays();
  const outage = new Outage(client);
  let resumeAfter = request.resumeAfter ?? "";
  const unheard = new AbortController().signal;
  while (!signal?.aborted) {
    let askedMs = 0;
    try {
      for await (const { entries, cursor } of open(resumeAfter)) {
        delays.reset();
        outage.reset();
        yield* entries;
        resumeAfter = cursor || resumeAfter;
      }
      if (!request.follow) return;
    } catch (error) {
      if (signal?.aborted) break;
      const told = parseError(error);
      if (!request.follow || !told.lost) throw told;
      outage.note(told);
      askedMs = told.retryAfterMs;
    }
    await delays.wait(signal ?? unheard, askedMs);
  }
  throw new AbortError("", "the reading of lines was given up", {}, { cause: signal?.reason });
}
