/** The one stream of the page: it is folded into the state, and the page is drawn anew a few times a second. */
import { signal } from "@preact/signals";
import { Event_Topic, parseError, type Event, type SupervisorClient, type SupervisorError } from "hero-supervisor/web";
import { ms } from "../format";
import * as session from "../session";
import { beginRead, depths, fold, foldPast, initial, lost, putActor, type State } from "./fold";
import { Series } from "./series";

/** Time between two drawings: changes are seen within it, and rows do not flicker. */
const SETTLE_MS = 250;
/** Silence of the server after which it counts as away is three of these. */
const HEARTBEAT_S = 5n;
/** A stream is behind when its events are older than this. */
const BEHIND_MS = 2000;
/** A tab that nobody sees gives its connection back after this: browsers have few for one server. */
const HIDDEN_MS = 30_000;
/** More actors than this are read as a list. */
const MANY = 8;
/** Past events that are read for the charts. */
const BACKFILL = 5000;
const BACKFILL_MS = 30 * 60_000;

export type Connection =
  | { kind: "connecting" } | { kind: "live" } | { kind: "behind"; lag: number } | { kind: "away"; since: number } | { kind: "resting" };

/** Counts drawings; whoever reads it is drawn anew. */
export const tick = signal(0);
export const connection = signal<Connection>({ kind: "connecting" });
/** What ended the stream for good; undefined while it goes on. */
export const failure = signal<SupervisorError | undefined>(undefined);

export let state: State = initial();
export let series = new Series();
/** The clock of the server, less that of the browser. */
let skew = 0;

/** The time on the clock of the server. */
export function now(): number {
  return Date.now() + skew;
}

let stopStream: AbortController | undefined;
let stopAll: (() => void) | undefined;
let drawn = -1;
/** Whoever wants each event: lists that are not part of the state. */
const listeners = new Set<(event: Event) => void>();

export function onEvent(listener: (event: Event) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const observer: session.StreamObserver = {
  opened() {},
  heard() {
    if (connection.value.kind === "away") state.stale.server = true;
    if (connection.value.kind !== "live" && connection.value.kind !== "behind") connection.value = { kind: "live" };
  },
  lost() {
    lost(state);
    if (connection.value.kind === "away" || connection.value.kind === "resting") return;
    connection.value = { kind: "away", since: Date.now() };
  },
};

/** Opens the page's stream, and all that hangs on it. */
export function start(): void {
  stop();
  [state, series, drawn] = [initial(), new Series(), -1];
  failure.value = undefined;
  session.server.value = undefined;
  connection.value = { kind: "connecting" };
  let client: SupervisorClient;
  try {
    client = session.open(observer);
  } catch (error) {
    session.ended((error as Error).message);
    return;
  }
  const timer = setInterval(() => draw(client), SETTLE_MS);
  let hidden: ReturnType<typeof setTimeout> | undefined;
  const seen = (): void => {
    clearTimeout(hidden);
    if (document.visibilityState === "hidden") hidden = setTimeout(rest, HIDDEN_MS);
    else if (connection.value.kind === "resting") void run(client);
  };
  document.addEventListener("visibilitychange", seen);
  stopAll = () => {
    clearInterval(timer);
    clearTimeout(hidden);
    document.removeEventListener("visibilitychange", seen);
    stopStream?.abort();
  };
  void readServer(client);
  void run(client);
}

export function stop(): void {
  stopAll?.();
  stopAll = undefined;
}

/** Gives the connection back until the tab is seen again. */
export function rest(): void {
  connection.value = { kind: "resting" };
  stopStream?.abort();
}

let cursor = "";

async function run(client: SupervisorClient): Promise<void> {
  const controller = (stopStream = new AbortController());
  const resumed = state.ready && cursor !== "";
  if (!resumed) cursor = "";
  connection.value = { kind: "connecting" };
  try {
    const at = resumed ? { resumeAfter: cursor, includeSnapshot: false } : {};
    const request = { heartbeatInterval: { seconds: HEARTBEAT_S, nanos: 0 }, includeUsage: true, ...at };
    for await (const message of client.watchEvents(request, { signal: controller.signal })) {
      const wasReady = state.ready;
      fold(state, message, series);
      if (state.ready && message.cursor) cursor = message.cursor;
      const { item } = message;
      if (item.case === "event") {
        pace(ms(item.value.time));
        for (const listener of listeners) listener(item.value);
      } else if (item.case === "bookmark") {
        if (item.value.time) skew = (ms(item.value.time) ?? Date.now()) - Date.now();
        pace(undefined);
      }
      if (state.ready && !wasReady) {
        draw(client);
        void backfill(client);
      }
    }
  } catch (error) {
    if (controller.signal.aborted) return;
    if (session.isSignedOut(error)) {
      stop();
      session.ended(session.isSignedIn() ? (error as Error).message : "");
    } else {
      failure.value = error as SupervisorError;
      connection.value = { kind: "away", since: Date.now() };
    }
  }
}

/** Notes how old the last message is. */
function pace(time: number | undefined): void {
  const lag = time === undefined ? 0 : now() - time;
  const kind = lag > BEHIND_MS ? "behind" : "live";
  if (kind === "behind") connection.value = { kind, lag };
  else if (connection.value.kind !== "live") connection.value = { kind };
}

function draw(client: SupervisorClient): void {
  if (!state.ready) {
    // A large snapshot is shown as it arrives, and said to be on its way.
    if (state.arriving) {
      Object.assign(state, state.arriving);
      tick.value += 1;
    }
    return;
  }
  const second = Math.floor(now() / 1000);
  if (connection.value.kind === "live" || connection.value.kind === "behind") {
    for (const [type, depth] of depths(state)) series.sample(type, second, depth.queued, depth.running);
  }
  if (state.stale.actors.size > 0) void readActors(client);
  if (state.stale.server || (session.server.value === undefined && connection.value.kind === "live")) void readServer(client);
  // Once a second in any case: ages and charts move on.
  const mark = state.count * 10 + (second % 10);
  if (mark === drawn) return;
  drawn = mark;
  if (second % 60 === 0) series.trim(now());
  tick.value += 1;
}

async function readActors(client: SupervisorClient): Promise<void> {
  const target = state;
  const { ids, read } = beginRead(target);
  try {
    if (ids.length > MANY) {
      const all = new Map<string, Parameters<typeof putActor>[2]>();
      for await (const actor of client.listActors({ pageSize: 1000 })) all.set(actor.actorId, actor);
      for (const id of ids) putActor(target, id, all.get(id), read);
    } else {
      await Promise.all(ids.map(async (id) => putActor(target, id, await readActor(client, id), read)));
    }
    target.count += 1;
  } catch {
    // Read again with the next drawing, or when the server is back.
    for (const id of ids) target.stale.actors.add(id);
  }
}

async function readActor(client: SupervisorClient, actorId: string) {
  try {
    return (await client.calls.getActor({ actorId })).actor;
  } catch (error) {
    if (parseError(error).code === "NOT_FOUND") return undefined;
    throw error;
  }
}

/** The client whose answer is waited for: that of another token is of no use. */
let reading: SupervisorClient | undefined;

async function readServer(client: SupervisorClient): Promise<void> {
  if (reading === client) return;
  reading = client;
  state.stale.server = false;
  try {
    const info = await client.calls.getServerInfo({});
    if (reading !== client) return;
    session.server.value = info;
    for (const dependency of info.dependencies) state.dependencies.set(dependency.name, dependency);
    state.count += 1;
  } catch {
    // The stream says that the server is away.
  } finally {
    if (reading === client) reading = undefined;
  }
}

/** Reads what happened before the page was opened. */
async function backfill(client: SupervisorClient): Promise<void> {
  const end = now();
  const depth = depths(state);
  const since = { seconds: BigInt(Math.floor((end - BACKFILL_MS) / 1000)), nanos: 0 };
  const past: Event[] = [];
  try {
    for await (const event of client.listEvents({ topics: [Event_Topic.JOB], timeAfter: since, pageSize: 1000 })) {
      // What came since has been counted as it came.
      if ((ms(event.time) ?? 0) <= end) past.push(event);
      if (past.length >= BACKFILL) break;
    }
    series.backfill(past, end, depth);
    foldPast(state, past);
    if (state.events.length < 100) {
      const older: Event[] = [];
      for await (const event of client.listEvents({ pageSize: 200 })) if (older.push(event) >= 200) break;
      const known = new Set(state.events.map((event) => event.eventId));
      state.events.unshift(...older.reverse().filter((event) => !known.has(event.eventId)));
    }
  } catch {
    // Charts begin now.
  }
  state.past = true;
  state.count += 1;
}
