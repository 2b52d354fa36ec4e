import type { Duration } from "@bufbuild/protobuf/wkt";

import { Delays, follower } from "./backoff.js";
import { AbortError, parseError } from "./errors.js";
import { Bookmark_Kind, type Bookmark } from "./gen/hero/supervisor/v1/event_pb.js";
import { Outage, type ClientOptions } from "./wait.js";

/** What the server keeps to if it is not asked for something else. */
const DEFAULT_HEARTBEAT_MS = 15_000;
/** A watch that is silent for so many heartbeats has lost its server. */
const SILENT_HEARTBEATS = 3;

interface Request {
  resumeAfter?: string;
  includeSnapshot?: boolean;
  heartbeatInterval?: unknown;
}

interface Message {
  cursor: string;
  item: { case: string | undefined; value?: unknown };
}

/** Where a watch begins. */
export type Place = { resumeAfter?: string; includeSnapshot?: boolean };

/**
 * Gives the messages of a stream that is opened again behind its last message whenever it breaks off or ends. It ends
 * with `outer`, or with the stream once a message `isLast`.
 */
export async function* follow<M extends Message>(
  client: ClientOptions,
  request: Request,
  outer: AbortSignal | undefined,
  open: (at: Place, signal: AbortSignal) => AsyncIterable<M>,
  isLast: (message: M) => boolean = () => false,
): AsyncGenerator<M, void> {
  const silenceMs = SILENT_HEARTBEATS * heartbeatMs(request.heartbeatInterval as Duration | undefined);
  const delays = new Delays();
  const outage = new Outage(client);
  let ended = false;
  let at: Place = {};
  // A snapshot that breaks off is asked for again as a whole: its cursors do not say how far it came.
  let inSnapshot = !request.resumeAfter && (request.includeSnapshot ?? true);
  const unheard = new AbortController().signal;
  while (!outer?.aborted) {
    let askedMs = 0;
    const { controller, release } = follower(outer);
    let watchdog = setTimeout(() => controller.abort(), silenceMs);
    try {
      for await (const message of open(at, controller.signal)) {
        clearTimeout(watchdog);
        delays.reset();
        outage.reset();
        ended ||= isLast(message);
        if (message.item.case === "bookmark" && (message.item.value as Bookmark).kind === Bookmark_Kind.SNAPSHOT_END) {
          inSnapshot = false;
        }
        if (!inSnapshot && message.cursor) at = { resumeAfter: message.cursor, includeSnapshot: false };
        yield message;
        watchdog = setTimeout(() => controller.abort(), silenceMs);
      }
      if (ended) return;
    } catch (error) {
      const told = parseError(error);
      askedMs = told.retryAfterMs;
      if (outer?.aborted) break;
      if (told.code === "OUT_OF_RANGE") {
        at = { resumeAfter: "", includeSnapshot: true };
        inSnapshot = true;
      } else if (!told.lost && told.reason !== "CONSUMER_TOO_SLOW") {
        throw told;
      }
      outage.note(told);
    } finally {
      clearTimeout(watchdog);
      controller.abort();
      release();
    }
    await delays.wait(outer ?? unheard, askedMs);
  }
  throw new AbortError("", "the watch was given up", {}, { cause: outer?.reason });
}

function heartbeatMs(interval: Duration | undefined): number {
  return interval ? Number(interval.seconds) * 1000 + interval.nanos / 1e6 : DEFAULT_HEARTBEAT_MS;
}
