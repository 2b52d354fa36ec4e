/** The queues that were created by name. The stream of the page does not tell of their jobs, so they are read again and again. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { parseError, type Queue } from "hero-supervisor/web";
import { spanMs } from "../format";
import { isAt, type QueueRef } from "../queueref";
import * as session from "../session";
import { depths, type Depth } from "./fold";
import { now, onEvent, state } from "./live";

/** Time between two reads while somebody looks. */
const READ_MS = 3000;
/** Most queues that are read at a time; the server reads no more for one page. */
export const MOST = 50;

/** The queues as they were read last, by their names. */
export const named = signal<ReadonlyMap<string, Queue>>(new Map());
/** Whether there are more of them than were read. */
export const areMore = signal(false);
/** The queues that were asked for and are not there. */
export const missing = signal<ReadonlySet<string>>(new Set());

async function readAll(): Promise<void> {
  const { queues, nextPageToken } = await session.client.value!.calls.listQueues({ namedOnly: true, includeStatus: true, pageSize: MOST });
  named.value = new Map(queues.map((queue) => [queue.queue, queue]));
  areMore.value = nextPageToken !== "";
}

/** Reads one queue. */
export async function readQueue(name: string): Promise<Queue | undefined> {
  try {
    const { queue } = await session.client.value!.calls.getQueue({ queue: name });
    if (queue) named.value = new Map(named.value).set(name, queue);
    missing.value = new Set([...missing.value].filter((other) => other !== name));
    return queue;
  } catch (error) {
    if (parseError(error).reason === "QUEUE_NOT_FOUND" || parseError(error).reason === "INVALID_FIELD") {
      missing.value = new Set(missing.value).add(name);
      named.value = new Map([...named.value].filter(([other]) => other !== name));
    }
    return undefined;
  }
}

/** Reads while the component is shown, and at once when something happens to a named queue. */
function useReads(read: () => Promise<unknown>, key: string): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    const again = async (): Promise<void> => {
      // What cannot be read stays as it was: the page says elsewhere that the server is away.
      await read().catch(() => undefined);
      if (!over) timer = setTimeout(() => void again(), READ_MS);
    };
    const off = onEvent((event) => {
      if (event.queue === "") return;
      clearTimeout(timer);
      timer = setTimeout(() => void again(), 100);
    });
    void again();
    return () => {
      over = true;
      clearTimeout(timer);
      off();
    };
  }, [key]);
}

/** Reads all queues while the component is shown. */
export const useNamed = (): void => useReads(readAll, "");
/** Reads one queue while the component is shown. */
export const useQueue = (name: string): void => useReads(() => readQueue(name), name);

/** The numbers of a queue. */
export function depthOf(queue: QueueRef): Depth | undefined {
  if (typeof queue !== "string") return depths(state).get(queue);
  const found = named.value.get(queue);
  if (!found) return undefined;
  const age = spanMs(found.status?.oldestQueuedAge);
  return { queued: found.jobsQueued, running: found.jobsRunning, delayed: found.jobsDelayed, oldest: found.jobsQueued > 0 && age !== undefined ? now() - age : 0 };
}

/** Number of actors that serve a queue. */
export const actorsAt = (queue: QueueRef): number => [...state.actors.values()].filter((actor) => isAt(actor, queue)).length;
